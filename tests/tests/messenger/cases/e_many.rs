//! E: batches, and several transports for one message.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dispatch_actors::messenger::MessageDispatcher;
use dispatch_core::messenger::{DispatchOptions, Message, MessengerErrorCode, QueuedMessage};
use dispatch_tests::support::paused;
use serde_json::{Value, json};

use super::code;
use crate::support::{depth, message, messenger, messenger_on};
use crate::trouble::Flaky;

/// A message that is no message: nested too deep.
fn invalid() -> Message {
    let deep = (0..QueuedMessage::DEEPEST).fold(Value::Null, |inner, _| json!({ "in": inner }));
    Message::new("Ping", &json!({ "in": deep })).unwrap()
}

#[test]
fn e4_e5_e10_what_is_not_valid_is_an_error_wherever_it_is_sent() {
    paused(async {
        let messenger = messenger();
        let plain = DispatchOptions::default;
        let items = [(message(1), plain()), (invalid(), plain()), (message(2), plain().with_priority(99))];
        let batch = messenger.dispatch_batch(items).await;
        let codes: Vec<_> = batch.results.into_iter().map(code).collect();
        let refused = Some(MessengerErrorCode::MessageValidation);
        assert_eq!(codes, [None, refused, refused], "E4, E5: each by itself");
        assert_eq!(code(messenger.dispatch(invalid()).await), refused);
        assert_eq!(code(messenger.dispatch_to(invalid(), ["default"]).await), refused, "E10");
        assert_eq!(code(messenger.send(invalid(), &plain()).await), refused);
        assert_eq!(depth(&messenger).await.ready, 1);
    });
}

#[test]
fn e8_a_call_that_fails_is_not_made_again_message_by_message() {
    paused(async {
        let flaky = Flaky::new();
        let messenger = messenger_on(Arc::clone(&flaky) as _);
        flaky.receipts_are_lost.store(true, Ordering::Relaxed);
        let batch = messenger
            .dispatch_batch((0..10).map(|number| (message(number), DispatchOptions::default())))
            .await;
        assert_eq!(batch.failed(), 10, "nobody knows what was stored");
        assert!(batch.errors().all(|(_, error)| error.code() == MessengerErrorCode::Transport));
        assert_eq!(depth(&messenger).await.ready, 10, "once each");
    });
}
