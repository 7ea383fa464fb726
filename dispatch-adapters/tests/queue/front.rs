//! Messengers from a configuration.

use std::sync::Arc;

use dispatch_adapters::messenger::{
    self, DispatchOptions, MemoryQueue, Message, MessageQueue, MessengerConfig, MessengerErrorCode,
    WorkerConfig,
};
use dispatch_adapters::prelude::*;
use serde_json::json;

fn message(number: u64) -> Message {
    Message::new("SendMail", &json!({ "number": number })).unwrap()
}

#[tokio::test]
async fn b9_without_a_configuration_messages_are_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let messenger = messenger::open(folder.path().join("new")).await.unwrap();
    let sent = messenger.dispatch(message(1)).await.unwrap();
    messenger.close().await.unwrap();
    assert!(messenger.dispatch(message(2)).await.is_err());
    let messenger = messenger::open(folder.path().join("new")).await.unwrap();
    let (transport, stored) = messenger.show(sent[0].id).await.unwrap().unwrap();
    assert_eq!(
        (transport.as_str(), stored.message().unwrap().payload["number"].as_u64()),
        ("default", Some(1))
    );
}

#[tokio::test]
async fn transports_of_one_file_are_apart_and_of_their_own_kind() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
        default_transport = 'mail'
        [transports.mail]
        type = 'embedded'
        [transports.reports]
        type = 'embedded'
        [transports.kept]
        type = 'embedded'
        path = 'kept.db'
        keep_done_ms = 60000
        [transports.quick]
        type = 'memory'
        max_messages = 1
        [transports.mine]
        type = 'own'
        size = 7
    ";
    let own = |name: &str, fields: &mut dispatch_adapters::config::Fields<'_>| -> messenger::Opening {
        assert_eq!(fields.required::<u64>("size"), 7);
        let queue: Arc<dyn MessageQueue> = Arc::new(MemoryQueue::new(name));
        Box::pin(async move { Ok(queue) })
    };
    let config = MessengerConfig::from_toml(text).unwrap();
    let opener = messenger::builder(folder.path()).config(config).queue_type("own", own);
    let messenger = opener.open().await.unwrap();
    for transport in ["mail", "reports", "kept", "quick", "mine"] {
        messenger.dispatch_to(message(1), [transport]).await.unwrap().all().unwrap();
    }
    let full = messenger.dispatch_to(message(2), ["quick"]).await.unwrap().all().unwrap_err();
    assert_eq!(full.code(), MessengerErrorCode::Transport);
    for stats in messenger.stats().await.unwrap() {
        assert_eq!(stats.total().ready, 1, "{}", stats.transport);
    }
    assert!(folder.path().join("queue.db").is_file() && folder.path().join("kept.db").is_file());
}

#[tokio::test]
async fn h15_every_problem_is_named_and_nothing_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
        default_transport = 'nope'
        [transports.mail]
        type = 'embedded'
        paths = 'x.db'
        sync = 'sometimes'
        max_bytes = 0
        [transports.quick]
        type = 'memory'
        per_key = 0
        max_messages = 'many'
        [transports.mine]
        type = 'embeded'
    ";
    let config = MessengerConfig::from_toml(text).unwrap();
    let error = messenger::builder(folder.path().join("new")).config(config).open().await.unwrap_err();
    assert_eq!(error.code(), MessengerErrorCode::Configuration);
    assert!(!folder.path().join("new").exists(), "nothing was opened");
    // Which types there are depends on the features.
    let text = error.to_string().replace("memory, postgres, sync", "memory, sync");
    insta::assert_snapshot!(text.replace("; ", "\n"));
}

#[tokio::test]
async fn what_was_meant_and_which_feature_is_missing_is_said() {
    let text = "
        [transports.default]
        type = 'memory'
        rate_limt = { events = 5 }
        [transports.far]
        type = 'postgres'
        url = 'postgres://127.0.0.1'
    ";
    let config = MessengerConfig::from_toml(text).unwrap();
    let error = messenger::builder("nowhere").config(config).open().await.unwrap_err().to_string();
    assert!(error.contains("'rate_limt' is unknown: did you mean 'rate_limit'?"), "{error}");
    let is_missing = error.contains("switch the feature 'postgres' of dispatch-adapters on");
    assert_eq!(is_missing, cfg!(not(feature = "postgres")), "{error}");
}

#[tokio::test]
async fn a_queue_that_cannot_be_opened_is_named_with_its_transport() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("queue.db"), "not a database ".repeat(1_000)).unwrap();
    let error = messenger::open(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("transport 'default': "), "{error}");
}

#[actix::test]
async fn i1_i2_i3_messages_of_a_sync_transport_are_handled_before_the_dispatch_returns() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let mail = on_command("mail").run(move |mail: Envelope| {
        let number = mail.raw_payload().to_json().unwrap()["number"].as_u64().unwrap();
        let sender = sender.clone();
        async move {
            sender.send(number).unwrap();
            match number {
                7 => Err(DispatcherError::msg("no such address")),
                8 => Err(DispatcherError::msg("no such address").unrecoverable()),
                _ => Ok(()),
            }
        }
    });
    let route = Route::new("mail", "messenger.**", Category::Command, "mail");
    let engine = Engine::builder().dispatcher(mail).route(route).freeze().unwrap();
    let messenger = messenger::builder(folder.path()).engine(&engine).open().await.unwrap();
    let sync = DispatchOptions::default().with_transports(["sync"]);
    messenger.dispatch_with(message(1), &sync).await.unwrap();
    assert_eq!(seen.try_recv(), Ok(1));
    for number in [7, 8] {
        let failed = messenger.dispatch_with(message(number), &sync).await.unwrap_err();
        assert_eq!(failed.code(), MessengerErrorCode::Handler);
        assert!(failed.to_string().contains("no such address"), "{failed}");
    }
    let later = sync.clone().with_delay(std::time::Duration::from_secs(3_600));
    messenger.dispatch_with(message(2), &later).await.unwrap();
    assert_eq!(
        [seen.try_recv(), seen.try_recv(), seen.try_recv()],
        [Ok(7), Ok(8), Ok(2)],
        "schedules have no effect"
    );

    let bare = messenger::builder(folder.path()).open().await.unwrap();
    let refused = bare.dispatch_with(message(3), &sync).await.unwrap_err();
    assert!(refused.to_string().contains("give the messenger one"), "{refused}");

    // A worker finds nothing there, and the embedded one beside it.
    messenger.dispatch(message(4)).await.unwrap();
    let worker =
        messenger.work(&engine, WorkerConfig { max_messages: Some(1), ..WorkerConfig::default() }).unwrap();
    assert_eq!(worker.ended().await.unwrap().done, 1);
    assert_eq!(seen.try_recv(), Ok(4));
}
