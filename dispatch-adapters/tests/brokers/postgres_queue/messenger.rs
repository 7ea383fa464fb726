//! A messenger whose configuration names the queue by its type.

use dispatch_adapters::messenger::{self, DispatchOptions, Message, MessengerConfig};
use dispatch_adapters::model::queue::MessageQueue;
use serde_json::json;

use super::support::{Place, claim};

#[tokio::test]
async fn a_transport_of_the_type_postgres_is_one_line_of_configuration() {
    Place::run(async |place| {
        let options = json!({
            "transports": { "jobs": {
                "type": "postgres", "url": place.url, "schema": place.schema, "connections": 2, "migrate": true,
            } },
            "default_transport": "jobs",
        });
        let config = MessengerConfig::from_json(&options.to_string()).unwrap();
        let folder = std::env::temp_dir();
        let opened = messenger::builder(&folder).config(config).open().await.unwrap();
        let message = Message::new("SendMail", &json!({ "to": "ann@example.com" })).unwrap();
        opened.dispatch(message).await.unwrap();
        let queue = place.open().await;
        assert_eq!(claim(&queue, "one", 9).await.messages[0].message.payload["to"], "ann@example.com");
        queue.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_sends_of_one_key_through_several_messengers_one_is_stored() {
    const SENDS: usize = 100;
    Place::run(async |place| {
        let options = json!({
            "transports": { "jobs": {
                "type": "postgres", "url": place.url, "schema": place.schema, "connections": 2, "migrate": true,
            } },
            "default_transport": "jobs",
        });
        let config = MessengerConfig::from_json(&options.to_string()).unwrap();
        let mut messengers = Vec::new();
        for _ in 0..4 {
            let opener = messenger::builder(std::env::temp_dir()).config(config.clone());
            messengers.push(opener.open().await.unwrap());
        }
        let sends = (0..SENDS).map(|number| {
            let messenger = messengers[number % messengers.len()].clone();
            tokio::spawn(async move {
                let message = Message::new("SendMail", &json!({ "number": number })).unwrap();
                let once = DispatchOptions::default().with_idempotency_key("welcome-ann");
                messenger.dispatch_with(message, &once).await.unwrap().remove(0)
            })
        });
        let sends: Vec<_> = sends.collect();
        let mut sent = Vec::new();
        for send in sends {
            sent.push(send.await.unwrap());
        }
        let stored: Vec<_> = sent.iter().filter(|sent| sent.duplicate_of.is_none()).collect();
        assert_eq!(stored.len(), 1, "one has stored it");
        let others = sent.iter().filter(|sent| sent.duplicate_of == Some(stored[0].id)).count();
        assert_eq!(others, SENDS - 1, "the others are told which");
        assert_eq!(messengers[0].stats().await.unwrap()[0].total().open(), 1);
        for messenger in messengers {
            messenger.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_its_options_is_said_before_anything_is_opened() {
    let options = json!({
        "transports": {
            "jobs": { "type": "postgres", "url": "mysql://u:hunter2@h", "per_key": 0, "sync": "always" },
            "mail": { "type": "postgres" },
        },
        "default_transport": "jobs",
    });
    let config = MessengerConfig::from_json(&options.to_string()).unwrap();
    let refused =
        messenger::builder(std::env::temp_dir()).config(config).open().await.unwrap_err().to_string();
    for part in ["per_key is 0", "its scheme must be", "sync", "transport 'mail'", "url"] {
        assert!(refused.contains(part), "no '{part}' in {refused}");
    }
    assert!(!refused.contains("hunter2"), "{refused}");
}
