use std::sync::Arc;
use std::time::Duration;

use dispatch_core::DispatcherError;
use dispatch_core::messenger::StopReason;
use dispatch_core::queue::{Filter, MessageQueue, Page};
use dispatch_tests::support::paused;

use crate::support::{Seen, depth, engine, messenger, messenger_on, pass, queue, send, work};

const SECOND: Duration = Duration::from_secs(1);

/// What is being handled is waited for, and nobody begins with the rest.
#[test]
fn g8_a_drained_worker_ends_what_it_has_begun_and_hands_back_the_rest() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..20 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.handler("mail", SECOND * 5, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |config| {
            config.concurrency = 3;
            config.prefetch = 4;
        });
        pass(1_000).await;
        assert_eq!(depth(&messenger).await.leased, 7);
        let report = worker.drain(SECOND * 60).await.unwrap();
        assert_eq!((report.done, report.handed_back, report.reason), (3, 4, Some(StopReason::Asked)));
        assert!(report.is_clean());
        assert_eq!((depth(&messenger).await.ready, depth(&messenger).await.leased), (17, 0));
        let stored = messenger.list("default", &Filter::all(), Page::first(100)).await.unwrap();
        assert!(stored.iter().all(|stored| stored.attempts == 0), "handing back costs no attempt");
    });
}

#[test]
fn g8_what_is_not_ended_at_the_deadline_is_named_and_left_alone_until_its_lease_is_over() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let id = send(&messenger, 1).await;
        let engine = engine([("mail", seen.handler("mail", SECOND * 20, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |config| config.lease = SECOND * 9);
        // The lease was extended after three seconds, and goes on until twelve.
        pass(4_000).await;
        let begun = tokio::time::Instant::now();
        let report = worker.drain(SECOND * 2).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 2);
        assert_eq!(report.abandoned, [id]);
        assert!(!report.is_clean());
        let (_, stored) = messenger.show(id).await.unwrap().unwrap();
        assert_eq!(stored.attempts, 1, "the attempt counts");
        assert!(stored.last_error().unwrap().starts_with("the worker was stopped"));
        let other = work(&messenger, &engine, |_| ());
        pass(15_000).await;
        assert_eq!(seen.times(), [0, 12_000], "another one goes on when the handler was to be done");
        assert_eq!(other.info().await.unwrap().running, 1);
    });
}

#[test]
fn a_worker_ends_with_its_engine_and_loses_nothing() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |_| ());
        pass(10).await;
        engine.shutdown(SECOND).await.unwrap();
        send(&messenger, 1).await;
        let report = worker.ended().await.unwrap();
        assert_eq!((report.done, report.handed_back), (0, 1));
        let (_, stored) = messenger
            .show(messenger.list("default", &Filter::all(), Page::first(1)).await.unwrap()[0].id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.attempts, 0);
    });
}

/// More workers on a transport are more workers, and one that has ended can be ended again.
#[test]
fn g9_what_is_started_twice_works_twice_and_what_is_stopped_twice_has_one_report() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..10 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
        let two = [work(&messenger, &engine, |_| ()), work(&messenger, &engine, |_| ())];
        assert_ne!(two[0].id(), two[1].id());
        pass(500).await;
        assert_eq!(seen.numbers().len(), 10, "each handles five at a time");
        for worker in &two {
            let (one, other) = tokio::join!(worker.drain(SECOND * 10), worker.drain(SECOND * 10));
            assert_eq!((one.clone().unwrap().done, &one), (5, &other));
            assert_eq!(worker.drain(SECOND).await, one, "it has ended");
            assert!(worker.info().await.is_err());
        }
    });
}

#[test]
fn a_worker_that_has_ended_holds_no_queue() {
    paused(async {
        let queue: Arc<dyn MessageQueue> = Arc::new(queue("default"));
        let is_open = Arc::downgrade(&queue);
        let (messenger, engine) = (messenger_on(queue), engine([]));
        let worker = work(&messenger, &engine, |_| ());
        pass(2_500).await;
        worker.drain(SECOND).await.unwrap();
        drop(messenger);
        pass(1).await;
        assert!(is_open.upgrade().is_none(), "nothing has woken it");
    });
}
