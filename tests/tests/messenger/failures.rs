use std::sync::Arc;
use std::time::Duration;

use dispatch_core::DispatcherError;
use dispatch_core::queue::{Attempt, Claim, MessageQueue, WorkerId};
use dispatch_tests::support::paused;

use crate::support::{Seen, depth, engine, messenger, messenger_on, pass, queue, send, work};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn leases_run_on_while_a_handler_takes_its_time() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        send(&messenger, 1).await;
        let slow = seen.handler("mail", SECOND * 1_000, |_| Ok::<_, DispatcherError>(()));
        let engine = dispatch_tests::support::builder()
            .configure(|config| config.timeout = SECOND * 2_000)
            .dispatcher(slow)
            .route(dispatch_core::Route::new(
                "mail",
                "messenger.**",
                dispatch_core::Category::Command,
                "mail",
            ))
            .freeze()
            .unwrap();
        let (one, two) = (work(&messenger, &engine, |_| ()), work(&messenger, &engine, |_| ()));
        pass(1_100_000).await;
        assert_eq!(seen.numbers(), [1], "once, though the lease is a minute");
        let done = [one.info().await.unwrap().so_far.done, two.info().await.unwrap().so_far.done];
        assert_eq!(done.iter().sum::<u64>(), 1);
    });
}

/// H4: who takes a message and dies does not keep it.
#[test]
fn h4_a_message_of_a_dead_worker_is_handled_by_another() {
    paused(async {
        let queue: Arc<dyn MessageQueue> = Arc::new(queue("default"));
        let (messenger, seen) = (messenger_on(Arc::clone(&queue)), Seen::new());
        send(&messenger, 1).await;
        let claim = Claim {
            worker: WorkerId::new("dead"),
            queues: vec!["default".parse().unwrap()],
            max: 1,
            lease: SECOND * 30,
        };
        assert_eq!(queue.claim(&claim).await.unwrap().messages.len(), 1);
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |_| ());
        pass(29_000).await;
        assert!(seen.numbers().is_empty());
        pass(2_000).await;
        assert_eq!(seen.numbers(), [1]);
        assert_eq!(worker.info().await.unwrap().so_far.done, 1);
    });
}

#[test]
fn a_message_that_its_workers_die_of_is_given_up() {
    paused(async {
        let queue: Arc<dyn MessageQueue> = Arc::new(queue("default"));
        let (messenger, seen) = (messenger_on(Arc::clone(&queue)), Seen::new());
        let id = send(&messenger, 1).await;
        for number in 0..4 {
            let claim = Claim {
                worker: WorkerId::new(format!("dead-{number}")),
                queues: vec!["default".parse().unwrap()],
                max: 1,
                lease: SECOND,
            };
            assert_eq!(queue.claim(&claim).await.unwrap().messages.len(), 1);
            pass(1_001).await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        pass(1_000).await;
        assert!(seen.numbers().is_empty(), "it is not begun a fifth time");
        let (_, stored) = messenger.show(id).await.unwrap().unwrap();
        assert!(stored.last_error().unwrap().starts_with(Attempt::LOST), "{stored:?}");
        assert_eq!(depth(&messenger).await.failed, 1);
    });
}

#[test]
fn a_handler_that_panics_or_hangs_costs_an_attempt_and_nothing_else() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let kept = seen.clone();
        let handler = dispatch_actors::on_command("mail").concurrency(10).run(
            move |envelope: dispatch_core::Envelope| {
                kept.add("mail", &envelope);
                let number = crate::support::number(&envelope);
                async move {
                    match number {
                        1 => panic!("boom"),
                        2 => std::future::pending().await,
                        _ => {}
                    }
                }
            },
        );
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |_| ());
        for number in [1, 2, 3] {
            send(&messenger, number).await;
        }
        pass(600_000).await;
        let report = worker.drain(SECOND).await.unwrap();
        assert_eq!((report.done, report.failed, report.retried), (1, 2, 6));
    });
}
