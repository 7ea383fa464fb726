//! One test, since what is global is so for all of them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dispatch_actors::messenger::{Dispatched, MessageDispatcher, Sent, global};
use dispatch_core::messenger::{DispatchOptions, Message, MessengerError, MessengerErrorCode};
use dispatch_tests::support::paused;
use uuid::Uuid;

use crate::support::{depth, message, messenger};

/// Takes the place of a messenger.
#[derive(Default)]
struct Fake(Mutex<Vec<(u64, Option<i64>)>>);

#[async_trait]
impl MessageDispatcher for Fake {
    async fn send(&self, message: Message, options: &DispatchOptions) -> Result<Dispatched, MessengerError> {
        let number = message.payload["number"].as_u64().unwrap();
        self.0.lock().unwrap().push((number, options.priority));
        let answer = match number {
            7 => Err(MessengerError::new(MessengerErrorCode::Transport, "down")),
            _ => Ok(Sent::new(Uuid::from_u128(number.into()), "default".parse()?, "default".parse()?)),
        };
        Ok(Dispatched::new(Uuid::nil(), [("default".parse()?, answer)]))
    }
}

#[test]
fn what_is_set_for_the_process_is_what_the_functions_send_with() {
    paused(async {
        let plain = DispatchOptions::default;
        let unset = [
            global::dispatch(message(1)).await.map(drop),
            global::dispatch_with(message(1), &plain()).await.map(drop),
            global::dispatch_to(message(1), ["default"]).await.map(drop),
            global::dispatch_batch([(message(1), plain())]).await.map(drop),
            global::get().map(drop),
        ];
        for answer in unset {
            let error = answer.unwrap_err();
            assert_eq!(error.code(), MessengerErrorCode::Configuration);
            assert!(error.to_string().contains("call messenger::global::set"), "{error}");
        }

        let messenger = messenger();
        assert!(global::set(messenger.clone()).is_none());
        assert_eq!(global::dispatch(message(1)).await.unwrap().len(), 1);
        let high = plain().with_priority(9);
        assert_eq!(global::dispatch_with(message(2), &high).await.unwrap()[0].priority.get(), 9);
        assert_eq!(global::dispatch_to(message(3), ["default"]).await.unwrap().transports.len(), 1);
        let batch = global::dispatch_batch([(message(4), plain()), (message(5), plain().with_priority(0))]);
        assert_eq!(batch.await.unwrap().results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
        assert_eq!(depth(&messenger).await.ready, 4);

        let fake = Arc::new(Fake::default());
        assert!(global::set_shared(Arc::clone(&fake) as _).is_some(), "the messenger comes back");
        assert_eq!(global::dispatch(message(6)).await.unwrap()[0].id, Uuid::from_u128(6));
        let batch = global::dispatch_batch([(message(7), high), (message(8), plain())]).await.unwrap();
        assert_eq!(batch.results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
        assert_eq!(*fake.0.lock().unwrap(), [(6, None), (7, Some(9)), (8, None)]);
        assert_eq!(depth(&messenger).await.ready, 4);
        assert!(global::reset().is_some() && global::reset().is_none());
        assert!(global::get().is_err());
    });
}
