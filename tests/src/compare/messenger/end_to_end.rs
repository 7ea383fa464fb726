//! From the dispatch of a message to the word that it is done, with a store in between.
//!
//! One task sends messages in batches, and a worker hands as many to an engine whose handler does nothing. What is
//! behind them in the queue stays there.

use actix::System;
use dispatch_adapters::model::messenger::DispatchOptions;

use super::enqueue::row;
use super::place::{Place, engine, send, worker};
use super::postgres::{Server, block_on, watched};
use super::{IN_HAND, Scene, TOGETHER, not_run, told};
use crate::compare::measure::{Sample, timed};
use crate::compare::report::Target;

const EMBEDDED: &str = "messenger.embedded.end_to_end";
const BACKLOG: u64 = 1_000_000;

fn ours(place: &Place, messages: u64, backlog: u64) -> Sample {
    System::new().block_on(async {
        let messenger = place.messenger().await;
        let engine = engine(|| {});
        let plain = DispatchOptions::default();
        let work = async |messages: u64| {
            let worker = messenger.work(&engine, worker(messages)).expect("the worker starts");
            let ended = tokio::join!(send(&messenger, messages, TOGETHER, &plain), worker.ended()).1;
            let report = ended.expect("it has ended by itself");
            assert_eq!((report.done, report.is_clean(), report.lost), (messages, true, 0), "{report:?}");
        };
        // What is made with the first messages is made before the clock starts.
        work(1_000).await;
        let sample = timed(messages, work(messages)).await;
        let depth = messenger.queue("default").expect("it is there").depth(None).await.expect("it counts");
        assert_eq!((depth.open(), depth.failed), (backlog, 0), "{depth:?}");
        messenger.close().await.expect("it closes");
        sample
    })
}

/// Stores what nobody handles while it is measured.
fn fill(place: &Place, backlog: u64) {
    block_on(async {
        let messenger = place.messenger().await;
        send(&messenger, backlog, 5_000, &DispatchOptions::default()).await;
        messenger.close().await.expect("it closes");
    });
}

/// Runs our side alone, if it is this.
pub(super) fn profile(bench: &str, messages: u64) -> bool {
    let is_known = bench == EMBEDDED;
    if is_known {
        ours(&Place::file(), messages, 0);
    }
    is_known
}

fn embedded(scene: &Scene<'_>, bench: &str, backlog: u64, reach: f64) {
    if !scene.options.wants(bench) {
        return;
    }
    let messages = scene.messages(40_000);
    let (place, theirs) = (Place::file(), Place::file());
    fill(&place, backlog);
    let Place::File(folder) = &theirs else { return };
    let path = folder.path().join("apalis.db").to_string_lossy().into_owned();
    let apalis = scene.apalis().map_err(|why| not_run(bench, &why)).ok();
    if let Some(apalis) = apalis {
        apalis.run("sqlite", &path, "setup", &[]);
        if backlog > 0 {
            apalis.run("sqlite", &path, "fill", &[backlog]);
        }
    }
    // What it takes for each message is far more, so it has few.
    let peer = || Some(told(&apalis?.run("sqlite", &path, "work", &[messages / 40, IN_HAND as u64])));
    let rounds: Vec<_> = (0..scene.rounds()).map(|_| (ours(&place, messages, backlog), peer())).collect();
    scene.report.print(&row(bench, &rounds, Target::AtLeast("per_second", reach)));
}

/// CPU time is that of both, the process and the server.
fn with_server(server: &Server, messages: u64, work: impl FnOnce() -> Sample) -> Sample {
    let ((cpu, wall), computed) = watched(server, messages, work);
    (cpu + computed, wall)
}

fn postgres(scene: &Scene<'_>) {
    const BENCH: &str = "messenger.postgres.end_to_end";
    if !scene.options.wants(BENCH) {
        return;
    }
    let server = match scene.server() {
        Ok(server) => server,
        Err(why) => return not_run(BENCH, &why),
    };
    let messages = scene.messages(20_000);
    let place = Place::tables(&server);
    let apalis = scene.apalis().map_err(|why| not_run(BENCH, &why)).ok();
    if let Some(apalis) = apalis {
        apalis.run("postgres", &server.url(), "setup", &[]);
    }
    let peer = || {
        let (apalis, fewer) = (apalis?, messages / 2);
        let work = || told(&apalis.run("postgres", &server.url(), "work", &[fewer, IN_HAND as u64]));
        Some(with_server(&server, fewer, work))
    };
    let rounds: Vec<_> = (0..scene.rounds())
        .map(|_| (with_server(&server, messages, || ours(&place, messages, 0)), peer()))
        .collect();
    for target in [Target::AtLeast("per_second", 5_000.0), Target::AtLeast("rate_percent", 100.0)] {
        scene.report.print(&row(BENCH, &rounds, target));
    }
}

pub(super) fn run(scene: &Scene<'_>) {
    embedded(scene, EMBEDDED, 0, 20_000.0);
    let backlog = if scene.options.quick { BACKLOG / 10 } else { BACKLOG };
    embedded(scene, &format!("{EMBEDDED}.behind{backlog}"), backlog, 10_000.0);
    postgres(scene);
}
