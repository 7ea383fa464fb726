use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::messenger::{Messenger, WorkerOptions};
use dispatch_core::DispatcherError;
use dispatch_core::messenger::{StopReason, WorkerConfig};
use dispatch_tests::support::paused;

use crate::support::{Seen, clock, config, depth, engine, message, messenger, pass, queue, send, work};

const SECOND: Duration = Duration::from_secs(1);

/// Neither the concurrency nor the number of messages is overshot.
#[test]
fn g2_a_limit_of_messages_is_kept_and_so_is_the_concurrency() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..25 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |config| {
            config.concurrency = 2;
            config.max_messages = Some(5);
        });
        let report = worker.ended().await.unwrap();
        assert_eq!((report.reason, report.done), (Some(StopReason::Messages), 5));
        assert_eq!(seen.times(), [0, 0, 1_000, 1_000, 2_000]);
        assert_eq!(depth(&messenger).await.ready, 20, "nobody holds the others");
    });
}

/// Failures are not overshot, however many are handled at a time.
#[test]
fn g4_a_limit_of_failures_is_kept() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..25 {
            send(&messenger, number).await;
        }
        let handler = seen.handler("mail", SECOND, |_| Err(DispatcherError::msg("broken").unrecoverable()));
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |config| {
            config.concurrency = 10;
            config.max_failures = Some(3);
        });
        let report = worker.ended().await.unwrap();
        assert_eq!((report.reason, report.failed), (Some(StopReason::Failures), 3));
        assert_eq!(depth(&messenger).await.ready, 22);
    });
}

/// It stops when its time is over, also with nothing to do.
#[test]
fn g3_a_limit_of_time_is_kept() {
    paused(async {
        let (messenger, begun) = (messenger(), tokio::time::Instant::now());
        let engine = engine([]);
        let worker = work(&messenger, &engine, |config| config.max_time = Some(SECOND / 10));
        let report = worker.ended().await.unwrap();
        assert_eq!(report.reason, Some(StopReason::Time));
        assert_eq!(begun.elapsed().as_millis(), 100);
    });
}

#[test]
fn a_limit_of_memory_is_kept_and_what_is_in_hand_is_ended() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..25 {
            send(&messenger, number).await;
        }
        // Each message that has begun costs a hundred bytes.
        let kept = seen.clone();
        let options =
            WorkerOptions::default().with_memory(move || Ok(1_000 + 100 * kept.numbers().len() as u64));
        let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
        let config = WorkerConfig { concurrency: 2, max_memory: Some(1_500), ..WorkerConfig::default() };
        let worker = messenger.work_with(&engine, config, options).unwrap();
        let report = worker.ended().await.unwrap();
        assert_eq!((report.reason, report.done), (Some(StopReason::Memory), 6));
        assert!(report.is_clean());
        assert_eq!(depth(&messenger).await.ready, 19);
    });
}

#[test]
fn memory_that_cannot_be_measured_is_said_at_the_start_and_later_stops_nothing() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let config = WorkerConfig { max_memory: Some(1), ..WorkerConfig::default() };
        let never = WorkerOptions::default().with_memory(|| Err(std::io::ErrorKind::Unsupported.into()));
        let error = messenger.work_with(&engine, config.clone(), never.clone()).unwrap_err().to_string();
        assert!(error.contains("cannot be said (unsupported)") && error.contains("with_memory"), "{error}");
        assert!(messenger.work_with(&engine, WorkerConfig::default(), never).is_ok(), "nobody asks it");

        let first = std::sync::atomic::AtomicBool::new(true);
        let once = WorkerOptions::default().with_memory(move || {
            let is_first = first.swap(false, std::sync::atomic::Ordering::Relaxed);
            if is_first { Ok(0) } else { Err(std::io::ErrorKind::Unsupported.into()) }
        });
        let worker = messenger.work_with(&engine, config, once).unwrap();
        send(&messenger, 1).await;
        pass(10_000).await;
        assert_eq!(seen.numbers(), [1]);
        assert!(worker.info().await.is_ok(), "it goes on");
    });
}

#[test]
fn a_worker_is_paused_and_scaled_while_it_runs_and_so_is_a_queue() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..100 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |config| config.concurrency = 1);
        pass(1_500).await;
        assert_eq!(seen.numbers().len(), 2);
        worker.scale(10);
        pass(1_000).await;
        assert_eq!(worker.info().await.unwrap().running, 10);
        worker.pause();
        pass(5_000).await;
        let info = worker.info().await.unwrap();
        assert_eq!((info.running, info.paused), (0, true));
        let so_far = seen.numbers().len();
        worker.resume();
        pass(500).await;
        assert_eq!(seen.numbers().len(), so_far + 10);

        let name = "default".parse().unwrap();
        messenger.pause("default", &name).await.unwrap();
        pass(5_000).await;
        assert_eq!(worker.info().await.unwrap().running, 0);
        assert!(messenger.stats().await.unwrap()[0].queues[0].1, "it is said to be paused");
        messenger.resume("default", &name).await.unwrap();
        pass(500).await;
        assert_eq!(worker.info().await.unwrap().running, 10, "it was woken");
    });
}

#[test]
fn the_first_transport_has_precedence_unless_they_take_turns() {
    for (fair, wanted) in [(false, vec![1, 2, 3, 11, 12, 13]), (true, vec![1, 11, 2, 12, 3, 13])] {
        paused(async {
            let text = "default_transport = 'low'\n[transports.low]\ntype = 'memory'\n[transports.high]\ntype = 'memory'";
            let messenger = Messenger::builder()
                .config(config(text))
                .transport("low", queue("low"))
                .transport("high", queue("high"))
                .clock(Arc::new(clock()))
                .build()
                .unwrap();
            for (transport, first) in [("low", 11), ("high", 1)] {
                for number in first..first + 3 {
                    messenger.dispatch_to(message(number), [transport]).await.unwrap().all().unwrap();
                }
            }
            let seen = Seen::new();
            let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
            let _worker = work(&messenger, &engine, |config| {
                config.transports = vec!["high".to_owned(), "low".to_owned()];
                config.concurrency = 1;
                config.fair = fair;
            });
            pass(10_000).await;
            assert_eq!(seen.numbers(), wanted);
        });
    }
}

#[test]
fn a_worker_of_the_configuration_is_started_by_its_name() {
    paused(async {
        let config = config(
            "default_transport = 'a'\ntransports.a.type = 'memory'\ntransports.b.type = 'memory'\n\
             [workers.first]\ntransports = ['a']\nmax_messages = 1\n[workers.all]\nmax_messages = 2",
        );
        let messenger = Messenger::builder().config(config).clock(Arc::new(clock()));
        let messenger = messenger.transport("a", queue("a")).transport("b", queue("b")).build().unwrap();
        for (number, transport) in [(1, "b"), (2, "a"), (3, "a")] {
            messenger.dispatch_to(message(number), [transport]).await.unwrap().all().unwrap();
        }
        let seen = Seen::new();
        let engine = engine([("mail", seen.fine("mail"))]);
        messenger.work_as(&engine, "first").unwrap().ended().await.unwrap();
        assert_eq!(seen.numbers(), [2]);
        messenger.work_as(&engine, "all").unwrap().ended().await.unwrap();
        assert_eq!(seen.numbers(), [2, 3, 1]);
        let refused = messenger.work_as(&engine, "mails").unwrap_err().to_string();
        assert!(refused.contains("'mails'") && refused.contains("all, first"), "{refused}");
    });
}
