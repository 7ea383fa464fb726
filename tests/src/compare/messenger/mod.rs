//! Background messages beside `apalis`, which stores them in the same databases.

mod apalis;
mod claims;
mod end_to_end;
mod enqueue;
mod memory;
mod pickup;
mod place;
mod postgres;

use std::cell::OnceCell;
use std::process::ExitCode;
use std::rc::Rc;

use serde_json::Value;

use self::apalis::Apalis;
use self::postgres::Server;
use super::cli::Options;
use super::measure::{Effort, Sample};
use super::report::Report;

/// Bytes of a payload, as JSON.
const BYTES: usize = 256;
/// Messages that are sent in one call.
const TOGETHER: usize = 100;
/// Messages that are handled at a time, and that are at hand beyond those.
const IN_HAND: usize = 256;

/// What the benches of a run share: made when the first of them needs it.
struct Scene<'a> {
    options: &'a Options,
    report: Report,
    apalis: OnceCell<Result<Apalis, String>>,
    server: OnceCell<Result<Rc<Server>, String>>,
}

impl Scene<'_> {
    fn apalis(&self) -> Result<&Apalis, String> {
        self.apalis.get_or_init(Apalis::build).as_ref().map_err(Clone::clone)
    }

    fn server(&self) -> Result<Rc<Server>, String> {
        self.server.get_or_init(|| Server::connect().map(Rc::new)).clone()
    }

    fn rounds(&self) -> usize {
        self.options.rounds.unwrap_or(if self.options.quick { 3 } else { 7 }).max(1)
    }

    /// So many messages, or fewer for rough figures.
    fn messages(&self, all: u64) -> u64 {
        if self.options.quick { all / 4 } else { all }
    }
}

pub(crate) fn run(options: &Options) {
    let report = Report::new(options.json);
    let scene = Scene { options, report, apalis: OnceCell::new(), server: OnceCell::new() };
    enqueue::run(&scene);
    end_to_end::run(&scene);
    pickup::run(&scene);
    memory::run(options, Effort::of(options), &scene.report);
    claims::run(&scene);
}

/// Runs our side of a bench alone.
pub(crate) fn profile(bench: &str, operations: u64) -> ExitCode {
    if bench == memory::BENCH {
        memory::contender().run(operations);
    } else if !enqueue::profile(bench, operations) && !end_to_end::profile(bench, operations) {
        eprintln!(
            "error: there is no bench '{bench}' to profile: use one in memory or of the embedded store"
        );
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

/// What a message took, as the other program has told it.
fn told(line: &Value) -> Sample {
    let figure = |name: &str| line.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    (figure("cpu_ns"), figure("wall_ns"))
}

/// Says why a bench was not run.
fn not_run(bench: &str, why: &str) {
    eprintln!("{bench}: not run: {why}");
}
