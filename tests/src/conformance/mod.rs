//! Runs conformance cases through the public API.
//!
//! - A case is one line of JSON: `{"id", "kind", "input", "expected", "why"?}`.
//! - This module holds no expected value: it computes what the crates answer and compares.
//! - One module per kind; a kind without one is named and counts as a failure.

mod case;
mod choose;
mod compare;
mod dispatch;
mod dispatcher;
mod messenger;
mod pattern;
mod policy;
mod registration;
mod report;
mod schedule;
mod single;
mod subscription;
mod table;
mod topic;
mod webhook;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};

use serde_json::Value;

pub use case::Case;
pub use compare::matches;
pub use report::Report;

/// Computes what the crates answer to the input of a case.
///
/// # Errors
/// A text that says why the input cannot be used.
type Answer = fn(&Value) -> Result<Value, String>;

/// The runner of a kind.
fn runner(kind: &str) -> Option<Answer> {
    Some(match kind {
        "topic_valid" => topic::valid,
        "topic_category" => topic::category,
        "pattern_valid" => pattern::valid,
        "pattern_match" => pattern::matches,
        "choose" => choose::choose,
        "sanitize" => single::sanitize,
        "status" => single::status,
        "histogram_bucket" => single::histogram_bucket,
        "shape" => single::shape,
        "registration" => registration::registration,
        "dispatch" => dispatch::dispatch,
        "retry_delays" => policy::retry_delays,
        "circuit_breaker" => policy::circuit_breaker,
        "webhook_sign" => webhook::sign,
        "webhook_verify" => webhook::verify,
        "url_guard" => webhook::url_guard,
        "messenger_route" => messenger::route,
        "envelope" => messenger::envelope,
        "cron_next" => schedule::cron_next,
        "subscription" => subscription::subscription,
        _ => return None,
    })
}

/// Runs every case of every file.
///
/// # Errors
/// If a file cannot be read or the report cannot be written.
pub fn run_files<W: Write>(files: &[OsString], report: &mut Report<W>) -> io::Result<()> {
    for file in files {
        let name = file.to_string_lossy();
        let text = fs::read_to_string(file)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot read {name}: {error}")))?;
        run_text(&name, &text, report)?;
    }
    Ok(())
}

/// Runs every case of a text; `name` is what the report calls it.
///
/// # Errors
/// If the report cannot be written.
pub fn run_text<W: Write>(name: &str, text: &str, report: &mut Report<W>) -> io::Result<()> {
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        match Case::read(line) {
            Ok(case) => run(&case, report)?,
            Err(error) => report.not_a_case(name, number, &error)?,
        }
    }
    Ok(())
}

fn run<W: Write>(case: &Case, report: &mut Report<W>) -> io::Result<()> {
    let Some(answer) = runner(&case.kind) else {
        return report.unknown_kind(case);
    };
    match answer(&case.input) {
        Ok(got) if matches(&case.expected, &got) => report.passed(),
        Ok(got) => report.failed(case, &got.to_string())?,
        Err(why) => report.failed(case, &format!("an input that cannot be used: {why}"))?,
    }
    Ok(())
}
