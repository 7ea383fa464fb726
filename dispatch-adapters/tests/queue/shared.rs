//! Several queues on one file, as several processes have it, and several transports in it.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use dispatch_adapters::messenger::{self, DispatchOptions, Message};
use dispatch_adapters::model::queue::conformance::SuiteClock;
use dispatch_adapters::model::queue::{MessageQueue, Settlement};
use dispatch_adapters::sqlite_queue::{SqliteQueue, SqliteQueueOptions};
use serde_json::json;

use crate::rates::several_workers_keep_to_rates;
use crate::support::{claim, open, options, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_stores_another_gets_once() {
    const COUNT: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let queues = [open(&folder).await, open(&folder).await, open(&folder).await];
    let mut wanted = BTreeSet::new();
    for number in 0..COUNT {
        wanted.insert(put(&queues[number % 3]).await);
    }
    let work = |queue: SqliteQueue, worker: String| async move {
        let mut taken = Vec::new();
        loop {
            let claimed = claim(&queue, &worker, 7).await.messages;
            if claimed.is_empty() {
                return taken;
            }
            taken.extend(claimed.iter().map(|leased| leased.token.id));
            let settlements = claimed.into_iter().map(|leased| Settlement::done(leased.token)).collect();
            assert!(queue.settle(settlements).await.unwrap().iter().all(Result::is_ok));
        }
    };
    let workers: Vec<_> = (0..6)
        .map(|number| tokio::spawn(work(queues[number % 3].clone(), format!("worker-{number}"))))
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    assert_eq!(taken.len(), COUNT, "each once");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), wanted);
}

#[tokio::test]
async fn who_waits_notices_what_another_stores() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (open(&folder).await, open(&folder).await);
    let seen = claim(&here, "one", 1).await.seen;
    let waiting = tokio::spawn({
        let here = here.clone();
        async move { here.wait(seen).await }
    });
    put(&there).await;
    let woken = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    woken.expect("it was not noticed").unwrap().unwrap();
    assert_eq!(claim(&here, "one", 1).await.messages.len(), 1);
}

#[tokio::test]
async fn transports_of_one_file_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mail = open(&folder).await.transport("mail").unwrap();
    let reports = mail.transport("reports").unwrap();
    let id = put(&mail).await;
    assert_eq!(mail.name(), "mail");
    assert!(claim(&reports, "one", 1).await.messages.is_empty());
    assert!(reports.find(id).await.unwrap().is_none());
    assert_eq!(reports.cancel(&[id]).await.unwrap(), 0);
    assert_eq!(reports.depth(None).await.unwrap().ready, 0);
    assert_eq!(mail.depth(None).await.unwrap().ready, 1);
    assert!(mail.transport("not a name").is_err());
    mail.close().await.unwrap();
    assert!(reports.depth(None).await.is_err(), "they share a writer");
}

/// As the transports of a configuration are that name no file of their own.
#[tokio::test]
async fn what_a_transport_keeps_no_other_one_of_the_file_forgets() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), SuiteClock::new());
    let open = |name: &str, keep: u64| {
        let kept = options(&folder, &clock).with_transport(name).keeping_done(Duration::from_secs(keep));
        SqliteQueue::open(kept)
    };
    let (orders, mails) = (open("orders", 86_400).await.unwrap(), open("mails", 0).await.unwrap());
    put(&orders).await;
    let claimed = claim(&orders, "one", 1).await.messages;
    let done = claimed.into_iter().map(|leased| Settlement::done(leased.token)).collect();
    orders.settle(done).await.unwrap().remove(0).unwrap();
    clock.pass(Duration::from_secs(60));
    mails.sweep().await.unwrap();
    assert_eq!(orders.depth(None).await.unwrap().done, 1);
    clock.pass(Duration::from_secs(86_400));
    orders.sweep().await.unwrap();
    assert_eq!(orders.depth(None).await.unwrap().done, 0);
}

#[tokio::test]
async fn a_queue_that_is_dropped_has_done_what_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SuiteClock::new();
    let id = {
        let queue = SqliteQueue::open(options(&folder, &clock)).await.unwrap();
        put(&queue).await
    };
    let queue = SqliteQueue::open(options(&folder, &clock)).await.unwrap();
    assert_eq!(claim(&queue, "one", 1).await.messages[0].token.id, id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_open_a_new_file_at_the_same_time() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let clock = SuiteClock::new();
        let openings: Vec<_> =
            (0..8).map(|_| tokio::spawn(SqliteQueue::open(options(&folder, &clock)))).collect();
        for opening in openings {
            let queue = opening.await.unwrap().unwrap();
            put(&queue).await;
        }
    }
}

/// Every thread has a runtime of its own, and four messengers have a connection each, as four processes have.
#[test]
fn of_a_hundred_threads_that_send_one_key_one_stores_it() {
    const THREADS: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let open = || runtime().block_on(messenger::open(folder.path())).unwrap();
    let messengers = [open(), open(), open(), open()];
    for key in ["first", "second"] {
        let start = Barrier::new(THREADS);
        let sent: Vec<_> = std::thread::scope(|scope| {
            let send = |number: usize| {
                let (messenger, start) = (&messengers[number % messengers.len()], &start);
                scope.spawn(move || {
                    let message = Message::new("SendMail", &json!({ "number": number })).unwrap();
                    let once = DispatchOptions::default().with_idempotency_key(key);
                    start.wait();
                    runtime().block_on(messenger.dispatch_with(message, &once)).unwrap().remove(0)
                })
            };
            let threads: Vec<_> = (0..THREADS).map(send).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let stored: Vec<_> = sent.iter().filter(|sent| sent.duplicate_of.is_none()).collect();
        assert_eq!(stored.len(), 1, "one has stored it");
        let others = sent.iter().filter(|sent| sent.duplicate_of == Some(stored[0].id)).count();
        assert_eq!(others, THREADS - 1, "the others are told which");
    }
    let stats = runtime().block_on(messengers[0].stats()).unwrap();
    let stored: u64 = stats.iter().map(|stats| stats.total().open()).sum();
    assert_eq!(stored, 2, "one of each key");
}

#[actix::test]
async fn several_workers_keep_to_the_rates_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteQueue::open(SqliteQueueOptions::new(folder.path().join("queue.db")));
    let queues = [open().await.unwrap(), open().await.unwrap()];
    several_workers_keep_to_rates(queues.map(|queue| Arc::new(queue) as _)).await;
}
