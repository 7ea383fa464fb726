//! Dispatches, alone and many at a time, to one dispatcher and to several.
//!
//! The Python reference cannot take turns with the others: its figures were recorded once, on the same kind of
//! machine, and are beside ours as they are.

use super::load::Load;
use super::ours::{self, SharedSystem, Source};
use super::{actix_peer, kameo_peer, ractor_peer};
use crate::compare::cli::Options;
use crate::compare::measure::{self, Contender, Effort};
use crate::compare::memory;
use crate::compare::report::{Report, Row, Target};

pub(crate) struct Bench {
    pub(crate) name: &'static str,
    dispatchers: usize,
    /// Routes before theirs that do not match.
    misses: usize,
    load: Load,
    source: Source,
    /// CPU nanoseconds of the Python reference.
    python: Option<f64>,
    /// What the specification asks, and of the row with which peer.
    targets: &'static [(&'static str, Target)],
}

pub(crate) const BENCHES: &[Bench] = &[
    Bench {
        name: "dispatch.1.sequential",
        dispatchers: 1,
        misses: 0,
        load: Load::Sequential,
        source: Source::Template,
        python: None,
        targets: &[("actix send", Target::Ratio(2.0))],
    },
    Bench {
        name: "dispatch.1.inflight256",
        dispatchers: 1,
        misses: 0,
        load: Load::InFlight(256),
        source: Source::Template,
        python: Some(150_000.0),
        targets: &[("actix send", Target::PerSecond(2_000_000.0)), ("kameo ask", Target::Allocations(4.5))],
    },
    Bench {
        name: "dispatch.1.inflight256.fresh",
        dispatchers: 1,
        misses: 0,
        load: Load::InFlight(256),
        source: Source::Fresh,
        python: None,
        targets: &[],
    },
    Bench {
        name: "dispatch.1.many64",
        dispatchers: 1,
        misses: 0,
        load: Load::Batches(64),
        source: Source::Template,
        python: None,
        targets: &[("actix send", Target::PerSecond(5_000_000.0))],
    },
    Bench {
        name: "dispatch.3.inflight256",
        dispatchers: 3,
        misses: 0,
        load: Load::InFlight(256),
        source: Source::Template,
        python: Some(294_000.0),
        targets: &[],
    },
    Bench {
        name: "dispatch.10.sequential",
        dispatchers: 10,
        misses: 0,
        load: Load::Sequential,
        source: Source::Template,
        python: None,
        targets: &[("kameo ask", Target::Ratio(0.55))],
    },
    Bench {
        name: "dispatch.10.inflight256",
        dispatchers: 10,
        misses: 0,
        load: Load::InFlight(256),
        source: Source::Template,
        python: None,
        targets: &[("actix send", Target::PerSecond(1_100_000.0))],
    },
    Bench {
        name: "dispatch.last1000.inflight256",
        dispatchers: 1,
        misses: 999,
        load: Load::InFlight(256),
        source: Source::Template,
        python: Some(993_000.0),
        targets: &[],
    },
];

/// How much of the Python reference's CPU time we may take.
const PYTHON: Target = Target::Ratio(1.0 / 300.0);

impl Bench {
    pub(crate) fn ours(&self, system: &SharedSystem) -> Contender {
        ours::contender(system, self.dispatchers, self.misses, self.load, self.source)
    }

    /// Ours and its peers; beside batches stand as many single messages in flight, for no peer has batches.
    fn contenders(&self, system: &SharedSystem) -> Vec<Contender> {
        let tasks = match self.load {
            Load::Sequential => 1,
            Load::InFlight(tasks) | Load::Batches(tasks) => tasks,
        };
        let mut contenders = vec![self.ours(system)];
        // Actors alone do not route.
        if self.misses == 0 {
            contenders.push(actix_peer::contender(system, self.dispatchers, tasks));
            contenders.push(kameo_peer::contender(self.dispatchers, tasks));
            contenders.push(ractor_peer::contender(self.dispatchers, tasks));
        }
        contenders
    }

    fn run(&self, effort: Effort, report: &Report) {
        let system = ours::system();
        let mut contenders = self.contenders(&system);
        let figures = measure::measure(&mut contenders, effort);
        let operations = 64 * 1024;
        let allocations = memory::allocations(operations, || contenders[0].run(operations));
        let ours = &figures[0];
        let row = |peer: (&'static str, f64, f64), target| Row {
            bench: self.name.to_owned(),
            cpu_ns: ours.cpu_ns,
            wall_ns: ours.wall_ns,
            allocations: Some(allocations),
            peer: Some(peer),
            target,
            extra: Vec::new(),
        };
        for peer in &figures[1..] {
            let target = self.targets.iter().find(|(name, _)| *name == peer.name).map(|(_, target)| *target);
            report.print(&row((peer.name, peer.cpu_ns, peer.ratio), target));
        }
        if let Some(python) = self.python {
            report.print(&row(("python (recorded)", python, ours.cpu_ns / python), Some(PYTHON)));
        }
    }
}

pub(crate) fn run(options: &Options, effort: Effort, report: &Report) {
    for bench in BENCHES.iter().filter(|bench| options.wants(bench.name)) {
        bench.run(effort, report);
    }
}
