use std::time::Duration;

use dispatch_core::DispatcherError;
use dispatch_core::messenger::StopReason;
use dispatch_core::queue::Filter;
use dispatch_core::queue::Page;
use dispatch_tests::support::paused;

use crate::support::{Seen, depth, engine, messenger, pass, send, work};

const SECOND: Duration = Duration::from_secs(1);

/// G8: what is being handled is waited for, and nobody begins with the rest.
#[test]
fn a_drained_worker_ends_what_it_has_begun_and_hands_back_the_rest() {
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
fn what_is_not_ended_at_the_deadline_is_handed_back_and_named() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let id = send(&messenger, 1).await;
        let engine = engine([("mail", seen.handler("mail", SECOND * 20, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |_| ());
        pass(1_000).await;
        let begun = tokio::time::Instant::now();
        let report = worker.drain(SECOND * 2).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 2);
        assert_eq!(report.abandoned, [id]);
        assert!(!report.is_clean());
        let (_, stored) = messenger.show(id).await.unwrap().unwrap();
        assert_eq!(stored.attempts, 1, "the attempt counts");
        assert!(stored.last_error().unwrap().starts_with("the worker was stopped"));
        assert_eq!(depth(&messenger).await.ready, 1, "another worker can go on");
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
