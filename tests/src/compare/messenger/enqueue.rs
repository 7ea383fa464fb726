//! Messages on their way into a file, each call waiting for the disk.

use actix::System;
use dispatch_adapters::model::messenger::DispatchOptions;
use futures_util::future::join_all;

use super::place::{Place, message, send};
use super::{Scene, TOGETHER, not_run, told};
use crate::compare::measure::{Sample, median, timed};
use crate::compare::report::{Row, Target};

/// How messages are sent, and what is to be reached.
struct Bench {
    name: &'static str,
    how: How,
    messages: u64,
    reach: f64,
}

#[derive(Clone, Copy)]
enum How {
    /// One call after the other.
    Batches,
    /// One message in a call, from so many callers.
    Singly(u64),
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "messenger.embedded.enqueue.batch100",
        how: How::Batches,
        messages: 40_000,
        reach: 150_000.0,
    },
    Bench {
        name: "messenger.embedded.enqueue.64callers",
        how: How::Singly(64),
        messages: 25_600,
        reach: 40_000.0,
    },
];

fn ours(how: How, messages: u64) -> Sample {
    let place = Place::file();
    System::new().block_on(async {
        let messenger = place.messenger().await;
        let plain = DispatchOptions::default();
        // The files have their first size before the clock starts.
        send(&messenger, 1_000, TOGETHER, &plain).await;
        let sample = match how {
            How::Batches => timed(messages, send(&messenger, messages, TOGETHER, &plain)).await,
            How::Singly(callers) => {
                let caller = || async {
                    let message = message();
                    for _ in 0..messages / callers {
                        messenger.dispatch(message.clone()).await.expect("the disk has room");
                    }
                };
                let work = join_all((0..callers).map(|_| caller()));
                timed(messages / callers * callers, async { drop(work.await) }).await
            }
        };
        messenger.close().await.expect("it closes");
        sample
    })
}

/// Runs our side alone, if it is one of these.
pub(super) fn profile(bench: &str, messages: u64) -> bool {
    let bench = BENCHES.iter().find(|known| known.name == bench);
    bench.map(|bench| ours(bench.how, messages)).is_some()
}

pub(super) fn run(scene: &Scene<'_>) {
    for bench in BENCHES.iter().filter(|bench| scene.options.wants(bench.name)) {
        let messages = scene.messages(bench.messages);
        let peer = |how: How| {
            let apalis = scene.apalis().map_err(|why| not_run(bench.name, &why)).ok()?;
            let place = Place::file();
            let Place::File(folder) = &place else { return None };
            let path = folder.path().join("apalis.db").to_string_lossy().into_owned();
            apalis.run("sqlite", &path, "setup", &[]);
            // It is slower, and has fewer to store.
            let line = match how {
                How::Batches => apalis.run("sqlite", &path, "batches", &[messages / 4, TOGETHER as u64]),
                How::Singly(callers) => apalis.run("sqlite", &path, "singles", &[messages / 8, callers]),
            };
            Some(told(&line))
        };
        let rounds: Vec<_> =
            (0..scene.rounds()).map(|_| (ours(bench.how, messages), peer(bench.how))).collect();
        scene.report.print(&row(bench.name, &rounds, Target::AtLeast("per_second", bench.reach)));
    }
}

/// The medians of rounds beside those of the peer.
pub(super) fn row(bench: &str, rounds: &[(Sample, Option<Sample>)], target: Target) -> Row {
    let peers: Vec<_> = rounds.iter().filter_map(|(ours, peer)| Some((*ours, (*peer)?))).collect();
    let wall_ns = median(rounds.iter().map(|round| round.0.1));
    let mut extra = vec![("per_second", 1e9 / wall_ns)];
    let peer = if peers.is_empty() {
        ("apalis: not run", f64::NAN, f64::NAN)
    } else {
        let of = |pick: fn(&(Sample, Sample)) -> f64| median(peers.iter().map(pick));
        extra.push(("peer_per_second", of(|pair| 1e9 / pair.1.1)));
        extra.push(("rate_percent", of(|pair| 100.0 * pair.1.1 / pair.0.1)));
        ("apalis", of(|pair| pair.1.0), of(|pair| pair.0.0 / pair.1.0))
    };
    Row {
        bench: bench.to_owned(),
        cpu_ns: median(rounds.iter().map(|round| round.0.0)),
        wall_ns,
        allocations: None,
        peer: Some(peer),
        target: Some(target),
        extra,
    }
}
