//! D: keys and duplicates.

use std::sync::Arc;

use dispatch_actors::messenger::Messenger;
use dispatch_core::DispatcherError;
use dispatch_core::messenger::{DispatchOptions, Message, MessengerErrorCode};
use dispatch_core::queue::MessageQueue;
use dispatch_tests::support::paused;
use futures_util::future::join_all;
use serde_json::json;

use super::code;
use crate::support::{
    Seen, clock, config, depth, engine, message, messenger, messenger_on, pass, queue, send_with, work,
};

fn keyed() -> DispatchOptions {
    DispatchOptions::default().with_idempotency_key("order-7")
}

#[test]
fn d1_d2_d4_without_a_key_nothing_is_a_duplicate_and_with_keys_of_the_content_what_is_equal_is() {
    paused(async {
        let messenger = messenger();
        let twice = [(); 2].map(|()| messenger.dispatch(message(1)));
        for sent in join_all(twice).await {
            assert_eq!(sent.unwrap()[0].duplicate_of, None);
        }
        messenger.set(&json!({ "idempotency": "auto" })).unwrap();
        let first = messenger.dispatch(message(1)).await.unwrap().remove(0);
        pass(3).await;
        let second = messenger.dispatch(message(1)).await.unwrap().remove(0);
        assert_eq!(second.duplicate_of, Some(first.id), "D2: the time is no part of it");
        assert_eq!(second.scheduled_at, None, "what counts is the time of the first");
        let other = messenger.dispatch(message(2)).await.unwrap().remove(0);
        assert_eq!(other.duplicate_of, None);
        let (_, stored) = messenger.show(first.id).await.unwrap().unwrap();
        let key = stored.message().unwrap().idempotency_key.clone().unwrap();
        assert_eq!(key.as_str().len(), "auto-".len() + 64, "D4: 256 bits");
    });
}

#[test]
fn d5_a_key_is_remembered_whatever_has_become_of_its_message() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler = seen.handler("mail", std::time::Duration::ZERO, |number| match number {
            1 => Ok(()),
            _ => Err(DispatcherError::msg("gone").unrecoverable()),
        });
        let engine = engine([("mail", handler)]);
        let _worker = work(&messenger, &engine, |_| ());
        for number in [1, 2] {
            let key = DispatchOptions::default().with_idempotency_key(format!("key-{number}"));
            let id = send_with(&messenger, number, key.clone()).await;
            pass(10).await;
            let again = messenger.dispatch_with(message(number), &key).await.unwrap().remove(0);
            assert_eq!((again.id, again.duplicate_of), (id, Some(id)), "it was done, or has failed");
        }
        assert_eq!(seen.numbers(), [1, 2]);
    });
}

#[test]
fn d6_a_key_counts_for_one_transport_and_all_of_its_queues() {
    paused(async {
        let text = "default_transport = 'main'\n[transports.main]\ntype = 'memory'\n[transports.mail]\ntype = 'memory'";
        let messenger = Messenger::builder()
            .config(config(text))
            .transport("main", queue("main"))
            .transport("mail", queue("mail"))
            .clock(Arc::new(clock()))
            .build()
            .unwrap();
        let first = messenger.dispatch_with(message(1), &keyed()).await.unwrap().remove(0);
        let elsewhere = keyed().with_transports(["mail"]);
        assert_eq!(messenger.dispatch_with(message(1), &elsewhere).await.unwrap()[0].duplicate_of, None);
        let other_queue = keyed().with_queue("other");
        let again = messenger.dispatch_with(message(1), &other_queue).await.unwrap().remove(0);
        assert_eq!(again.duplicate_of, Some(first.id));
    });
}

#[test]
fn d7_of_a_hundred_equal_sends_at_the_same_time_one_is_stored() {
    paused(async {
        let messenger = messenger();
        let sends = (0..100).map(|_| {
            let messenger = messenger.clone();
            async move { messenger.dispatch_with(message(1), &keyed()).await.unwrap().remove(0) }
        });
        let sent = join_all(sends.map(tokio::spawn)).await;
        let stored = sent.iter().filter(|sent| sent.as_ref().unwrap().duplicate_of.is_none());
        assert_eq!((stored.count(), depth(&messenger).await.ready), (1, 1));
    });
}

#[test]
fn d8_what_cannot_be_looked_up_is_not_sent_without_a_word() {
    paused(async {
        let queue: Arc<dyn MessageQueue> = Arc::new(queue("default"));
        let messenger = messenger_on(Arc::clone(&queue));
        queue.close().await.unwrap();
        let refused = messenger.dispatch_with(message(1), &keyed()).await;
        assert_eq!(code(refused), Some(MessengerErrorCode::Transport));
    });
}

#[test]
fn d11_of_a_batch_with_one_key_the_first_is_stored_and_the_others_are_told_so() {
    paused(async {
        let messenger = messenger();
        let batch = messenger.dispatch_batch((1..4).map(|number| (message(number), keyed()))).await;
        let sent: Vec<_> = batch.results.iter().map(|result| result.as_ref().unwrap()[0].clone()).collect();
        assert_eq!(sent[0].duplicate_of, None);
        assert!(sent[1..].iter().all(|other| other.duplicate_of == Some(sent[0].id)), "{sent:?}");
        let order = |payload: &str| {
            let payload: serde_json::Map<_, _> = serde_json::from_str(payload).unwrap();
            (Message::new("Order", &payload).unwrap(), DispatchOptions::default())
        };
        messenger.set(&json!({ "idempotency": "auto" })).unwrap();
        let batch =
            messenger.dispatch_batch([order(r#"{"a": 1, "b": 2}"#), order(r#"{"b": 2, "a": 1}"#)]).await;
        assert!(
            batch.results[1].as_ref().unwrap()[0].duplicate_of.is_some(),
            "D3: whatever the order of members"
        );
    });
}
