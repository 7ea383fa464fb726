//! Subscriptions whose messages are in memory, on one thread with those who publish.

use std::rc::Rc;

use actix::System;
use dispatch_actors::bus::Bus;
use dispatch_adapters::model::log::{MemoryLog, Offset};

use super::meter::{self, Publishing};
use super::tokio_peer;
use crate::compare::cli::Options;
use crate::compare::measure::{Contender, Effort, measure};
use crate::compare::memory;
use crate::compare::report::{Report, Row, Target};

pub(super) struct Bench {
    pub(super) name: &'static str,
    kind: Kind,
    publishing: Publishing,
    peer: fn() -> Contender,
    /// Deliveries a CPU-second.
    reach: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// At most once, to so many consumers.
    Live(usize),
    /// At least once, with so many unacknowledged.
    Reliable(u32),
}

const SINGLE: Publishing = Publishing::Single(256);
const BATCHES: Publishing = Publishing::Batches(64);

pub(super) const BENCHES: &[Bench] = &[
    Bench {
        name: "subscription.at_most_once.1",
        kind: Kind::Live(1),
        publishing: SINGLE,
        peer: || tokio_peer::broadcast(),
        reach: 2_000_000.0,
    },
    Bench {
        name: "subscription.at_most_once.1.batch64",
        kind: Kind::Live(1),
        publishing: BATCHES,
        peer: || tokio_peer::broadcast(),
        reach: 2_000_000.0,
    },
    Bench {
        name: "subscription.at_most_once.3shared",
        kind: Kind::Live(3),
        publishing: SINGLE,
        peer: || tokio_peer::channels(3),
        reach: 1_500_000.0,
    },
    Bench {
        name: "subscription.at_most_once.3shared.batch64",
        kind: Kind::Live(3),
        publishing: BATCHES,
        peer: || tokio_peer::channels(3),
        reach: 1_500_000.0,
    },
    Bench {
        name: "subscription.at_least_once.memory.window1",
        kind: Kind::Reliable(1),
        publishing: SINGLE,
        peer: || tokio_peer::acknowledged(1),
        reach: 250_000.0,
    },
    Bench {
        name: "subscription.at_least_once.memory.window256",
        kind: Kind::Reliable(256),
        publishing: SINGLE,
        peer: || tokio_peer::acknowledged(256),
        reach: 1_000_000.0,
    },
    Bench {
        name: "subscription.at_least_once.memory.window256.batch64",
        kind: Kind::Reliable(256),
        publishing: BATCHES,
        peer: || tokio_peer::acknowledged(256),
        reach: 1_000_000.0,
    },
];

impl Bench {
    pub(super) fn ours(&self) -> Contender {
        let (kind, publishing, system) = (self.kind, self.publishing, Rc::new(System::new()));
        let (bus, meter) = system.block_on(async move {
            let builder = Bus::builder(MemoryLog::new());
            let builder = if matches!(kind, Kind::Live(_)) { builder.transient("shop.**") } else { builder };
            let bus = builder.start().expect("the bus starts");
            let (opening, consumers) = match kind {
                Kind::Live(1) => (bus.non_reliable_exclusive("live", "shop.**"), 1),
                Kind::Live(consumers) => (bus.non_reliable_shared("live", "shop.**"), consumers),
                Kind::Reliable(window) => {
                    let opening = bus.reliable_exclusive("reliable", "shop.**");
                    (opening.configure(|config| config.with_window(window)), 1)
                }
            };
            let subscription = opening.open().await.expect("the subscription opens");
            let meter = meter::counted(&subscription, consumers).await;
            (bus, meter)
        });
        Contender::new("bus", move |operations| {
            system.block_on(async {
                meter.expect(operations);
                meter::publish(&bus, publishing, operations).await;
                meter.reached().await;
                // What was delivered is not kept, or the log would be full at last.
                let trimmed = bus.log().trim(&meter::topic(), Offset::new(u64::MAX)).await;
                trimmed.expect("a log in memory can be trimmed");
            });
        })
    }

    fn run(&self, effort: Effort, report: &Report) {
        let mut contenders = [self.ours(), (self.peer)()];
        let figures = measure(&mut contenders, effort);
        let operations = 64 * 1024;
        let allocations = memory::allocations(operations, || contenders[0].run(operations));
        let (ours, peer) = (&figures[0], &figures[1]);
        report.print(&Row {
            bench: self.name.to_owned(),
            cpu_ns: ours.cpu_ns,
            wall_ns: ours.wall_ns,
            allocations: Some(allocations),
            peer: Some((peer.name, peer.cpu_ns, peer.ratio)),
            target: Some(Target::PerSecond(self.reach)),
            extra: Vec::new(),
        });
    }
}

pub(super) fn run(options: &Options, effort: Effort, report: &Report) {
    for bench in BENCHES.iter().filter(|bench| options.wants(bench.name)) {
        bench.run(effort, report);
    }
}
