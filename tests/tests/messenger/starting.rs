//! What a worker does when nobody has said much.

use std::time::Duration;

use dispatch_core::DispatcherError;
use dispatch_core::messenger::{DispatchOptions, WorkerConfig};
use dispatch_tests::support::paused;

use crate::support::{Seen, depth, engine, messenger, pass, send, send_with, work};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn g1_by_default_five_are_handled_at_a_time_for_ever_and_none_is_taken_before() {
    let limits = |it: &WorkerConfig| {
        (it.max_messages, it.max_failures, it.max_memory, it.max_time.map(|time| time.as_millis()))
    };
    let config = WorkerConfig::default();
    assert_eq!(limits(&config), (None, None, None, None));
    assert_eq!((config.lease, config.poll), (SECOND * 60, SECOND));
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for number in 0..25 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
        let worker = work(&messenger, &engine, |_| ());
        pass(500).await;
        assert_eq!((seen.numbers().len(), depth(&messenger).await.leased), (5, 5));
        pass(600_000).await;
        assert_eq!(worker.info().await.unwrap().so_far.done, 25);
        send(&messenger, 25).await;
        pass(1).await;
        assert_eq!(seen.numbers().len(), 26, "it is there for the next");
    });
}

#[test]
fn g10_workers_take_from_the_transports_that_messages_go_to_and_unknown_ones_are_refused() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let unknown = WorkerConfig { transports: vec!["supabase".to_owned()], ..WorkerConfig::default() };
        let error = messenger.work(&engine, unknown).unwrap_err().to_string();
        assert!(error.contains("'supabase' is no transport: use one of default"), "{error}");
        send(&messenger, 1).await;
        let _worker = work(&messenger, &engine, |_| ());
        pass(10).await;
        assert_eq!(seen.numbers(), [1], "neither of them was told a name");
    });
}

#[test]
fn g11_a_worker_of_some_queues_leaves_the_others_alone() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let of =
            |queue: &str| DispatchOptions { queue: Some(queue.to_owned()), ..DispatchOptions::default() };
        for (number, queue) in (0..).zip(["mail", "reports", "mail", "default"]) {
            send_with(&messenger, number, of(queue)).await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |config| config.queues = vec!["mail".to_owned()]);
        pass(10_000).await;
        assert_eq!(seen.numbers(), [0, 2]);
        let other =
            |config: &mut WorkerConfig| config.queues = vec!["reports".to_owned(), "later".to_owned()];
        let _other = work(&messenger, &engine, other);
        send_with(&messenger, 4, of("later")).await;
        pass(10_000).await;
        assert_eq!(seen.numbers(), [0, 2, 1, 4], "also those that come to be");
        assert_eq!((worker.info().await.unwrap().so_far.done, depth(&messenger).await.ready), (2, 1));
    });
}
