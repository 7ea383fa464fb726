use std::time::Duration;

use dispatch_actors::messenger::Replay;
use dispatch_core::DispatcherError;
use dispatch_core::messenger::Message;
use dispatch_core::queue::{ErrorGroup, Filter, Page};
use dispatch_tests::support::paused;
use serde_json::json;

use crate::support::{Seen, depth, engine, messenger, messenger_on, pass, send, work};
use crate::trouble::Flaky;

const SECOND: Duration = Duration::from_secs(1);

/// D10, K8: a replay moves the message, and looks at no key.
#[test]
fn d10_failed_messages_are_listed_edited_and_replayed() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler = seen.handler("mail", Duration::ZERO, |number| match number {
            0..100 => Err(DispatcherError::msg(format!("order {number} is gone")).unrecoverable()),
            _ => Ok(()),
        });
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |_| ());
        let mut ids = Vec::new();
        for number in 0..10 {
            ids.push(send(&messenger, number).await);
        }
        pass(10).await;
        let group = ErrorGroup::of("mail: Error: order 3 is gone");
        let failed = Filter::failed().with_error(group);
        assert_eq!(messenger.list("default", &failed, Page::first(100)).await.unwrap().len(), 10);

        let repaired = json!({ "number": 100 }).as_object().cloned();
        assert!(messenger.retry("default", ids[0], repaired).await.unwrap());
        assert!(!messenger.retry("default", ids[0], None).await.unwrap(), "it has not failed any more");
        pass(10).await;
        assert_eq!(seen.numbers().last(), Some(&100));
        assert_eq!(worker.info().await.unwrap().so_far.done, 1);

        let dry = messenger.retry_all("default", &failed, Replay::at_once().dry()).await.unwrap();
        assert_eq!((dry, depth(&messenger).await.failed), (9, 9));
        let some = messenger.retry_all("default", &failed, Replay::at_once().at_most(2)).await.unwrap();
        assert_eq!(some, 2);
        pass(10).await;
        assert_eq!(depth(&messenger).await.failed, 9, "they have failed again");

        assert_eq!(messenger.cancel("default", &ids[1..3]).await.unwrap(), 2);
        assert_eq!(messenger.purge("default", &failed).await.unwrap(), 7);
        assert_eq!(depth(&messenger).await.failed, 0);
    });
}

#[test]
fn a_paced_replay_makes_messages_due_one_after_the_other() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let tries = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let handler = seen.handler("mail", Duration::ZERO, move |_| {
            match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0..1_000 => Err(DispatcherError::msg("down").unrecoverable()),
                _ => Ok(()),
            }
        });
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |config| config.concurrency = 100);
        for number in 0..1_000 {
            send(&messenger, number).await;
        }
        pass(10).await;
        assert_eq!(depth(&messenger).await.failed, 1_000);
        let replayed =
            messenger.retry_all("default", &Filter::failed(), Replay::at_once().every(SECOND)).await.unwrap();
        assert_eq!(replayed, 1_000);
        pass(100_500).await;
        assert_eq!(worker.info().await.unwrap().so_far.done, 101);
        pass(1_000_000).await;
        assert_eq!(worker.info().await.unwrap().so_far.done, 1_000);
    });
}

#[test]
fn a_replay_of_so_many_goes_on_behind_those_that_are_gone() {
    paused(async {
        let flaky = Flaky::new();
        let (messenger, seen) = (messenger_on(flaky.clone()), Seen::new());
        let handler =
            seen.handler("mail", Duration::ZERO, |_| Err(DispatcherError::msg("no").unrecoverable()));
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |_| ());
        for number in 0..5 {
            send(&messenger, number).await;
        }
        pass(10).await;
        worker.pause();
        flaky.gone.store(2, std::sync::atomic::Ordering::Relaxed);
        let replayed =
            messenger.retry_all("default", &Filter::failed(), Replay::at_once().at_most(3)).await.unwrap();
        assert_eq!((replayed, depth(&messenger).await.failed), (3, 2));
    });
}

/// Pages grow while messages are small, and hold about 16 MiB.
#[test]
fn of_large_messages_few_are_in_memory_at_a_time() {
    paused(async {
        for (count, text, wanted) in
            [(500, 1, vec![10, 20, 40, 80, 160, 200, 200]), (20, 2 << 20, vec![10, 7, 7, 7])]
        {
            let flaky = Flaky::new();
            let (messenger, seen) = (messenger_on(flaky.clone()), Seen::new());
            let fails = |_| Err(DispatcherError::msg("no").unrecoverable());
            let engine = engine([("mail", seen.handler("mail", Duration::ZERO, fails))]);
            let _worker = work(&messenger, &engine, |_| ());
            let payload = json!({ "number": 1, "text": "x".repeat(text) });
            let message = Message::new("SendMail", &payload).unwrap();
            for _ in 0..count {
                messenger.dispatch(message.clone()).await.unwrap();
            }
            pass(100).await;
            let dry =
                messenger.retry_all("default", &Filter::failed(), Replay::at_once().dry()).await.unwrap();
            assert_eq!(dry, count);
            assert_eq!(*flaky.lists.lock().unwrap(), wanted);
        }
    });
}
