//! What a worker does when nobody has said much.

use std::time::Duration;

use dispatch_actors::messenger::Messenger;
use dispatch_actors::{Engine, on_command};
use dispatch_core::messenger::{DispatchOptions, Schedule, WorkerConfig};
use dispatch_core::queue::MemoryQueue;
use dispatch_core::{Category, DispatcherError, Envelope, Route};
use dispatch_tests::support::paused;

use crate::support::{Seen, depth, engine, message, messenger, number, pass, send, send_with, work};

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

/// As the engine and the bus have one, where nobody has made an actix system.
#[test]
fn outside_an_actix_system_workers_and_schedulers_have_threads_of_their_own() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let queue = MemoryQueue::new("default");
        let messenger = Messenger::builder().transport("default", queue).build().unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mail = on_command("mail").run(move |envelope: Envelope| {
            tell.send(number(&envelope)).unwrap();
            async { Ok::<_, DispatcherError>(()) }
        });
        let route = Route::new("mail", "messenger.**", Category::Command, "mail");
        let engine = Engine::builder().dispatcher(mail).route(route).freeze().unwrap();
        let worker = messenger.work(&engine, WorkerConfig::default()).unwrap();
        messenger.dispatch(message(1)).await.unwrap();
        assert_eq!(told.recv().await, Some(1));
        let soon = std::time::SystemTime::now() + SECOND / 10;
        let once = Schedule::once("once", soon, message(2)).unwrap();
        let scheduler = messenger.schedule([once]).unwrap();
        assert_eq!(told.recv().await, Some(2));
        scheduler.stop();
        let report = worker.drain(SECOND * 60).await.unwrap();
        assert_eq!((report.done, report.is_clean()), (2, true));
        messenger.close().await.unwrap();
    });
}

/// `main` may return an error between the start of a worker and the first thing that it waits for.
#[test]
fn a_system_that_ends_before_their_first_turn_ends_workers_and_schedulers_without_a_word() {
    actix::System::new().block_on(async {
        let messenger = messenger();
        let engine = engine([("mail", Seen::new().fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        let hourly = Schedule::cron("hourly", "0 * * * *", "UTC", message(1)).unwrap();
        let _scheduler = messenger.schedule([hourly]).unwrap();
    });
}
