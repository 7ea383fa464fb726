//! What a review has found: each of these was wrong once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dispatch_actors::Deduplicate;
use dispatch_actors::messenger::{InlineQueue, Messenger};
use dispatch_core::messenger::{DispatchOptions, MessengerErrorCode, Schedule};
use dispatch_core::queue::{Claim, MessageQueue, QueueLimits, WorkerId};
use dispatch_core::{Category, DispatcherError, Route};
use dispatch_tests::support::{builder, paused};

use crate::support::{
    Seen, config, depth, engine, message, messenger, messenger_on, pass, queue, queue_with, send, send_with,
    work,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_engine_that_removes_duplicates_does_not_take_a_retry_for_one() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler = seen.handler("mail", Duration::ZERO, |_| Err(DispatcherError::msg("broken")));
        let engine = builder()
            .interceptor(Deduplicate::new(1_000, SECOND * 3_600))
            .dispatcher(handler)
            .route(Route::new("mail", "messenger.**", Category::Command, "mail"))
            .freeze()
            .unwrap();
        let _worker = work(&messenger, &engine, |_| ());
        let id = send(&messenger, 1).await;
        pass(20_000).await;
        assert_eq!((seen.numbers().len(), depth(&messenger).await.failed), (4, 1), "each attempt is made");
        messenger.retry("default", id, None).await.unwrap();
        pass(20_000).await;
        assert_eq!(seen.numbers().len(), 8, "and each of a replay");
    });
}

#[test]
fn a_schedule_needs_a_transport_that_lets_messages_wait() {
    paused(async {
        let text = "default_transport = 'sync'\n[transports.sync]\ntype = 'sync'";
        let messenger = Messenger::builder()
            .config(config(text))
            .transport("sync", InlineQueue::idle("sync"))
            .build()
            .unwrap();
        let schedule = Schedule::every("often", SECOND, message(1)).unwrap();
        let refused = messenger.schedule([schedule]).unwrap_err();
        assert_eq!(refused.code(), MessengerErrorCode::Scheduler);
        assert!(refused.to_string().contains("handles messages at once"), "{refused}");
    });
}

#[test]
fn a_schedule_fires_whatever_becomes_of_other_duplicates() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        messenger.update(|config| config.duplicates = dispatch_core::messenger::Duplicates::Reject).unwrap();
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        let _scheduler = messenger.schedule([Schedule::every("often", SECOND, message(1)).unwrap()]).unwrap();
        pass(60_500).await;
        assert_eq!(seen.numbers().len(), 60);
    });
}

#[test]
fn a_scheduler_ends_with_its_last_handle() {
    paused(async {
        let messenger = messenger();
        let scheduler = messenger.schedule([Schedule::every("often", SECOND, message(1)).unwrap()]).unwrap();
        let other = scheduler.clone();
        drop(scheduler);
        pass(10_500).await;
        let so_far = depth(&messenger).await.open();
        assert!(so_far >= 10, "{so_far}");
        drop(other);
        pass(100_000).await;
        assert_eq!(depth(&messenger).await.open(), so_far);
    });
}

#[test]
fn a_schedule_that_is_looked_at_late_cancels_nothing_that_is_planned() {
    paused(async {
        let messenger = messenger();
        let often = || Schedule::every("often", SECOND, message(1)).unwrap();
        let first =
            messenger.schedule([often().when_missed(dispatch_core::messenger::Missed::All { ahead: 50 })]);
        pass(1).await;
        assert_eq!(depth(&messenger).await.open(), 50);
        let _second = messenger.schedule([often()]).unwrap();
        pass(1).await;
        assert_eq!(depth(&messenger).await.open(), 50, "they are planned, too");
        drop(first);
    });
}

#[test]
fn h11_workers_sweep_what_was_kept_for_long_enough() {
    paused(async {
        let limits = QueueLimits { keep_done: SECOND * 60, ..QueueLimits::default() };
        let (messenger, seen) = (messenger_on(Arc::new(queue_with("default", limits))), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(30_000).await;
        assert_eq!(depth(&messenger).await.done, 1);
        pass(120_000).await;
        assert_eq!(depth(&messenger).await.done, 0);
    });
}

#[test]
fn one_lost_attempt_is_not_what_a_patient_message_dies_of() {
    paused(async {
        let queue: Arc<dyn MessageQueue> = Arc::new(queue("default"));
        let (messenger, seen) = (messenger_on(Arc::clone(&queue)), Seen::new());
        let tries = Arc::new(AtomicU64::new(0));
        let handler =
            seen.handler("mail", Duration::ZERO, move |_| match tries.fetch_add(1, Ordering::Relaxed) {
                0..20 => Err(DispatcherError::msg("not yet").recoverable(Some(SECOND))),
                _ => Ok(()),
            });
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(10_500).await;
        worker.drain(SECOND).await.unwrap();
        pass(2_000).await;
        let claim = Claim {
            worker: WorkerId::new("dead"),
            queues: vec!["default".parse().unwrap()],
            max: 1,
            lease: SECOND,
        };
        assert_eq!(queue.claim(&claim).await.unwrap().messages.len(), 1);
        let _worker = work(&messenger, &engine, |_| ());
        pass(60_000).await;
        assert_eq!((depth(&messenger).await.failed, depth(&messenger).await.open()), (0, 0));
    });
}

#[test]
fn a_new_queue_is_seen_under_load() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..1_000 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
        let _worker = work(&messenger, &engine, |config| config.concurrency = 1);
        pass(10_500).await;
        send_with(&messenger, 9_999, DispatchOptions::default().with_queue("urgent").with_priority(10)).await;
        pass(5_000).await;
        assert!(seen.numbers().contains(&9_999), "{:?}", seen.numbers());
    });
}

#[test]
fn what_has_expired_is_given_up_in_parts() {
    paused(async {
        let queue: Arc<dyn MessageQueue> = Arc::new(queue("default"));
        let (messenger, seen) = (messenger_on(Arc::clone(&queue)), Seen::new());
        let short = DispatchOptions { ttl: Some(SECOND), ..DispatchOptions::default() };
        for number in 0..2_500 {
            send_with(&messenger, number, short.clone()).await;
        }
        let last = send(&messenger, 9_999).await;
        pass(2_000).await;
        let claim = Claim {
            worker: WorkerId::new("one"),
            queues: vec!["default".parse().unwrap()],
            max: 1,
            lease: SECOND,
        };
        let claimed = queue.claim(&claim).await.unwrap();
        assert_eq!((claimed.messages.len(), claimed.expired), (0, 1_000));
        assert!(claimed.next_due.is_some(), "there is more");
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |_| ());
        pass(1_000).await;
        assert_eq!(seen.numbers(), [9_999]);
        assert_eq!(worker.info().await.unwrap().so_far.expired, 1_500);
        assert!(messenger.show(last).await.unwrap().is_none());
    });
}

#[test]
fn a_worker_ends_when_its_transport_is_closed() {
    paused(async {
        let messenger = messenger();
        let engine = engine([]);
        let worker = work(&messenger, &engine, |_| ());
        pass(10).await;
        messenger.close().await.unwrap();
        let report = tokio::time::timeout(SECOND * 30, worker.ended()).await.expect("it goes on").unwrap();
        assert!(report.is_clean());
    });
}

#[test]
fn clocks_that_differ_do_not_make_a_worker_ask_all_the_time() {
    paused(async {
        // The worker's clock is 20 s ahead, so that everything that is scheduled seems to be due.
        let behind = queue("default");
        let ahead = dispatch_actors::testing::VirtualClock::starting_at(
            dispatch_actors::testing::start_of_time() + SECOND * 20,
        );
        let messenger =
            Messenger::builder().transport("default", behind).clock(Arc::new(ahead)).build().unwrap();
        send(&messenger, 1).await;
        let seen = Seen::new();
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        // It would not come to an end if time did not pass between two claims.
        pass(30_000).await;
        assert_eq!(seen.numbers(), [1]);
    });
}
