use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::policy::RateLimit;

mod edges;
mod layers;
mod tiers;

const NOW: Duration = Duration::from_millis(1_768_472_430_500);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

fn config() -> MessengerConfig {
    MessengerConfig::from_toml(
        r#"
        default_transport = "main"

        [transports.main]
        type = "memory"

        [transports.mail]
        type = "memory"
        queue = "mail"
        priority = 7
        idempotency = "auto"

        [routing]
        SendMail = "mail"
        OrderPlaced = ["main", "mail"]

        [retry.SendMail]
        max_retries = 8
        "#,
    )
    .unwrap()
}

fn message(message_type: &str) -> Message {
    Message::new(message_type, &json!({"id": 7})).unwrap()
}

fn plan(message: &Message, options: &DispatchOptions) -> Result<Vec<QueuedMessage>, MessengerError> {
    let mut ids = (1..).map(Uuid::from_u128);
    config().check().unwrap().plan(message, options, now(), || ids.next().unwrap())
}

#[test]
fn e12_what_goes_to_several_transports_has_ids_of_its_own_and_one_correlation() {
    let queued = plan(&message("OrderPlaced"), &DispatchOptions::default()).unwrap();
    let shown: Vec<_> = queued
        .iter()
        .map(|it| {
            (
                it.transport.as_str(),
                it.queue.as_str(),
                it.priority.get(),
                it.id.as_u128(),
                it.correlation_id.as_u128(),
            )
        })
        .collect();
    assert_eq!(shown, [("main", "default", 5, 2, 1), ("mail", "mail", 7, 3, 1)]);
    for it in &queued {
        assert_eq!(it.headers[QueuedMessage::ID_HEADER], it.id.to_string());
        assert_eq!(serde_json::from_value::<QueuedMessage>(serde_json::to_value(it).unwrap()).unwrap(), *it);
    }
}

#[test]
fn c2_headers_that_are_set_by_themselves_win_whatever_their_case() {
    let headers = [("X-Message-Type", "spoof"), ("x-message-id", "spoof"), ("x-custom", "v")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let options = DispatchOptions { headers, ..DispatchOptions::default() };
    let queued = plan(&message("Ping"), &options).unwrap().remove(0);
    let expected = json!({
        "x-custom": "v", "x-message-type": "Ping", "x-message-id": queued.id.to_string(),
        "x-dispatched-at": "2026-01-15T10:20:30.500Z",
    });
    assert_eq!(serde_json::to_value(&queued.headers).unwrap(), expected);
}

#[test]
fn c7_a_schedule_in_the_past_is_due_now_and_a_delay_later() {
    let past = now() - Duration::from_secs(60);
    let queued = plan(&message("Ping"), &DispatchOptions::default().at(past)).unwrap().remove(0);
    assert_eq!((queued.scheduled_at, queued.available_at), (Some(past), now()));
    let minute = Duration::from_secs(60);
    let options = DispatchOptions { ttl: Some(minute), ..DispatchOptions::default() }.with_delay(minute);
    let queued = plan(&message("Ping"), &options).unwrap().remove(0);
    assert_eq!((queued.available_at, queued.expires_at), (now() + minute, Some(now() + 2 * minute)));
}

#[test]
fn d3_a_key_of_the_content_is_the_same_whatever_the_order_and_another_for_each_transport() {
    let key = |payload: &str| {
        let payload: Map<String, Value> = serde_json::from_str(payload).unwrap();
        let message = Message::new("SendMail", &payload).unwrap();
        plan(&message, &DispatchOptions::default()).unwrap().remove(0).idempotency_key
    };
    let first = key(r#"{"a": 1, "b": {"c": [1, 2], "d": null}}"#);
    assert!(first.is_some());
    assert_eq!(first, key(r#"{"b": {"d": null, "c": [1, 2]}, "a": 1}"#));
    assert_ne!(first, key(r#"{"a": 1, "b": {"c": [2, 1], "d": null}}"#));
    assert_eq!(plan(&message("Ping"), &DispatchOptions::default()).unwrap()[0].idempotency_key, None);
    let given = DispatchOptions::default().with_idempotency_key("k").with_transports(["mail"]);
    let key = plan(&message("Ping"), &given).unwrap().remove(0).idempotency_key.unwrap();
    assert_eq!((key.as_str(), format!("{key:?}").as_str()), ("k", "IdempotencyKey(…)"));
}

#[test]
fn a_type_may_have_a_topic_of_its_own() {
    let mapped = config().set(&json!({ "topics": { "Ping": "shop.commands.ping" } })).unwrap();
    let topic = |message_type| {
        let routing = mapped.check().unwrap();
        let queued = routing.plan(&message(message_type), &DispatchOptions::default(), now(), Uuid::now_v7);
        let queued = serde_json::to_value(queued.unwrap().remove(0)).unwrap();
        serde_json::from_value::<QueuedMessage>(queued).unwrap().topic().unwrap().to_string()
    };
    assert_eq!(topic("Ping"), "shop.commands.ping");
    assert_eq!(topic("SendMail"), "messenger.mail.commands.SendMail");
    let wrong = config().set(&json!({ "topics": { "Ping": "shop..ping", "9": "a.b" } })).unwrap();
    let problems = wrong.problems().join("\n");
    assert!(problems.contains("topic of 'Ping': ") && problems.contains("topic of '9': "), "{problems}");
}

#[test]
fn a_message_may_say_by_itself_where_its_key_comes_from() {
    let with = |idempotency| DispatchOptions { idempotency: Some(idempotency), ..DispatchOptions::default() };
    let keys = |message_type, options: &DispatchOptions| {
        let queued = plan(&message(message_type), options).unwrap();
        queued.iter().filter(|queued| queued.idempotency_key.is_some()).count()
    };
    assert_eq!(keys("Ping", &DispatchOptions::default()), 0);
    assert_eq!(keys("Ping", &with(Idempotency::Auto)), 1);
    assert_eq!(keys("SendMail", &DispatchOptions::default()), 1);
    assert_eq!(keys("SendMail", &with(Idempotency::Explicit)), 0);
}

proptest! {
    /// No two contents are written alike: neighbours in a payload cannot be shifted into each other.
    #[test]
    fn keys_are_equal_only_for_equal_contents(
        one in prop::collection::btree_map("[ab]{0,2}", "[ab\\[\\{s]{0,3}", 0..3),
        other in prop::collection::btree_map("[ab]{0,2}", "[ab\\[\\{s]{0,3}", 0..3),
        nested in any::<bool>(),
    ) {
        let name = |text: &str| Name::new(text).unwrap();
        let key = |members: &std::collections::BTreeMap<String, String>| {
            let value = if nested { json!({ "in": [members] }) } else { json!(members) };
            let Value::Object(payload) = value else { unreachable!("it is an object") };
            IdempotencyKey::of_content(&MessageType::new("T").unwrap(), &payload, &name("t"), &name("q"))
        };
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }
}

#[test]
fn every_problem_of_a_configuration_is_named_at_once() {
    let config = MessengerConfig::from_json(
        r#"{
            "default_transport": "nope", "default_queue": "a b", "default_priority": 11, "dedup_window_ms": 0,
            "transports": {"main": {"type": "memory", "priority": 0}, "a.b": {"queue": ""}},
            "routing": {"X": [], "9Mail": "nope", "Twice": ["main", "main"]},
            "retry": {"default": {"base_ms": 1000, "cap_ms": 10, "multiplier": 0.5}}
        }"#,
    )
    .unwrap();
    let error = config.check().unwrap_err();
    assert_eq!(error.code(), MessengerErrorCode::Configuration);
    insta::assert_snapshot!(error.problems().join("\n"));
    assert_eq!(config.problems().len(), error.problems().len());
}

#[test]
fn every_problem_of_a_message_and_its_options_is_named_at_once_and_nothing_of_their_content() {
    let options = json!({
        "transports": ["a b", "main", "main"], "queue": "", "priority": 11, "idempotency_key": "secret".repeat(50),
        "scheduled_at": "2026-01-15T10:20:30Z", "delay_ms": 1, "ttl_ms": 0, "ordering_key": "", "headers": {"x": "a\nb"},
    });
    let options = DispatchOptions::from_value(&options).unwrap();
    let error = plan(&message("Ping"), &options).unwrap_err();
    assert_eq!(error.code(), MessengerErrorCode::MessageValidation);
    insta::assert_snapshot!(error.problems().join("\n"));
    let bad = json!({"type": "9 bad!", "payload": ["secret"], "metadata": "secret", "extra": 1});
    let error = Message::from_value(&bad).unwrap_err();
    insta::assert_snapshot!("message", error.problems().join("\n"));
    assert!(!error.to_string().contains("secret"));
    for wrong in
        [json!({"priority": "secret"}), json!({"priority": 1.5}), json!({"secret_option": 1}), json!(5)]
    {
        let error = DispatchOptions::from_value(&wrong).unwrap_err();
        assert_eq!(error.code(), MessengerErrorCode::MessageValidation);
    }
    assert!(
        !DispatchOptions::from_value(&json!({"priority": "secret"}))
            .unwrap_err()
            .to_string()
            .contains("secret")
    );
}

#[test]
fn an_unknown_transport_is_a_matter_of_the_configuration() {
    let options = DispatchOptions::default().with_transports(["nope"]);
    let error = plan(&message("Ping"), &options).unwrap_err();
    assert_eq!(error.to_string(), "CONFIGURATION_ERROR: 'nope' is no transport: use one of mail, main");
    assert!(config().check().unwrap().explain(&MessageType::new("Ping").unwrap(), &options).is_err());
}

#[test]
fn what_is_configured_can_be_read_by_people() {
    let routing = config().check().unwrap();
    insta::assert_snapshot!("describe", routing.describe());
    let options = DispatchOptions::default().with_priority(9);
    let explained = |name: &str| routing.explain(&MessageType::new(name).unwrap(), &options).unwrap();
    insta::assert_snapshot!("explain", [explained("OrderPlaced"), explained("Ping")].join("\n"));
    assert_eq!(routing.retry_of(&MessageType::new("SendMail").unwrap()).max_retries, 8);
    assert_eq!(routing.retry_of(&MessageType::new("Ping").unwrap()).max_retries, 3);
}

#[test]
fn rates_are_read_and_shown_and_every_bad_one_is_named() {
    let mut config = config();
    let over = json!({"transports": {
        "main": {"type": "memory", "rate_limit": {"events": 50, "burst": 10}},
        "mail": {"type": "memory", "key_rate_limit": {"events": 1, "per_ms": 60_000}, "per_key": 2},
    }});
    config = config.set(&over).unwrap();
    assert_eq!(config.transports["mail"].options.len(), 1, "the rest is for its type");
    let routing = config.check().unwrap();
    insta::assert_snapshot!("rates", routing.describe());
    let limit = RateLimit::per_second(50).with_burst(10);
    assert_eq!(routing.rates_of("main"), Some(Rates { all: Some(limit), per_key: None }));
    assert_eq!(routing.rates_of("nope"), None);
    let again = MessengerConfig::from_json(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);

    let bad = RateLimit { events: 0, per: Duration::ZERO, burst: 0 };
    for transport in config.transports.values_mut() {
        (transport.rate_limit, transport.key_rate_limit) = (Some(bad), Some(bad));
    }
    insta::assert_snapshot!("bad_rates", config.check().unwrap_err().problems().join("\n"));
}

#[test]
fn b12_what_is_set_is_merged_and_what_is_left_out_stays() {
    let over = json!({"routing": {"Ping": ["mail"]}, "default_priority": 3});
    let merged = config().set(&over).unwrap();
    assert_eq!((merged.routing.len(), merged.default_priority, merged.transports.len()), (3, 3, 2));
    assert!(merged.check().is_ok());
    assert!(config().set(&json!({"no_such": 1})).is_err());
    assert_eq!(MessengerConfig::from_json(&serde_json::to_string(&merged).unwrap()).unwrap(), merged);
}

#[test]
fn it_works_without_a_configuration() {
    let routing = MessengerConfig::default().check().unwrap();
    assert_eq!(routing.transports().map(Name::as_str).collect::<Vec<_>>(), ["default", "sync"]);
    assert_eq!(routing.transports_of(&MessageType::new("constructor").unwrap())[0].as_str(), "default");
}

#[test]
fn with_workers_each_transport_needs_one_that_takes_its_queue() {
    let text = r#"
        default_transport = "main"
        transports.main.type = "embedded"
        transports.mail = { type = "embedded", queue = "mail" }
        transports.now.type = "sync"
    "#;
    let problems = |workers: &str| {
        let config = MessengerConfig::from_toml(&format!("{text}\n{workers}")).unwrap();
        config.problems().join("\n")
    };
    assert_eq!(problems(""), "", "workers may be elsewhere");
    assert_eq!(problems("[workers.all]"), "", "it takes from all");
    assert_eq!(problems("workers.a.transports = ['main']\nworkers.b.transports = ['mail']"), "");
    insta::assert_snapshot!(
        problems("[workers.a]\ntransports = ['main', 'nope']\nconcurrency = 0"),
        @r"
    worker 'a': concurrency is 0: use 1 to 100000
    worker 'a': 'nope' is no transport: use one of mail, main, now
    transport 'mail' has no worker: add it to the transports of one, or leave workers out if they are elsewhere
    "
    );
    insta::assert_snapshot!(
        problems("[workers.a]\nqueues = ['default']"),
        @"transport 'mail' puts messages into its queue 'mail', which no worker takes: add it to the queues of one"
    );
    let config = MessengerConfig::from_toml(&format!("{text}\n[workers.all]")).unwrap();
    assert_eq!(config.worker("all").unwrap().transports, ["main", "mail", "now"]);
}
