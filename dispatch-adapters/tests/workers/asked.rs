//! Processes that are asked to end while they work: what they leave, and the status they end with.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use dispatch_adapters::messenger::{
    self, Filter, Message, MessageState, Page, StoredMessage, WorkerConfig, Workers, WorkersReport,
};
use dispatch_adapters::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The variable that makes this binary such a process.
const ORDER: &str = "DISPATCH_ASKED_TO_END";
const UNFINISHED: i32 = WorkersReport::UNFINISHED as i32;

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    folder: PathBuf,
    deadline: Duration,
    handler: Handler,
}

/// What its handler does.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Handler {
    Works,
    Hangs,
    BlocksItsThread,
    /// Its workers end by themselves, and the process does not.
    Outlives,
}

fn say(word: &str) {
    std::io::stdout().lock().write_all(format!("{word}\n").as_bytes()).unwrap();
}

/// Not a test: what such a process does.
#[test]
fn process() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&order).unwrap();
    // The test framework has begun a line.
    say("");
    let is_clean = actix::System::new().block_on(work(order));
    std::process::exit(if is_clean { 0 } else { UNFINISHED });
}

async fn work(order: Order) -> bool {
    let config = super::trial::config(super::FILE);
    let messenger = messenger::builder(&order.folder).config(config).open().await.unwrap();
    let handler = on_command("work").concurrency(100).run(move |_: Envelope| async move {
        say("begun");
        match order.handler {
            Handler::Outlives => {}
            Handler::Works => tokio::time::sleep(Duration::from_millis(20)).await,
            Handler::Hangs => std::future::pending().await,
            Handler::BlocksItsThread => loop {
                std::thread::park();
            },
        }
        say("ended");
    });
    let route = Route::new("work", "messenger.**", Category::Command, "work");
    let engine = Engine::builder().dispatcher(handler).route(route).freeze().unwrap();
    let outlives = matches!(order.handler, Handler::Outlives);
    let config = WorkerConfig { max_messages: outlives.then_some(1), ..WorkerConfig::default() };
    let workers: Workers = (0..2).map(|_| messenger.work(&engine, config.clone()).unwrap()).collect();
    let report = workers.run_until_signal(order.deadline).await.unwrap();
    if outlives {
        say("outlives");
        std::future::pending::<()>().await;
    }
    assert!(report.asked);
    messenger.close().await.unwrap();
    report.is_clean()
}

/// Such a process, and what it says.
struct Asked {
    folder: tempfile::TempDir,
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    begun: usize,
    ended: usize,
    outlives: bool,
}

impl Asked {
    /// Starts a process with so many messages, and waits until it has begun with some.
    async fn begun(handler: Handler, deadline: Duration, messages: u64, some: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = super::trial::config(super::FILE);
        let messenger = messenger::builder(folder.path()).config(config).open().await.unwrap();
        let items = (0..messages)
            .map(|number| (Message::new("Work", &json!({ "number": number })).unwrap(), Default::default()));
        assert_eq!(messenger.dispatch_batch(items).await.succeeded() as u64, messages);
        messenger.close().await.unwrap();
        let order = Order { folder: folder.path().to_owned(), deadline, handler };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "asked::process", "--nocapture", "--test-threads=1"])
            .env(ORDER, serde_json::to_string(&order).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut asked = Self { folder, child, said, begun: 0, ended: 0, outlives: false };
        while asked.begun < some {
            assert!(asked.hear(), "it has ended");
        }
        asked
    }

    /// Hears a line; `false` when there are no more.
    fn hear(&mut self) -> bool {
        let Some(line) = self.said.next() else { return false };
        match line.unwrap().as_str() {
            "begun" => self.begun += 1,
            "ended" => self.ended += 1,
            "outlives" => self.outlives = true,
            _ => {}
        }
        true
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// The status that it ends with, and what it leaves.
    async fn end(&mut self) -> (Option<i32>, Vec<StoredMessage>) {
        while self.hear() {}
        let status = self.child.wait().unwrap();
        let config = super::trial::config(super::FILE);
        let messenger = messenger::builder(self.folder.path()).config(config).open().await.unwrap();
        let stored = messenger.list("default", &Filter::all(), Page::first(10_000)).await.unwrap();
        messenger.close().await.unwrap();
        (status.code(), stored)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count(stored: &[StoredMessage], state: MessageState) -> usize {
    stored.iter().filter(|stored| stored.state == state).count()
}

#[actix::test]
async fn g8_under_load_it_ends_what_it_has_begun_and_all_is_well() {
    for name in ["TERM", "INT"] {
        let mut asked = Asked::begun(Handler::Works, Duration::from_secs(30), 1_000, 30).await;
        asked.signal(name);
        let (status, stored) = asked.end().await;
        assert_eq!(status, Some(0));
        assert_eq!(asked.begun, asked.ended);
        assert_eq!((count(&stored, MessageState::Done), stored.len()), (asked.ended, 1_000));
        assert_eq!(count(&stored, MessageState::Ready), 1_000 - asked.ended, "the rest was handed back");
    }
}

#[actix::test]
async fn g8_a_handler_that_hangs_is_abandoned_at_the_deadline_and_the_status_says_so() {
    let mut asked = Asked::begun(Handler::Hangs, Duration::from_millis(300), 3, 3).await;
    asked.signal("TERM");
    let (status, stored) = asked.end().await;
    assert_eq!(status, Some(UNFINISHED));
    for stored in stored {
        assert_eq!((stored.state, stored.attempts), (MessageState::Ready, 1));
        assert!(stored.last_error().unwrap().starts_with("the worker was stopped"), "{stored:?}");
        assert!(stored.due_at > SystemTime::now() + Duration::from_secs(10), "its lease is not over");
    }
}

#[actix::test]
async fn a_second_signal_ends_it_at_once() {
    for handler in [Handler::Hangs, Handler::BlocksItsThread] {
        let mut asked = Asked::begun(handler, Duration::from_secs(3_600), 1, 1).await;
        let begun = Instant::now();
        // Two that are not the same: of the same the second would be lost while the first is pending.
        asked.signal("TERM");
        asked.signal("INT");
        let (status, stored) = asked.end().await;
        assert_eq!(status, Some(UNFINISHED));
        assert_eq!(count(&stored, MessageState::Leased), 1, "it is left to its lease");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

#[actix::test]
async fn a_handler_that_blocks_the_thread_cannot_keep_it_much_longer_than_the_deadline() {
    let mut asked = Asked::begun(Handler::BlocksItsThread, Duration::from_millis(10), 1, 1).await;
    asked.signal("TERM");
    let (status, stored) = asked.end().await;
    assert_eq!(status, Some(UNFINISHED));
    assert_eq!(count(&stored, MessageState::Leased), 1, "it is left to its lease");
}

#[actix::test]
async fn a_process_whose_workers_have_ended_is_ended_by_a_signal_as_if_nobody_listened() {
    let mut asked = Asked::begun(Handler::Outlives, Duration::from_secs(30), 2, 2).await;
    while !asked.outlives {
        assert!(asked.hear(), "it has ended");
    }
    asked.signal("TERM");
    let (status, stored) = asked.end().await;
    assert_eq!((status, count(&stored, MessageState::Done)), (Some(128 + 15), 2));
}
