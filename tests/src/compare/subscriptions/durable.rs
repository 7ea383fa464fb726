//! From a publisher to the acknowledgement of a consumer, with a log on disk in between.

use actix::System;
use dispatch_actors::bus::Bus;
use dispatch_adapters::{SqliteLog, SqliteLogOptions};

use super::meter::{self, Publishing};
use super::{folder, jetstream, log_in};
use crate::compare::cli::Options;
use crate::compare::measure::{Sample, median, timed};
use crate::compare::report::{Report, Row, Target};

/// Publishers, and messages that may be unacknowledged.
pub(super) const WINDOW: u32 = 256;

fn ours(messages: u64) -> Sample {
    let folder = folder();
    System::new().block_on(async {
        let log = SqliteLog::open(SqliteLogOptions::new(log_in(&folder))).await.expect("the log opens");
        let bus = Bus::builder(log).start().expect("the bus starts");
        let opening = bus.reliable_exclusive("billing", "shop.**");
        let opening = opening.configure(|config| config.with_window(WINDOW));
        let subscription = opening.open().await.expect("the subscription opens");
        let meter = meter::counted(&subscription, 1).await;
        let publishing = Publishing::Single(u64::from(WINDOW));
        // The files have their first size before the clock starts.
        meter.expect(4 * u64::from(WINDOW));
        meter::publish(&bus, publishing, 4 * u64::from(WINDOW)).await;
        meter.reached().await;
        let work = async {
            meter.expect(messages);
            meter::publish(&bus, publishing, messages).await;
            meter.reached().await;
            subscription.flush().await.expect("the cursor is saved");
        };
        let sample = timed(messages, work).await;
        bus.shutdown(std::time::Duration::from_secs(10)).await.expect("the bus ends");
        bus.log().close().await.expect("the log closes");
        sample
    })
}

pub(super) fn run(options: &Options, report: &Report) {
    const BENCH: &str = "subscription.durable.window256";
    if !options.wants(BENCH) {
        return;
    }
    let url = std::env::var("DISPATCH_NATS_URL").ok();
    let (rounds, messages) = if options.quick { (3, 5_120) } else { (options.rounds.unwrap_or(7), 25_600) };
    let rounds: Vec<_> = (0..rounds)
        .map(|_| (ours(messages), url.as_deref().map(|url| jetstream::sample(url, messages))))
        .collect();
    let peers: Vec<_> = rounds.iter().filter_map(|(ours, peer)| Some((*ours, (*peer)?))).collect();
    let mut row = Row {
        bench: BENCH.to_owned(),
        cpu_ns: median(rounds.iter().map(|round| round.0.0)),
        wall_ns: median(rounds.iter().map(|round| round.0.1)),
        allocations: None,
        peer: None,
        target: None,
        extra: Vec::new(),
    };
    if peers.is_empty() {
        row.peer = Some(("JetStream: not run", f64::NAN, f64::NAN));
    } else {
        let of = |pick: fn(&(Sample, Sample)) -> f64| median(peers.iter().map(pick));
        row.peer = Some(("JetStream", of(|pair| pair.1.0), of(|pair| pair.0.0 / pair.1.0)));
        row.extra.push(("rate_percent", of(|pair| 100.0 * pair.1.1 / pair.0.1)));
        row.extra.push(("peer_wall_ns", of(|pair| pair.1.1)));
        row.target = Some(Target::AtLeast("rate_percent", 100.0));
    }
    report.print(&row);
}
