//! Many failed messages, and what people do with them: listed with a filter, counted by a dry run, replayed one after the
//! other in time. Whatever there are, the memory that it takes stays the same.
//!
//! `DISPATCH_PROOF=200 cargo test --release -p dispatch-adapters --features postgres --test backlog -- --nocapture` does it
//! with a million in a file, and on PostgreSQL if `DISPATCH_POSTGRES_URL` names a server.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "this is how a test fails")]
#![allow(clippy::print_stdout, reason = "figures of the slow lane are printed on purpose")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use dispatch_adapters::messenger::{
    Attempt, DispatchOptions, Filter, Message, MessageQueue, Messenger, Page, Replay,
};
use dispatch_adapters::model::queue::{Claim, Outcome, Settlement, WorkerId};
use dispatch_adapters::sqlite_queue::{SqliteQueue, SqliteQueueOptions};
use serde_json::json;

/// Most KiB that anything may take beyond what there was; all of the messages together are many times that.
const MOST_KIB: u64 = 8 * 1_024;
/// Characters of a payload.
const TEXT: usize = 1_024;
/// Messages of one call.
const TOGETHER: usize = 500;

fn count() -> u64 {
    let proof = std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1_u64);
    5_000 * proof.clamp(1, 200)
}

/// Memory of this process in KiB, by its name in `/proc`.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

/// Does something, and says what it took at its highest beyond what there was, in KiB.
async fn bounded<T>(what: &str, place: &str, work: impl Future<Output = T>) -> T {
    // The highest level begins anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, begun) = (memory("VmRSS"), Instant::now());
    let done = work.await;
    let more = memory("VmHWM").saturating_sub(before);
    println!("{place}: {what}: {more} KiB, {:.1} s", begun.elapsed().as_secs_f64());
    assert!(more <= MOST_KIB, "{place}: {what} took {more} KiB, at most {MOST_KIB} were to be");
    done
}

/// Stores messages of two types, takes them, and has all of them fail, each tenth otherwise.
async fn fail(messenger: &Messenger, count: u64) {
    let queue = messenger.queue("default").unwrap();
    let claim = Claim {
        worker: WorkerId::new("one"),
        queues: vec!["default".parse().unwrap()],
        max: TOGETHER,
        lease: Duration::from_secs(600),
    };
    for call in 0..count / TOGETHER as u64 {
        let message = |number: usize| {
            let kind = if number.is_multiple_of(5) { "SendMail" } else { "Resize" };
            let payload = json!({ "number": number, "text": "x".repeat(TEXT) });
            (Message::new(kind, &payload).unwrap(), DispatchOptions::default())
        };
        assert_eq!(messenger.dispatch_batch((0..TOGETHER).map(message)).await.failed(), 0);
        let claimed = queue.claim(&claim).await.unwrap().messages;
        assert_eq!(claimed.len(), TOGETHER, "call {call}");
        let failed = claimed.into_iter().enumerate().map(|(number, leased)| {
            let error = if number.is_multiple_of(10) { "no such address" } else { "disk full" };
            let attempt = Attempt {
                series: leased.series,
                number: leased.attempt,
                worker: WorkerId::new("one"),
                started_at: SystemTime::now(),
                waited: leased.waited(),
                ran: Some(Duration::from_millis(3)),
                error: error.to_owned(),
                unrecoverable: false,
            };
            let outcome = Outcome::Failed { attempt, succeeded: Vec::new() };
            Settlement { token: leased.token, outcome }
        });
        let settled = queue.settle(failed.collect()).await.unwrap();
        assert!(settled.iter().all(Result::is_ok));
    }
}

/// How many a filter means, page after page.
async fn listed(messenger: &Messenger, filter: &Filter) -> u64 {
    let (mut count, mut page) = (0, Page::first(200));
    loop {
        let found = messenger.list("default", filter, page).await.unwrap();
        let Some(last) = found.last() else { return count };
        count += found.len() as u64;
        page = Page::after(last.id, 200);
    }
}

async fn prove(place: &str, queue: Arc<dyn MessageQueue>) {
    let count = count();
    let messenger = Messenger::builder().shared_transport("default", queue).build().unwrap();
    fail(&messenger, count).await;
    let failed = Filter::failed();
    let mails = failed.clone().of_type("SendMail".parse().unwrap());
    // What is made once is there before anything is measured.
    messenger.list("default", &failed, Page::first(200)).await.unwrap();
    messenger.list("default", &mails, Page::first(200)).await.unwrap();
    assert_eq!(bounded("all are listed", place, listed(&messenger, &failed)).await, count);
    assert_eq!(bounded("a type is listed", place, listed(&messenger, &mails)).await, count / 5);
    let dry = messenger.retry_all("default", &failed, Replay::at_once().dry());
    assert_eq!(bounded("a dry run", place, dry).await.unwrap(), count);
    let paced = Replay::at_once().every(Duration::from_secs(3_600));
    let replayed = messenger.retry_all("default", &failed, paced);
    assert_eq!(bounded("a paced replay", place, replayed).await.unwrap(), count);
    let depth = messenger.stats().await.unwrap()[0].total();
    assert_eq!((depth.failed, depth.ready + depth.scheduled), (0, count));
    // All but the first few are due later.
    assert!(depth.ready <= 1, "{depth:?}");
    messenger.close().await.unwrap();
}

// One test: the memory is that of the whole process.
#[tokio::test]
async fn whatever_has_failed_people_take_the_same_memory() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteQueueOptions::new(folder.path().join("queue.db"));
    prove("a file", Arc::new(SqliteQueue::open(options).await.unwrap())).await;
    drop(folder);
    #[cfg(feature = "postgres")]
    postgres().await;
}

/// In a schema of its own, which is removed at the end.
#[cfg(feature = "postgres")]
async fn postgres() {
    use dispatch_adapters::postgres_queue::{PostgresQueue, PostgresQueueOptions};
    use futures_util::FutureExt;

    let Some(url) = std::env::var("DISPATCH_POSTGRES_URL").ok().filter(|url| !url.is_empty()) else {
        let required = std::env::var("DISPATCH_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        assert!(!required, "DISPATCH_REQUIRE_SERVERS is 1 and DISPATCH_POSTGRES_URL is not set");
        return println!("PostgreSQL: skipped, set DISPATCH_POSTGRES_URL to run");
    };
    let schema = format!("backlog_{}", uuid::Uuid::new_v4().simple());
    let options = PostgresQueueOptions::new(url.as_str()).with_schema(&schema).migrating();
    let queue = PostgresQueue::open(options).await.unwrap();
    let done = std::panic::AssertUnwindSafe(prove("PostgreSQL", Arc::new(queue))).catch_unwind().await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await.unwrap();
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}
