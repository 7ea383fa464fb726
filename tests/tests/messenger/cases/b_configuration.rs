//! B: configuration and routing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dispatch_actors::messenger::Messenger;
use dispatch_core::messenger::{
    ConfigLayers, DispatchOptions, MessengerConfig, MessengerErrorCode, Name, Profile,
};
use dispatch_tests::support::{Logs, paused};
use serde_json::{Value, json};

use super::code;
use crate::support::{message, messenger, queue};

const WRONG: Option<MessengerErrorCode> = Some(MessengerErrorCode::Configuration);
const PREFIX: &str = "DISPATCH_MESSENGER_";

/// Transports `main`, which is the default one, `email` with a queue and a priority of its own, and `bulk`.
fn routed(over: &Value) -> MessengerConfig {
    let config = json!({
        "default_transport": "main",
        "transports": {
            "main": { "type": "memory" },
            "email": { "type": "memory", "queue": "email", "priority": 7 },
            "bulk": { "type": "memory" },
        },
        "routing": { "EmailMessage": "email", "CampaignMessage": ["bulk", "email"] },
    });
    MessengerConfig::from_json(&config.to_string()).unwrap().set(over).unwrap()
}

fn on_memory(config: MessengerConfig) -> Messenger {
    let names: Vec<_> = config.transports.keys().cloned().collect();
    let builder = Messenger::builder().config(config);
    names.iter().fold(builder, |builder, name| builder.transport(name, queue(name))).build().unwrap()
}

/// Where a type goes: transports, queues and priorities.
fn places(
    config: &MessengerConfig,
    message_type: &str,
    options: &DispatchOptions,
) -> Vec<(String, String, u8)> {
    let places = config.check().unwrap().place(&message_type.parse().unwrap(), options).unwrap();
    let place = |place: dispatch_core::messenger::Placement| {
        (place.transport.to_string(), place.queue.to_string(), place.priority.get())
    };
    places.into_iter().map(place).collect()
}

fn transports(config: &MessengerConfig, message_type: &str, options: &DispatchOptions) -> Vec<String> {
    places(config, message_type, options).into_iter().map(|(transport, ..)| transport).collect()
}

#[test]
fn b1_b2_b3_b6_b10_b11_options_win_over_the_route_and_that_over_the_default() {
    let (config, plain) = (routed(&json!({})), DispatchOptions::default());
    let place = |transport: &str, queue: &str, priority| (transport.to_owned(), queue.to_owned(), priority);
    let main = place("main", "default", 5);
    let email = place("email", "email", 7);
    assert_eq!(places(&config, "Ping", &plain), [main], "B1");
    assert_eq!(places(&config, "EmailMessage", &plain), std::slice::from_ref(&email), "B2, B10, B11");
    let bulk = place("bulk", "default", 5);
    assert_eq!(places(&config, "CampaignMessage", &plain), [bulk, email], "B3");
    let looked_up = config.check().unwrap();
    let looked_up = looked_up.transports_of(&"CampaignMessage".parse().unwrap());
    assert_eq!(looked_up.iter().map(Name::as_str).collect::<Vec<_>>(), ["bulk", "email"], "B3");
    let options = plain.with_transports(["main"]).with_queue("own").with_priority(2);
    assert_eq!(places(&config, "CampaignMessage", &options), [place("main", "own", 2)], "B6, B10, B11");
}

#[test]
fn b5_b14_everything_that_is_wrong_is_told_at_once_before_anything_starts() {
    let wrong = routed(&json!({
        "default_transport": "nope", "default_priority": 0, "routing": { "X": [], "Y": "nowhere" },
    }));
    let error = wrong.check().unwrap_err();
    assert_eq!((error.code(), error.problems().len()), (MessengerErrorCode::Configuration, 4), "{error}");
    for priority in [0, 11] {
        assert_eq!(code(routed(&json!({ "default_priority": priority })).check()), WRONG, "B14: {priority}");
    }
    assert_eq!(code(routed(&json!({ "routing": { "X": [] } })).check()), WRONG, "B5");
}

#[test]
fn b7_an_option_that_names_an_unknown_transport_is_refused_before_anything_is_sent() {
    paused(async {
        let messenger = on_memory(routed(&json!({})));
        let options = DispatchOptions::default().with_transports(["main", "nope"]);
        assert_eq!(code(messenger.dispatch_with(message(1), &options).await), WRONG);
        assert_eq!(messenger.queue("main").unwrap().depth(None).await.unwrap().open(), 0);
    });
}

#[test]
fn b12_b13_b16_what_is_set_is_merged_and_can_be_removed_and_taken_back() {
    paused(async {
        let messenger = on_memory(routed(&json!({})));
        let built = messenger.config();
        messenger
            .set(&json!({ "routing": { "A": "bulk" }, "retry": { "A": { "max_retries": 9 } } }))
            .unwrap();
        messenger.set(&json!({ "routing": { "B": ["email"] } })).unwrap();
        let names = |config: MessengerConfig| config.routing.into_keys().collect::<Vec<_>>();
        assert_eq!(names(messenger.config()), ["A", "B", "CampaignMessage", "EmailMessage"], "B12");
        assert_eq!(messenger.remove_route("A"), Ok(true));
        assert_eq!(messenger.remove_route("A"), Ok(false), "it has none any more");
        assert_eq!(messenger.remove_retry("A"), Ok(true));
        messenger.set(&json!({ "routing": { "B": null, "CampaignMessage": null } })).unwrap();
        assert_eq!(names(messenger.config()), ["EmailMessage"], "B16");
        assert_eq!(messenger.remove_transport("bulk"), Ok(true));
        assert_eq!(messenger.remove_transport("bulk"), Ok(false));
        let gone = DispatchOptions::default().with_transports(["bulk"]);
        assert_eq!(code(messenger.dispatch_with(message(1), &gone).await), WRONG, "B16");
        messenger.reset().unwrap();
        assert_eq!(messenger.config(), built, "B13");
        messenger.dispatch_with(message(1), &gone).await.unwrap();
    });
}

#[test]
fn b13_without_a_configuration_of_its_own_a_messenger_is_reset_to_no_routes() {
    paused(async {
        let messenger = Messenger::builder().transport("default", queue("default")).build().unwrap();
        let routes = json!({ "routing": { "A": "default" }, "retry": { "A": { "max_retries": 1 } } });
        messenger.set(&routes).unwrap();
        messenger.reset().unwrap();
        let config = messenger.config();
        assert!(config.routing.is_empty() && config.retry.is_empty());
        assert_eq!(messenger.retry_of(&"A".parse().unwrap()).max_retries, 3);
    });
}

#[test]
fn b17_what_everything_falls_back_on_cannot_be_removed() {
    paused(async {
        let messenger = on_memory(routed(&json!({ "retry": { "default": { "max_retries": 8 } } })));
        let before = messenger.config();
        assert_eq!(code(messenger.remove_transport("main")), WRONG, "the default transport");
        assert_eq!(code(messenger.remove_transport("email")), WRONG, "a route names it");
        assert_eq!(code(messenger.remove_retry("default")), WRONG, "the default retry");
        assert_eq!(code(messenger.set(&json!({ "retry": { "default": null } }))), WRONG);
        assert_eq!(messenger.config(), before);
    });
}

#[test]
fn b18_whoever_watches_is_told_and_one_that_panics_harms_nobody() {
    paused(async {
        let messenger = messenger();
        let [before, after] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let count = |seen: &Arc<AtomicU64>| {
            let seen = Arc::clone(seen);
            messenger.on_change(move |_, _| {
                seen.fetch_add(1, Ordering::Relaxed);
            })
        };
        let first = count(&before);
        let _broken = messenger.on_change(|_, _| panic!("a callback is broken"));
        let _last = count(&after);
        let logs = Logs::new();
        tracing::subscriber::with_default(logs.clone(), || {
            messenger.update(|config| config.default_priority = 9).unwrap();
        });
        let _ =
            logs.one("a callback that watches the configuration of a messenger panicked; the change stands");
        assert_eq!(messenger.config().default_priority, 9, "the change stands");
        assert!(messenger.update(|config| config.default_priority = 0).is_err());
        messenger.update(|_| ()).unwrap();
        drop(first);
        messenger.update(|config| config.default_priority = 2).unwrap();
        let seen = [before, after].map(|seen| seen.load(Ordering::Relaxed));
        assert_eq!(seen, [1, 2], "refused changes and those that change nothing are not told");
    });
}

fn of_vars(vars: &[(&str, &str)]) -> Result<MessengerConfig, dispatch_core::messenger::MessengerError> {
    let vars = vars.iter().map(|(name, value)| (format!("{PREFIX}{name}"), *value));
    ConfigLayers::new().vars(PREFIX, vars)?.read()
}

#[test]
fn b19_variables_of_the_environment_are_the_configuration_that_is_in_force() {
    let vars = [
        ("DEFAULT_PRIORITY", "9"),
        ("TRANSPORTS", r#"{"default": {"type": "memory"}, "email": {"type": "memory"}}"#),
        ("ROUTING", r#"{"SendMail": ["email", "default"]}"#),
    ];
    paused(async {
        let messenger = on_memory(of_vars(&vars).unwrap());
        let sent = messenger.dispatch(message(1)).await.unwrap();
        let sent: Vec<_> = sent.iter().map(|sent| (sent.transport.as_str(), sent.priority.get())).collect();
        assert_eq!(sent, [("email", 9), ("default", 9)]);
    });
}

#[test]
fn b20_what_is_said_explicitly_wins_over_the_profile() {
    let retry = |vars: &[(&str, &str)]| {
        let policy = of_vars(vars).unwrap().retry.remove("default").unwrap_or_default();
        (policy.max_retries, policy.base.as_millis(), policy.cap.as_secs())
    };
    assert_eq!(retry(&[("PROFILE", "production")]), (5, 1_000, 60));
    assert_eq!(retry(&[("PROFILE", "production"), ("RETRY_MAX_RETRIES", "8")]), (8, 1_000, 60));
    for profile in [Profile::Development, Profile::Test] {
        assert_eq!(retry(&[("PROFILE", profile.as_str())]), (2, 500, 30));
    }
    let file = "profile = 'production'\n[retry.default]\nmax_retries = 8\ncap_ms = 40000";
    let policy = MessengerConfig::from_toml(file).unwrap().retry.remove("default").unwrap();
    assert_eq!((policy.max_retries, policy.cap.as_secs()), (8, 40));
}

#[test]
fn b21_k6_sync_is_switched_off_by_any_flag_that_says_so() {
    for off in ["0", "false", "no", "off", "FALSE", " Off "] {
        let config = of_vars(&[("SYNC", off)]).unwrap();
        assert_eq!(config.transports.keys().collect::<Vec<_>>(), ["default"], "{off}");
        assert!(config.check().is_ok());
    }
    let only = r#"{"default": {"type": "memory"}}"#;
    for on in ["1", "true", "yes", "on", "True"] {
        let config = of_vars(&[("SYNC", on), ("TRANSPORTS", only)]).unwrap();
        assert_eq!(config.transports.keys().collect::<Vec<_>>(), ["default", "sync"], "{on}");
    }
    assert_eq!(of_vars(&[("TRANSPORTS", only)]).unwrap().transports.len(), 1, "nobody has asked for it");
    for neither in ["2", "maybe", "truee"] {
        assert_eq!(code(of_vars(&[("SYNC", neither)])), WRONG, "{neither}");
    }
    let all_off = of_vars(&[("SYNC", "off"), ("DEFAULT_TRANSPORT", "sync")]).unwrap();
    assert_eq!(code(all_off.check()), WRONG, "the default transport is gone");
}

#[test]
fn b22_a_variable_that_cannot_be_read_is_an_error_that_names_it() {
    for malformed in ["{", "{\"A\": }", "[]", "\"main\"", "{\"A\": 5}"] {
        let error = of_vars(&[("ROUTING", malformed)]).unwrap_err();
        assert_eq!(error.code(), MessengerErrorCode::Configuration);
        let text = format!("variable {PREFIX}ROUTING: ");
        assert!(error.problems()[0].starts_with(&text), "{error}");
    }
}

#[test]
fn b23_b24_priorities_choose_the_transport_of_types_without_a_route() {
    let tiers = json!({ "priority_tiers": { "low": 3, "high": 7, "low_transport": "bulk", "high_transport": "email" } });
    let config = routed(&tiers);
    let at = |priority: i64| DispatchOptions::default().with_priority(priority);
    for (priorities, wanted) in [([1, 3], "bulk"), ([4, 6], "main"), ([7, 10], "email")] {
        for priority in priorities {
            assert_eq!(transports(&config, "Ping", &at(priority)), [wanted], "B23: {priority}");
        }
    }
    assert_eq!(
        transports(&config, "Ping", &DispatchOptions::default()),
        ["main"],
        "the default priority is 5"
    );
    let low = config.set(&json!({ "default_priority": 2 })).unwrap();
    assert_eq!(transports(&low, "Ping", &DispatchOptions::default()), ["bulk"]);
    assert_eq!(transports(&config, "CampaignMessage", &at(1)), ["bulk", "email"], "B24: the route, whole");
    assert_eq!(transports(&config, "Ping", &at(1).with_transports(["email"])), ["email"], "options win");
}

#[test]
fn b25_a_high_threshold_is_above_the_low_one() {
    for (low, high) in [(5, 5), (7, 3)] {
        let tiers = json!({ "priority_tiers": { "low": low, "high": high, "low_transport": "bulk" } });
        assert_eq!(code(routed(&tiers).check()), WRONG, "{low}, {high}");
    }
}
