//! C: what is stored of a message.

use std::time::Duration;

use dispatch_actors::messenger::Messenger;
use dispatch_actors::testing::start_of_time;
use dispatch_core::messenger::{DispatchOptions, Message, MessengerErrorCode, QueuedMessage};
use dispatch_tests::support::paused;
use serde_json::json;

use super::{code, dispatch_json};
use crate::support::{message, messenger, number};

async fn stored(messenger: &Messenger, options: &DispatchOptions) -> QueuedMessage {
    let message = message(1).with_metadata("userId", "u1").with_metadata("a", 1);
    let sent = messenger.dispatch_with(message, options).await.unwrap().remove(0);
    let (_, stored) = messenger.show(sent.id).await.unwrap().unwrap();
    let stored = (**stored.message().unwrap()).clone();
    assert_eq!((stored.id, &stored.transport, &stored.queue), (sent.id, &sent.transport, &sent.queue));
    assert_eq!((stored.priority, stored.scheduled_at), (sent.priority, sent.scheduled_at), "C9");
    stored
}

#[test]
fn c1_c10_a_message_has_one_id_wherever_it_is_and_its_time_comes_first_in_it() {
    paused(async {
        let messenger = messenger();
        let mut ids = Vec::new();
        for _ in 0..3 {
            let stored = stored(&messenger, &DispatchOptions::default()).await;
            assert_eq!(stored.id.get_version_num(), 7, "C1");
            assert_eq!(stored.headers[QueuedMessage::ID_HEADER], stored.id.to_string(), "C10");
            assert_eq!(stored.to_envelope().id(), stored.id, "C10: handlers see it");
            assert_eq!(number(&stored.to_envelope()), 1);
            ids.push(stored.id);
        }
        assert!(ids.is_sorted(), "C1: {ids:?}");
    });
}

#[test]
fn c3_c4_metadata_of_the_options_lies_over_that_of_the_message() {
    paused(async {
        let messenger = messenger();
        let metadata = json!({ "a": 2, "b": 3 }).as_object().cloned().unwrap();
        let options = DispatchOptions { metadata, ..DispatchOptions::default() };
        let merged = stored(&messenger, &options).await.metadata;
        assert_eq!(json!(merged), json!({ "userId": "u1", "a": 2, "b": 3 }), "C3");
        let bare = Message::new("Ping", &json!({})).unwrap();
        let sent = messenger.dispatch(bare).await.unwrap().remove(0);
        let (_, stored) = messenger.show(sent.id).await.unwrap().unwrap();
        assert!(stored.message().unwrap().metadata.is_empty(), "C4");
    });
}

#[test]
fn c5_c6_c9_a_message_is_due_when_it_is_scheduled_or_now() {
    paused(async {
        let messenger = messenger();
        let now = stored(&messenger, &DispatchOptions::default()).await;
        assert_eq!((now.scheduled_at, now.available_at), (None, start_of_time()), "C5");
        let later = start_of_time() + Duration::from_secs(60);
        let scheduled = stored(&messenger, &DispatchOptions::default().at(later)).await;
        assert_eq!((scheduled.scheduled_at, scheduled.available_at), (Some(later), later), "C6");
    });
}

#[test]
fn c8_a_time_that_is_none_is_refused() {
    paused(async {
        let messenger = messenger();
        for time in [json!("not a date"), json!("2026-02-30T00:00:00Z"), json!(""), json!(7), json!({})] {
            let options = json!({ "scheduled_at": time });
            let answer = dispatch_json(&messenger, &json!({ "type": "Ping", "payload": {} }), &options).await;
            assert_eq!(code(answer), Some(MessengerErrorCode::MessageValidation), "{time}");
        }
    });
}
