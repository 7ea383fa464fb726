//! A queue that does not always answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::DispatcherError;
use dispatch_core::delivery::{Adapter, HealthStatus};
use dispatch_core::log::SyncPolicy;
use dispatch_core::messenger::{DispatchOptions, Name};
use dispatch_core::queue::{
    Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, MemoryQueue, MessageQueue, Page, QueueError,
    Settlement, StoredMessage, Submission, Wakeup,
};
use dispatch_tests::support::paused;
use serde_json::{Map, Value};
use tokio::sync::watch;
use uuid::Uuid;

use crate::dead_letters;
use crate::support::{Seen, depth, engine, messenger_on, messenger_with, pass, queue, send, send_with, work};

/// A queue in memory that is down when it is told to be.
pub(crate) struct Flaky {
    queue: MemoryQueue,
    /// It answers nothing until it is told to.
    hangs: watch::Sender<bool>,
    /// Nothing can be stored.
    pub(crate) sends_fail: AtomicBool,
    /// Nothing can be listed.
    pub(crate) lists_fail: AtomicBool,
    /// No list ever comes.
    pub(crate) lists_hang: AtomicBool,
    /// How many messages each list could have.
    pub(crate) lists: Mutex<Vec<usize>>,
    claims_fail: AtomicBool,
    settlements_fail: AtomicBool,
    /// A settlement is done, and its answer is lost.
    answers_are_lost: AtomicBool,
    /// Every settlement is done, and no answer comes.
    answers_never_come: AtomicBool,
    /// Messages are stored, and the answer is lost.
    pub(crate) receipts_are_lost: AtomicBool,
    claims: AtomicU64,
    depths: AtomicU64,
    /// How many messages were sent in each call that could be stored.
    pub(crate) sends: Mutex<Vec<usize>>,
    /// So many replays come too late.
    pub(crate) gone: AtomicU64,
}

impl Flaky {
    pub(crate) fn new() -> Arc<Self> {
        Self::called("default")
    }

    pub(crate) fn called(name: &str) -> Arc<Self> {
        Arc::new(Self {
            queue: queue(name),
            hangs: watch::Sender::new(false),
            sends_fail: AtomicBool::new(false),
            lists_fail: AtomicBool::new(false),
            lists_hang: AtomicBool::new(false),
            lists: Mutex::default(),
            claims_fail: AtomicBool::new(false),
            settlements_fail: AtomicBool::new(false),
            answers_are_lost: AtomicBool::new(false),
            answers_never_come: AtomicBool::new(false),
            receipts_are_lost: AtomicBool::new(false),
            claims: AtomicU64::new(0),
            depths: AtomicU64::new(0),
            sends: Mutex::default(),
            gone: AtomicU64::new(0),
        })
    }

    /// Answers nothing from now on, or all that it was asked and will be.
    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    async fn answers(&self) {
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
    }
}

fn down() -> QueueError {
    QueueError::Unavailable { what: "down".to_owned(), retry_in: None, source: None }
}

#[async_trait]
impl MessageQueue for Flaky {
    fn name(&self) -> &str {
        self.queue.name()
    }

    fn sync_policy(&self) -> SyncPolicy {
        self.queue.sync_policy()
    }

    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        self.answers().await;
        if self.sends_fail.load(Ordering::Relaxed) {
            return Err(down());
        }
        self.sends.lock().unwrap().push(submissions.len());
        let answer = self.queue.enqueue(submissions).await;
        if self.receipts_are_lost.swap(false, Ordering::Relaxed) { Err(down()) } else { answer }
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError> {
        self.claims.fetch_add(1, Ordering::Relaxed);
        self.answers().await;
        if self.claims_fail.load(Ordering::Relaxed) { Err(down()) } else { self.queue.claim(claim).await }
    }

    async fn extend(
        &self,
        tokens: &[LeaseToken],
        lease: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError> {
        self.queue.extend(tokens, lease).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        if self.settlements_fail.load(Ordering::Relaxed) {
            return Err(down());
        }
        let answer = self.queue.settle(settlements).await;
        let never = self.answers_never_come.load(Ordering::Relaxed);
        if never || self.answers_are_lost.swap(false, Ordering::Relaxed) { Err(down()) } else { answer }
    }

    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError> {
        self.queue.wait(seen).await
    }

    async fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError> {
        self.depths.fetch_add(1, Ordering::Relaxed);
        self.queue.depth(queue).await
    }

    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError> {
        self.answers().await;
        self.queue.queues().await
    }

    async fn set_paused(&self, queue: &Name, paused: bool) -> Result<(), QueueError> {
        self.queue.set_paused(queue, paused).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        self.queue.find(id).await
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<StoredMessage>, QueueError> {
        self.answers().await;
        self.lists.lock().unwrap().push(page.max);
        if self.lists_hang.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.lists_fail.load(Ordering::Relaxed) {
            Err(down())
        } else {
            self.queue.list(filter, page).await
        }
    }

    async fn replay(
        &self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
    ) -> Result<bool, QueueError> {
        let gone = self.gone.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |gone| gone.checked_sub(1));
        if gone.is_ok() { Ok(false) } else { self.queue.replay(id, payload, at).await }
    }

    async fn cancel(&self, ids: &[Uuid]) -> Result<u64, QueueError> {
        self.queue.cancel(ids).await
    }

    async fn purge(&self, filter: &Filter) -> Result<u64, QueueError> {
        self.queue.purge(filter).await
    }

    async fn sweep(&self) -> Result<(), QueueError> {
        self.queue.sweep().await
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.queue.close().await
    }
}

#[test]
fn a_transport_that_is_down_is_asked_again_now_and_then() {
    paused(async {
        let flaky = Flaky::new();
        let (messenger, seen) = (messenger_on(Arc::clone(&flaky) as _), Seen::new());
        flaky.claims_fail.store(true, Ordering::Relaxed);
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(600_000).await;
        assert!(flaky.claims.load(Ordering::Relaxed) < 140, "it is left alone between two claims");
        flaky.claims_fail.store(false, Ordering::Relaxed);
        pass(5_001).await;
        assert_eq!(seen.numbers(), [1], "without help");
    });
}

/// To count walks over every message in some stores.
#[test]
fn whether_a_transport_answers_is_asked_without_counting_its_messages() {
    paused(async {
        let flaky = Flaky::new();
        let adapter = messenger_on(flaky.clone()).adapter();
        assert_eq!(adapter.health().await.status, HealthStatus::Healthy);
        flaky.close().await.unwrap();
        assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);
        assert_eq!(flaky.depths.load(Ordering::Relaxed), 0);
    });
}

/// What was done is never failed because it could not be written.
#[test]
fn g7_a_done_message_whose_word_is_not_taken_is_told_again() {
    paused(async {
        let flaky = Flaky::new();
        let (messenger, seen) = (messenger_on(Arc::clone(&flaky) as _), Seen::new());
        flaky.settlements_fail.store(true, Ordering::Relaxed);
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(20_000).await;
        assert_eq!((seen.numbers(), depth(&messenger).await.leased), (vec![1], 1));
        flaky.settlements_fail.store(false, Ordering::Relaxed);
        pass(10_000).await;
        assert_eq!((seen.numbers(), depth(&messenger).await.open()), (vec![1], 0), "it was handled once");
        assert_eq!(worker.info().await.unwrap().so_far.unwritten, 0);
    });
}

#[test]
fn what_cannot_be_told_until_the_lease_is_over_is_handled_once_more() {
    paused(async {
        let flaky = Flaky::new();
        let (messenger, seen) = (messenger_on(Arc::clone(&flaky) as _), Seen::new());
        flaky.settlements_fail.store(true, Ordering::Relaxed);
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(63_000).await;
        flaky.settlements_fail.store(false, Ordering::Relaxed);
        pass(200_000).await;
        assert_eq!(seen.numbers(), [1, 1], "at least once");
        let info = worker.info().await.unwrap();
        assert_eq!((info.so_far.unwritten + info.so_far.lost, depth(&messenger).await.open()), (1, 0));
        assert_eq!(depth(&messenger).await.failed, 0, "it was done");
    });
}

#[test]
fn a_lost_answer_does_no_harm() {
    paused(async {
        let flaky = Flaky::new();
        let (messenger, seen) = (messenger_on(Arc::clone(&flaky) as _), Seen::new());
        flaky.answers_are_lost.store(true, Ordering::Relaxed);
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(200_000).await;
        assert_eq!((seen.numbers(), depth(&messenger).await.open()), (vec![1], 0));
        let report = worker.drain(Duration::from_secs(1)).await.unwrap();
        assert_eq!(report.done, 1);
    });
}

/// The transport has it as failed, and says to the second call that it is settled.
#[test]
fn a_failure_whose_answer_is_lost_is_told_to_the_dead_letter_target() {
    paused(async {
        let (flaky, archive, seen) = (Flaky::new(), dead_letters::Archive::default(), Seen::new());
        let messenger = dead_letters::messenger(Arc::clone(&flaky) as _, archive.clone());
        flaky.answers_are_lost.store(true, Ordering::Relaxed);
        let _worker = work(&messenger, &dead_letters::fails(&seen), |_| ());
        let id = send(&messenger, 1).await;
        pass(10_000).await;
        let told: Vec<_> = archive.all().iter().map(|letter| letter.envelope.id()).collect();
        assert_eq!((told, depth(&messenger).await.failed), (vec![id], 1));
    });
}

/// Nothing is told that is not stored.
#[test]
fn a_failure_that_cannot_be_written_is_not_told() {
    paused(async {
        let (flaky, archive, seen) = (Flaky::new(), dead_letters::Archive::default(), Seen::new());
        let messenger = dead_letters::messenger(Arc::clone(&flaky) as _, archive.clone());
        flaky.settlements_fail.store(true, Ordering::Relaxed);
        let _worker = work(&messenger, &dead_letters::fails(&seen), |_| ());
        send(&messenger, 1).await;
        pass(50_000).await;
        assert_eq!((archive.all().len(), depth(&messenger).await.leased), (0, 1));
        flaky.settlements_fail.store(false, Ordering::Relaxed);
        pass(10_000).await;
        assert_eq!((archive.all().len(), depth(&messenger).await.failed), (1, 1));
    });
}

/// The transport has taken every word, and none of its answers came until the lease was over.
#[test]
fn a_failure_that_is_stored_is_told_also_when_no_answer_comes_within_the_lease() {
    paused(async {
        let (flaky, archive, seen) = (Flaky::new(), dead_letters::Archive::default(), Seen::new());
        let messenger = dead_letters::messenger(Arc::clone(&flaky) as _, archive.clone());
        flaky.answers_never_come.store(true, Ordering::Relaxed);
        let worker = work(&messenger, &dead_letters::fails(&seen), |_| ());
        let id = send(&messenger, 1).await;
        pass(50_000).await;
        assert_eq!((archive.all().len(), depth(&messenger).await.failed), (0, 1));
        pass(60_000).await;
        let told: Vec<_> = archive.all().iter().map(|letter| letter.envelope.id()).collect();
        assert_eq!((told, depth(&messenger).await.failed), (vec![id], 1));
        assert_eq!(worker.info().await.unwrap().so_far.unwritten, 1);
    });
}

fn to(transport: &str) -> DispatchOptions {
    DispatchOptions::default().with_transports([transport])
}

#[test]
fn a_transport_that_never_answers_keeps_no_worker_from_the_others() {
    paused(async {
        let (away, seen) = (Flaky::new(), Seen::new());
        let messenger = messenger_with([("default", away.clone()), ("other", Arc::new(queue("other")))]);
        send_with(&messenger, 100, to("default")).await;
        away.hang(true);
        let takes = Duration::from_millis(100);
        let engine = engine([("mail", seen.handler("mail", takes, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |config| config.concurrency = 2);
        for number in 0..10 {
            send_with(&messenger, number, to("other")).await;
        }
        pass(1_000).await;
        assert_eq!(seen.numbers(), (0..10).collect::<Vec<_>>(), "in a second, after a little patience");
        assert_eq!(
            away.claims.load(Ordering::Relaxed),
            0,
            "it was asked for its queues, and has not answered"
        );
        // What answers at last is taken in, and what stops is not held up.
        away.hang(false);
        pass(200).await;
        assert_eq!(seen.numbers().last(), Some(&100));
        away.hang(true);
        pass(5_000).await;
        send_with(&messenger, 10, to("other")).await;
        pass(10).await;
        let report = tokio::time::timeout(Duration::from_secs(7), worker.drain(Duration::from_secs(1))).await;
        let report = report.unwrap().unwrap();
        assert_eq!((report.done, report.is_clean()), (12, true));
    });
}

/// The room was given to another transport meanwhile, so what comes late goes back, without an attempt.
#[test]
fn what_a_transport_gives_too_late_is_handed_back_and_comes_again() {
    paused(async {
        let (slow, seen) = (Flaky::new(), Seen::new());
        let messenger = messenger_with([("default", slow.clone()), ("other", Arc::new(queue("other")))]);
        send_with(&messenger, 1, to("default")).await;
        send_with(&messenger, 2, to("other")).await;
        slow.hang(true);
        let takes = Duration::from_secs(5);
        let engine = engine([("mail", seen.handler("mail", takes, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |config| {
            (config.concurrency, config.max_messages) = (1, Some(2));
        });
        pass(1_000).await;
        slow.hang(false);
        pass(1_000).await;
        let info = worker.info().await.unwrap();
        assert_eq!((info.running, info.waiting, info.so_far.handed_back), (1, 0, 1));
        let report = worker.ended().await.unwrap();
        assert_eq!((report.done, report.retried, report.lost), (2, 0, 0));
        assert_eq!(
            seen.all().iter().map(|(_, number, at)| (*number, *at)).collect::<Vec<_>>(),
            [(2, 300), (1, 5_300)]
        );
    });
}
