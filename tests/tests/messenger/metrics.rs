//! What a messenger and its workers count.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::messenger::{InlineQueue, Messenger};
use dispatch_core::DispatcherError;
use dispatch_core::messenger::{DispatchOptions, Duplicates};
use dispatch_core::queue::{MessageQueue, QueueLimits};
use dispatch_metrics::{MessengerMetrics, TransportMetrics, prometheus};
use dispatch_tests::support::paused;

use crate::support::{
    Seen, clock, config, engine, message, messenger, messenger_on, pass, queue, queue_with, send, send_with,
    work,
};

const SECOND: Duration = Duration::from_secs(1);

fn own(metrics: &MessengerMetrics) -> &TransportMetrics {
    &metrics.transports["default"]
}

/// K10: waiting and running are apart.
#[test]
fn k10_the_time_of_waiting_is_not_that_of_running() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler = seen.handler("mail", 3 * SECOND, |_| Ok::<_, DispatcherError>(()));
        let engine = engine([("mail", handler)]);
        for number in 0..2 {
            send(&messenger, number).await;
        }
        send_with(&messenger, 9, DispatchOptions::default().with_delay(60 * SECOND)).await;
        pass(10_000).await;
        let worker = work(&messenger, &engine, |config| config.concurrency = 1);
        pass(1).await;
        let metrics = messenger.metrics().await;
        assert_eq!(own(&metrics).work.attempts(), 1, "one has begun, and is not done");
        assert_eq!((metrics.workers["1"].running, metrics.workers["1"].concurrency), (1, 1));
        pass(100_000).await;
        let metrics = worker.metrics().await.unwrap();
        let (wait, run) = (metrics.work["default"].wait(), metrics.work["default"].run());
        assert_eq!((run.count(), run.min(), run.max()), (3, Some(3 * SECOND), Some(3 * SECOND)));
        assert_eq!((wait.count(), wait.max()), (3, Some(13 * SECOND)), "the second waited for the first");
        assert!(wait.min().unwrap() < SECOND, "what is scheduled waits from when it is due: {wait:?}");
    });
}

#[test]
fn every_attempt_is_counted_by_what_became_of_it_and_those_of_ended_workers_stay() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler = seen.handler("mail", Duration::ZERO, |number| match number % 5 {
            0 => Err(DispatcherError::msg("broken")),
            1 => Err(DispatcherError::msg("gone").unrecoverable()),
            _ => Ok(()),
        });
        let engine = engine([("mail", handler)]);
        let first = work(&messenger, &engine, |config| config.max_messages = Some(20));
        let second = work(&messenger, &engine, |_| ());
        for number in 0..100 {
            send(&messenger, number).await;
        }
        assert_eq!(messenger.metrics().await.workers.len(), 2);
        pass(60_000).await;
        let report = first.ended().await.unwrap();
        assert!(first.metrics().await.is_err(), "it has ended");
        let metrics = messenger.metrics().await;
        let work = &own(&metrics).work;
        assert_eq!((work.attempts(), work.done(), work.retried(), work.failed()), (160, 60, 60, 40));
        assert_eq!((work.run().count(), work.wait().count(), work.error_rate()), (160, 160, 100.0 / 160.0));
        assert_eq!(work.types.keys().map(|name| &**name).collect::<Vec<_>>(), ["SendMail"]);
        let others = &metrics.workers["2"].work["default"];
        assert_eq!(metrics.workers.len(), 1);
        assert_eq!(others.done() + report.done, 60, "those of the first are kept");
        let depth = &own(&metrics).queues["default"];
        assert_eq!((depth.failed, depth.open(), own(&metrics).sends.stored), (40, 0, 100));

        let third = work_on(&messenger, &engine);
        assert!(messenger.metrics().await.workers.contains_key("1"), "the number is given again");
        for worker in [second, third] {
            worker.drain(SECOND).await.unwrap();
        }
        let ended = messenger.metrics().await;
        assert_eq!((own(&ended).work.attempts(), ended.workers.len()), (160, 0));
    });
}

fn work_on(messenger: &Messenger, engine: &dispatch_actors::Engine) -> dispatch_actors::messenger::Worker {
    work(messenger, engine, |_| ())
}

#[test]
fn depth_is_told_by_queue_and_state_with_the_age_of_the_oldest() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let keyed = DispatchOptions { ordering_key: Some("ann".to_owned()), ..DispatchOptions::default() };
        for number in 0..3 {
            send_with(&messenger, number, keyed.clone()).await;
        }
        send_with(&messenger, 3, DispatchOptions::default().with_delay(600 * SECOND)).await;
        send_with(&messenger, 4, DispatchOptions::default().with_queue("mails")).await;
        messenger.pause("default", &"mails".parse().unwrap()).await.unwrap();
        pass(5_000).await;
        let metrics = messenger.metrics().await;
        let (plain, mails) = (&own(&metrics).queues["default"], &own(&metrics).queues["mails"]);
        assert_eq!((plain.ready, plain.waiting, plain.scheduled, plain.paused), (1, 2, 1, false));
        assert_eq!((mails.ready, mails.paused, mails.oldest_ready), (1, true, Some(5 * SECOND)));
        assert_eq!(metrics.open(), 5);

        let slow = seen.handler("mail", 60 * SECOND, |_| Ok::<_, DispatcherError>(()));
        let _worker = work(&messenger, &engine([("mail", slow)]), |_| ());
        pass(1_000).await;
        let metrics = messenger.metrics().await;
        let plain = &own(&metrics).queues["default"];
        assert_eq!((plain.ready, plain.leased, plain.oldest_ready), (0, 1, None));
        assert_eq!(own(&metrics).queues["mails"].ready, 1);
    });
}

/// D8: the look for duplicates is one step with storing, so it cannot fail by itself; a send that fails is counted.
#[test]
fn d8_sends_are_counted_by_what_became_of_them() {
    paused(async {
        let limits = QueueLimits { max_messages: 2, ..QueueLimits::default() };
        let messenger = messenger_on(Arc::new(queue_with("default", limits)));
        let once = DispatchOptions::default().with_idempotency_key("one");
        let with = |duplicates| DispatchOptions { duplicates: Some(duplicates), ..once.clone() };
        send_with(&messenger, 1, once.clone()).await;
        send_with(&messenger, 2, once.clone()).await;
        assert!(messenger.dispatch_with(message(3), &with(Duplicates::Reject)).await.is_err());
        send_with(&messenger, 4, with(Duplicates::Replace)).await;
        send(&messenger, 5).await;
        let refused = messenger.dispatch(message(6)).await.unwrap_err();
        assert!(refused.is_retryable(), "there may be room later: {refused}");
        assert!(messenger.dispatch_with(message(7), &once.clone().with_priority(99)).await.is_err());
        let sends = own(&messenger.metrics().await).sends;
        assert_eq!((sends.stored, sends.replaced, sends.duplicates, sends.refused), (2, 1, 2, 1));

        // All of a call that the transport does not answer.
        messenger.close().await.unwrap();
        let batch = (0..7).map(|number| (message(number), DispatchOptions::default()));
        assert_eq!(messenger.dispatch_batch(batch).await.failed(), 7);
        assert_eq!(own(&messenger.metrics().await).sends.refused, 8);
    });
}

#[test]
fn a_transport_that_does_not_answer_is_said_to_be_down_and_the_others_are_shown() {
    paused(async {
        let far: Arc<dyn MessageQueue> = Arc::new(queue("far"));
        let text = "[transports.default]\ntype = 'memory'\n[transports.far]\ntype = 'memory'\n[transports.sync]\ntype = 'sync'";
        let messenger = Messenger::builder()
            .config(config(text))
            .name("shop")
            .clock(Arc::new(clock()))
            .transport("default", queue("default"))
            .shared_transport("far", Arc::clone(&far))
            .transport("sync", InlineQueue::idle("sync"))
            .build()
            .unwrap();
        send(&messenger, 1).await;
        far.close().await.unwrap();
        let metrics = messenger.metrics().await;
        let up: Vec<_> = metrics.transports.iter().map(|(name, own)| (&**name, own.reachable)).collect();
        assert_eq!(up, [("default", true), ("far", false), ("sync", true)]);
        assert_eq!((metrics.open(), own(&metrics).queues["default"].ready), (1, 1));
        let text = prometheus::render([&metrics]).unwrap();
        assert!(
            text.contains(r#"dispatch_message_transport_up{messenger="shop",transport="far"} 0"#),
            "{text}"
        );
    });
}

#[test]
fn incidents_are_counted_where_they_happen() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let ttl = DispatchOptions { ttl: Some(SECOND), ..DispatchOptions::default() };
        for number in 0..2 {
            send_with(&messenger, number, ttl.clone()).await;
        }
        pass(2_000).await;
        for number in 2..5 {
            send(&messenger, number).await;
        }
        let slow = seen.handler("mail", 1_000 * SECOND, |_| Ok::<_, DispatcherError>(()));
        let worker = work(&messenger, &engine([("mail", slow)]), |config| {
            (config.concurrency, config.prefetch) = (1, 2);
        });
        worker.pause();
        pass(10).await;
        let info = worker.metrics().await.unwrap();
        assert_eq!((info.running, info.waiting, info.paused, info.stopping), (1, 2, true, false));
        worker.drain(SECOND).await.unwrap();
        let metrics = messenger.metrics().await;
        let work = &own(&metrics).work;
        assert_eq!((work.expired, work.handed_back, work.abandoned), (2, 2, 1));
        assert_eq!((work.attempts(), work.run().count()), (1, 0), "it never came to an end");
    });
}
