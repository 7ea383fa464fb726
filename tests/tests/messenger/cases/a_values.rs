//! A: names and fields.

use dispatch_core::messenger::{
    DispatchOptions, IdempotencyKey, Message, MessageType, MessengerConfig, MessengerErrorCode, Name,
};
use dispatch_tests::support::paused;
use serde_json::{Value, json};

use super::{code, dispatch_json};
use crate::support::{depth, message, messenger};

const REFUSED: Option<MessengerErrorCode> = Some(MessengerErrorCode::MessageValidation);

#[test]
fn a1_a2_a3_a4_a21_what_is_no_message_is_refused_and_nothing_is_sent() {
    let cases = [
        ("A1", json!({ "type": "", "payload": {} })),
        ("A2", json!({ "type": "Ping" })),
        ("A2", json!({ "type": "Ping", "payload": null })),
        ("A2", json!({ "type": "Ping", "payload": [1] })),
        ("A3", json!({ "type": "Ping", "payload": {}, "extra": 1 })),
        ("A4", json!({ "type": "9 bad!", "payload": {} })),
        ("A21", json!({ "type": "Ping", "payload": {}, "metadata": "text" })),
        ("A21", json!({ "type": "Ping", "payload": {}, "metadata": [1] })),
    ];
    paused(async {
        let messenger = messenger();
        for (id, message) in &cases {
            let answer = dispatch_json(&messenger, message, &json!({})).await;
            assert_eq!(code(answer), REFUSED, "{id}: {message}");
        }
        for metadata in [json!("text"), json!([1])] {
            let options = json!({ "metadata": metadata });
            let answer = dispatch_json(&messenger, &json!({ "type": "Ping", "payload": {} }), &options).await;
            assert_eq!(code(answer), REFUSED, "A21: {options}");
        }
        assert_eq!(depth(&messenger).await.open(), 0);
        let fine = json!({ "type": "Ping", "payload": {}, "metadata": {} });
        dispatch_json(&messenger, &fine, &json!({})).await.unwrap();
    });
}

#[test]
fn a5_types_begin_with_a_letter_and_may_have_dots() {
    for fine in ["EmailMessage", "email_message", "A", "App.Email"] {
        assert!(MessageType::new(fine).is_ok(), "{fine}");
    }
    for wrong in [json!("Email-Message"), json!("9Mail"), json!("_x"), json!(".x"), json!(5), json!("")] {
        assert_eq!(code(Message::from_value(&json!({ "type": wrong, "payload": {} }))), REFUSED, "{wrong}");
    }
    assert!(MessageType::new("a".repeat(256)).is_ok());
    assert!(MessageType::new("a".repeat(257)).is_err());
}

#[test]
fn a6_names_that_mean_something_elsewhere_are_types_without_a_route() {
    paused(async {
        let messenger = messenger();
        for name in ["constructor", "toString", "hasOwnProperty", "default"] {
            let sent = messenger.dispatch(Message::new(name, &json!({})).unwrap()).await.unwrap();
            assert_eq!(sent[0].transport.as_str(), "default", "{name}");
        }
    });
}

#[test]
fn a7_a8_a9_a10_a11_a_priority_is_a_whole_number_from_1_to_10_and_never_moved() {
    paused(async {
        let messenger = messenger();
        for priority in [1, 10] {
            let options = DispatchOptions::default().with_priority(priority);
            let sent = messenger.dispatch_with(message(1), &options).await.unwrap();
            assert_eq!(i64::from(sent[0].priority.get()), priority, "A7");
        }
        let wrong = [
            ("A8", vec![json!(0), json!(11), json!(-1), json!(10.4), json!(1e300), json!(i64::MIN)]),
            ("A9", vec![json!(1.4), json!(1.5), json!(5.0), json!(9.6)]),
            // JSON has no NaN: what writes one writes null.
            ("A10", vec![json!(f64::NAN)]),
            ("A11", vec![json!("5"), json!(null), json!(true)]),
        ];
        for (id, values) in wrong {
            for value in values {
                let options = json!({ "priority": value });
                let answer =
                    dispatch_json(&messenger, &json!({ "type": "Ping", "payload": {} }), &options).await;
                assert_eq!(code(answer), REFUSED, "{id}: {value}");
            }
        }
        assert_eq!(depth(&messenger).await.ready, 2, "nothing else was sent");
    });
}

#[test]
fn a12_names_of_queues_and_transports() {
    for fine in ["default", "high-priority", "A_1", &"q".repeat(128)] {
        assert!(Name::new(fine).is_ok(), "{fine}");
    }
    for wrong in ["a b", "a.b", "", "ä", &"q".repeat(129)] {
        assert_eq!(code(Name::new(wrong)), REFUSED, "{wrong}");
        let config = json!({ "default_transport": wrong, "transports": { wrong: { "type": "memory" } } });
        let config = MessengerConfig::from_json(&config.to_string()).unwrap();
        assert_eq!(code(config.check()), Some(MessengerErrorCode::Configuration), "{wrong}");
    }
}

#[test]
fn a13_a_queue_that_is_given_and_empty_is_an_error() {
    paused(async {
        let messenger = messenger();
        let sent = messenger.dispatch_with(message(1), &DispatchOptions::default().with_queue("")).await;
        assert_eq!(code(sent), REFUSED);
        let text = "[transports.default]\ntype = 'memory'\nqueue = ''";
        let config = MessengerConfig::from_toml(text).unwrap();
        assert_eq!(code(config.check()), Some(MessengerErrorCode::Configuration));
    });
}

#[test]
fn a14_a15_a16_a17_a18_keys_have_1_to_255_characters_and_are_never_told() {
    paused(async {
        let messenger = messenger();
        let ping = json!({ "type": "Ping", "payload": {} });
        for options in [json!({}), json!({ "idempotency_key": null })] {
            for _ in 0..2 {
                dispatch_json(&messenger, &ping, &options).await.unwrap();
            }
        }
        assert_eq!(depth(&messenger).await.ready, 4, "A14: without a key nothing is a duplicate");
        for key in ["k".to_owned(), "é".repeat(255)] {
            let options = DispatchOptions::default().with_idempotency_key(key);
            messenger.dispatch_with(message(1), &options).await.unwrap();
        }
        for (id, key) in [("A16", "secret".repeat(43)), ("A17, A18", String::new())] {
            let refused = IdempotencyKey::new(&key).unwrap_err();
            assert_eq!(refused.code(), MessengerErrorCode::MessageValidation, "{id}");
            let options = DispatchOptions::default().with_idempotency_key(key);
            let refused = messenger.dispatch_with(message(1), &options).await.unwrap_err();
            assert_eq!(refused.code(), MessengerErrorCode::MessageValidation, "{id}");
            assert!(!refused.to_string().contains("secret"), "{id}: {refused}");
        }
        let answer = dispatch_json(&messenger, &ping, &json!({ "idempotency_key": 5 })).await;
        assert_eq!(code(answer), REFUSED, "A16: what is no text");
    });
}

#[test]
fn a19_a20_a_retry_that_makes_no_sense_is_a_problem_of_the_configuration() {
    let cases: [(&str, Value); 5] = [
        ("A19", json!({ "multiplier": 0.5 })),
        ("A19", json!({ "max_retries": 1.5 })),
        ("A19", json!({ "max_retries": -1 })),
        ("A20", json!({ "base_ms": 1_000, "cap_ms": 0 })),
        ("A20", json!({ "base_ms": 1_000, "cap_ms": 999 })),
    ];
    for (id, policy) in cases {
        let config = MessengerConfig::from_json(&json!({ "retry": { "default": policy } }).to_string());
        let checked = config.and_then(|config| config.check());
        assert_eq!(code(checked), Some(MessengerErrorCode::Configuration), "{id}");
    }
}
