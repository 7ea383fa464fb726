//! How long a message of an idle queue waits: from before it is dispatched until its handler runs, the way to the disk
//! included.

use std::time::{Duration, Instant};

use actix::System;
use dispatch_adapters::model::messenger::WorkerConfig;
use serde_json::Value;
use tokio::sync::mpsc;

use super::place::{Place, engine, message};
use super::{Scene, not_run};
use crate::compare::measure::median;
use crate::compare::report::{Row, Target};

/// How long the queue rests between two messages.
const REST: Duration = Duration::from_millis(5);
/// Messages that the peer handles at a time, as ours does.
const AT_A_TIME: u64 = 5;

/// The middle and the slowest hundredth, in milliseconds.
type Latency = (f64, f64);

fn ours(place: &Place, messages: u64) -> Latency {
    System::new().block_on(async {
        let messenger = place.messenger().await;
        let (tell, mut heard) = mpsc::unbounded_channel();
        let engine = engine(move || {
            // Nobody listens any more once the last is handled.
            let _ = tell.send(Instant::now());
        });
        let config = WorkerConfig { max_messages: Some(messages), ..WorkerConfig::default() };
        let worker = messenger.work(&engine, config).expect("the worker starts");
        let (message, mut all) = (message(), Vec::new());
        for _ in 0..messages {
            tokio::time::sleep(REST).await;
            let begun = Instant::now();
            messenger.dispatch(message.clone()).await.expect("it is stored");
            let handled = heard.recv().await.expect("the worker is there");
            all.push(handled.saturating_duration_since(begun).as_secs_f64() * 1_000.0);
        }
        worker.ended().await.expect("it has ended by itself");
        messenger.close().await.expect("it closes");
        all.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| all[((all.len() as f64 * share) as usize).min(all.len() - 1)];
        (at(0.5), at(0.99))
    })
}

fn told(line: &Value) -> Latency {
    let figure = |name: &str| line.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    (figure("p50_ms"), figure("p99_ms"))
}

fn print(scene: &Scene<'_>, bench: &str, rounds: &[(Latency, Option<Latency>)]) {
    let peers: Vec<_> = rounds.iter().filter_map(|round| round.1).collect();
    let mut extra = vec![
        ("p50_ms", median(rounds.iter().map(|round| round.0.0))),
        ("p99_ms", median(rounds.iter().map(|round| round.0.1))),
    ];
    if !peers.is_empty() {
        extra.push(("peer_p50_ms", median(peers.iter().map(|peer| peer.0))));
        extra.push(("peer_p99_ms", median(peers.iter().map(|peer| peer.1))));
    }
    scene.report.print(&Row {
        bench: bench.to_owned(),
        cpu_ns: 0.0,
        wall_ns: 0.0,
        allocations: None,
        peer: Some((if peers.is_empty() { "apalis: not run" } else { "apalis" }, f64::NAN, f64::NAN)),
        target: Some(Target::Extra("p99_ms", 20.0)),
        extra,
    });
}

pub(super) fn run(scene: &Scene<'_>) {
    const EMBEDDED: &str = "messenger.embedded.pickup";
    const POSTGRES: &str = "messenger.postgres.pickup";
    let messages = scene.messages(400);
    if scene.options.wants(EMBEDDED) {
        let (place, theirs) = (Place::file(), Place::file());
        let Place::File(folder) = &theirs else { return };
        let path = folder.path().join("apalis.db").to_string_lossy().into_owned();
        let apalis = scene.apalis().map_err(|why| not_run(EMBEDDED, &why)).ok();
        if let Some(apalis) = apalis {
            apalis.run("sqlite", &path, "setup", &[]);
        }
        let peer = || Some(told(&apalis?.run("sqlite", &path, "pickup", &[messages, AT_A_TIME])));
        let rounds: Vec<_> = (0..scene.rounds()).map(|_| (ours(&place, messages), peer())).collect();
        print(scene, EMBEDDED, &rounds);
    }
    if scene.options.wants(POSTGRES) {
        let server = match scene.server() {
            Ok(server) => server,
            Err(why) => return not_run(POSTGRES, &why),
        };
        let place = Place::tables(&server);
        let apalis = scene.apalis().map_err(|why| not_run(POSTGRES, &why)).ok();
        if let Some(apalis) = apalis {
            apalis.run("postgres", &server.url(), "setup", &[]);
        }
        let peer = || Some(told(&apalis?.run("postgres", &server.url(), "pickup", &[messages, AT_A_TIME])));
        let rounds: Vec<_> = (0..scene.rounds()).map(|_| (ours(&place, messages), peer())).collect();
        print(scene, POSTGRES, &rounds);
    }
}
