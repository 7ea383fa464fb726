//! I: transports that handle messages at once.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::messenger::{InlineQueue, Messenger};
use dispatch_core::DispatcherError;
use dispatch_core::messenger::{DispatchOptions, MessengerErrorCode};
use dispatch_core::queue::{Claim, MessageQueue, WorkerId};
use dispatch_tests::support::paused;

use crate::support::{Seen, config, engine, message};

#[test]
fn i1_i2_i3_i4_a_message_is_handled_before_its_dispatch_returns_and_nothing_is_kept() {
    paused(async {
        let seen = Seen::new();
        let handler = seen.handler("mail", Duration::from_secs(5), |number| match number {
            7 => Err(DispatcherError::new("SmtpError", "no such address")),
            8 => Err(DispatcherError::new("SmtpError", "no such address").unrecoverable()),
            _ => Ok(()),
        });
        let engine = engine([("mail", handler)]);
        let queue: Arc<dyn MessageQueue> = Arc::new(InlineQueue::new("sync", engine.clone()));
        let text = "default_transport = 'sync'\n[transports.sync]\ntype = 'sync'";
        let messenger = Messenger::builder()
            .config(config(text))
            .shared_transport("sync", Arc::clone(&queue))
            .build()
            .unwrap();
        messenger.dispatch(message(1)).await.unwrap();
        assert_eq!(seen.numbers(), [1], "I1");
        for number in [7, 8] {
            let failed = messenger.dispatch(message(number)).await.unwrap_err();
            assert_eq!(failed.code(), MessengerErrorCode::Handler);
            let text = failed.to_string();
            assert!(text.contains("'SendMail'") && text.contains("SmtpError: no such address"), "I2: {text}");
        }
        let later = DispatchOptions::default().with_delay(Duration::from_secs(3_600));
        let begun = tokio::time::Instant::now();
        messenger.dispatch_with(message(2), &later).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 5, "I3: schedules have no effect");
        assert_eq!(seen.numbers(), [1, 7, 8, 2], "I4: there are no retries");
        let claim = Claim {
            worker: WorkerId::new("one"),
            queues: vec!["default".parse().unwrap()],
            max: 10,
            lease: Duration::from_secs(60),
        };
        assert!(queue.claim(&claim).await.unwrap().messages.is_empty(), "I4");
        assert_eq!(queue.depth(None).await.unwrap(), Default::default(), "I4");

        let nobody = crate::support::engine([]);
        let queue = InlineQueue::new("sync", nobody);
        let messenger = Messenger::builder().config(config(text)).transport("sync", queue).build().unwrap();
        let refused = messenger.dispatch(message(1)).await.unwrap_err();
        assert_eq!(refused.code(), MessengerErrorCode::Handler, "I2: nobody handles it");
    });
}
