use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dispatch_actors::testing::{VirtualClock, start_of_time};
use dispatch_core::DispatcherError;
use dispatch_core::messenger::DispatchOptions;
use dispatch_core::queue::{Filter, Page};
use dispatch_tests::support::paused;

use crate::support::{Seen, depth, engine, messenger, messenger_at, pass, queue, send, send_with, work};

/// F4, F14: a retry is the same message, later, by policy.
#[test]
fn f4_f10_f11_f12_f14_a_message_that_fails_is_tried_again_by_policy_and_then_has_failed() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler =
            seen.handler("mail", Duration::ZERO, |_| Err(DispatcherError::new("IoError", "no route")));
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |config| config.poll = Duration::from_secs(3_600));
        let id = send_with(&messenger, 1, DispatchOptions::default().with_idempotency_key("one")).await;
        pass(500).await;
        assert_eq!(
            (depth(&messenger).await.scheduled, depth(&messenger).await.leased),
            (1, 0),
            "nobody holds it"
        );
        pass(20_000).await;
        assert_eq!(seen.times(), [0, 1_000, 3_000, 7_000]);
        let failed = messenger.list("default", &Filter::failed(), Page::first(10)).await.unwrap();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].id, failed[0].attempts), (id, 4));
        let errors: Vec<_> =
            failed[0].history.as_slice().iter().map(|attempt| attempt.error.as_str()).collect();
        assert_eq!(errors, ["mail: IoError: no route"; 4]);
        let info = worker.info().await.unwrap();
        assert_eq!((info.so_far.retried, info.so_far.failed, info.so_far.done), (3, 1, 0));
    });
}

/// F5: an error may say whether trying again helps.
#[test]
fn f5_f9_an_error_may_say_whether_trying_again_helps() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let tries = Arc::new(AtomicU64::new(0));
        let handler = seen.handler("mail", Duration::ZERO, move |number| match number {
            1 => Err(DispatcherError::msg("no such address").unrecoverable()),
            // More often than the policy would.
            _ if tries.fetch_add(1, Ordering::Relaxed) < 6 => {
                Err(DispatcherError::msg("busy").recoverable(Some(Duration::from_secs(60))))
            }
            _ => Ok(()),
        });
        let engine = engine([("mail", handler)]);
        let _worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(100_000).await;
        assert_eq!(seen.numbers(), [1]);
        assert_eq!(depth(&messenger).await.failed, 1);
        send(&messenger, 2).await;
        pass(1_000_000).await;
        assert_eq!(seen.numbers().len(), 8);
        assert_eq!(seen.times()[7] - seen.times()[1], 360_000);
        assert_eq!((depth(&messenger).await.failed, depth(&messenger).await.open()), (1, 0));
    });
}

/// All handlers run, and those that have succeeded do not run again.
#[test]
fn g6_handlers_that_have_succeeded_are_skipped_on_a_retry() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let tries = Arc::new(AtomicU64::new(0));
        let fails_twice = seen.handler("b", Duration::ZERO, move |_| {
            if tries.fetch_add(1, Ordering::Relaxed) < 2 {
                Err(DispatcherError::msg("not yet"))
            } else {
                Ok(())
            }
        });
        let engine = engine([("a", seen.fine("a")), ("b", fails_twice), ("c", seen.fine("c"))]);
        let worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(20_000).await;
        let mut names: Vec<_> = seen.all().into_iter().map(|(name, ..)| name).collect();
        names.sort();
        assert_eq!(names, ["a", "b", "b", "b", "c"]);
        assert_eq!(worker.info().await.unwrap().so_far.done, 1);
    });
}

/// Nobody handles it, and nobody will.
#[test]
fn g5_a_type_that_nobody_handles_has_failed_at_once() {
    paused(async {
        let messenger = messenger();
        let engine = engine([]);
        let _worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(10).await;
        let failed = messenger.list("default", &Filter::failed(), Page::first(10)).await.unwrap();
        assert!(failed[0].last_error().unwrap().starts_with("nobody handles 'SendMail'"), "{failed:?}");
    });
}

#[test]
fn one_key_is_handled_in_order_and_the_others_meanwhile() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let tries = Arc::new(AtomicU64::new(0));
        let handler = seen.handler("mail", Duration::from_millis(10), move |number| {
            if number == 1 && tries.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err(DispatcherError::msg("not yet"));
            }
            Ok(())
        });
        let engine = engine([("mail", handler)]);
        let _worker = work(&messenger, &engine, |config| config.concurrency = 10);
        let keyed = DispatchOptions { ordering_key: Some("ann".to_owned()), ..DispatchOptions::default() };
        for number in [1, 2, 3] {
            send_with(&messenger, number, keyed.clone()).await;
        }
        send(&messenger, 9).await;
        pass(10_000).await;
        assert_eq!(seen.numbers(), [1, 9, 1, 2, 3], "2 waits for the retry of 1");
    });
}

/// A day of retries of a thousand messages takes no time.
#[test]
fn every_message_of_a_bad_day_ends_somewhere() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler = seen.handler("mail", Duration::from_millis(50), |number| match number % 5 {
            0 => Err(DispatcherError::msg("broken")),
            1 => Err(DispatcherError::msg("gone").unrecoverable()),
            _ => Ok(()),
        });
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |config| {
            config.concurrency = 20;
            config.poll = Duration::from_secs(600);
        });
        for number in 0..1_000 {
            let delay = Duration::from_secs(number * 86);
            send_with(&messenger, number, DispatchOptions::default().with_delay(delay)).await;
        }
        pass(90_000_000).await;
        let report = worker.drain(Duration::from_secs(10)).await.unwrap();
        assert_eq!((report.done, report.failed, report.retried), (600, 400, 600));
        assert_eq!((depth(&messenger).await.open(), depth(&messenger).await.failed), (0, 400));
    });
}

#[test]
fn times_of_a_queue_are_by_its_own_clock() {
    paused(async {
        // The clock of the worker is an hour late.
        let late = VirtualClock::starting_at(start_of_time() - Duration::from_secs(3_600));
        let (messenger, seen) = (messenger_at(Arc::new(queue("default")), &late), Seen::new());
        let handler = seen.handler("mail", Duration::ZERO, |_| Err(DispatcherError::msg("not yet")));
        let engine = engine([("mail", handler)]);
        let _worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(20_000).await;
        assert_eq!(seen.times(), [0, 1_000, 3_000, 7_000], "and not at once");
    });
}
