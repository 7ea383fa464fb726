//! What can be registered, and what is refused.

use std::collections::BTreeSet;

use actix::Actor;
use async_trait::async_trait;
use dispatch_actors::{Engine, Registration, on_command, on_event};
use dispatch_core::{
    Adapter, Category, Context, DeliveryError, Dispatcher, DispatcherError, DispatcherRegistry, EngineConfig,
    Envelope, ErrorCode, NodeKind, Outputs, Receipt, Route,
};
use dispatch_tests::support::{Act, Puppet, builder, paused};

use crate::{TOPIC, ids, to};

struct Object(&'static str);

#[async_trait]
impl Dispatcher for Object {
    fn id(&self) -> &str {
        self.0
    }

    fn category(&self) -> Category {
        Category::Event
    }

    fn message_types(&self) -> Option<BTreeSet<String>> {
        Some(["Act".to_owned()].into())
    }

    async fn handle(&self, _: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
        Ok(Outputs::none())
    }
}

#[async_trait]
impl Adapter for Object {
    fn name(&self) -> &str {
        self.0
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        Ok(Receipt::taken())
    }
}

async fn function(_: Envelope) {}

async fn function_with_context(_: Envelope<Act>, context: Context) {
    assert_eq!(context.dispatcher_id.as_str(), "context");
}

fn blocking(_: Envelope) -> Option<&'static str> {
    None
}

fn blocking_with_context(_: Envelope<Act>, Context { topic, .. }: Context) {
    assert_eq!(topic.as_str(), TOPIC);
}

#[test]
fn every_form_of_dispatcher_is_equal_once_registered() {
    paused(async {
        let address = Puppet::default().start();
        let forms = [
            on_event("function").run(function),
            on_event("closure").run(|_: Envelope| async { Ok::<_, DispatcherError>(()) }),
            on_event("context").run(function_with_context),
            on_event("blocking").run_blocking(blocking),
            on_event("blocking-context").run_blocking(blocking_with_context),
            on_event("recipient").recipient(address.clone().recipient()),
            on_event("actor").actor(Puppet::default),
            on_event("adapter").deliver_to(Object("adapter")),
            Registration::object(Object("object")),
        ];
        let names = [
            "function",
            "closure",
            "context",
            "blocking",
            "blocking-context",
            "recipient",
            "actor",
            "adapter",
            "object",
        ];
        let engine = forms
            .into_iter()
            .fold(builder(), dispatch_actors::EngineBuilder::dispatcher)
            .routes(names.map(to))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap();
        assert!(result.is_successful(), "{result:?}");
        assert_eq!(ids(&result), names);
        let metrics = engine.metrics().await.unwrap();
        assert!(names.iter().all(|name| metrics.dispatcher(name).unwrap().success_count == 1));
    });
}

#[test]
fn a_registry_registers_its_objects_in_order() {
    paused(async {
        let mut registry = DispatcherRegistry::new();
        for name in ["b", "gone", "a"] {
            registry.register(Object(name)).unwrap();
        }
        assert!(registry.unregister("gone").is_some());
        let engine = builder().registry(&registry).routes([to("b"), to("a")]).freeze().unwrap();
        let result = engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap();
        assert_eq!(ids(&result), ["b", "a"]);
        let other = Act::ok().envelope().with_message_type("Other");
        let result = engine.dispatch(TOPIC, other).await.unwrap();
        assert_eq!(result.error_code(), Some(ErrorCode::ItemNotRegistered));
    });
}

#[test]
fn every_problem_is_reported_at_once_and_nothing_starts() {
    let (dropped, alive) = (std::sync::Arc::new(()), std::sync::Arc::new(()));
    let held = std::sync::Arc::clone(&alive);
    let refused = Engine::builder()
        .configure(|config| config.max_in_flight = 0)
        .dispatcher(on_event("d").run(move |_: Envelope| {
            let _ = &held;
            async {}
        }))
        .dispatcher(on_event("d").run(function))
        .dispatcher(on_event(" ").run(function))
        .dispatcher(on_event("none").types([""; 0]).run(function))
        .dispatcher(on_event("kind").node_kind(NodeKind::Effect).run(function))
        .dispatcher(on_command("host").node_kind(NodeKind::RuntimeHost).run(function))
        .dispatcher(on_event("zero").concurrency(0).timeout(std::time::Duration::ZERO).run(function))
        .dispatcher(on_event("pool").pool("missing").cap(0).run_blocking(blocking))
        .route(to("unknown").disabled())
        .route(Route::new("twice", "a..b", Category::Event, "d").with_priority(1001))
        .route(Route::new("twice", "**", Category::Intent, "d"))
        .route(Route::new("", "**", Category::Event, "d"))
        .freeze()
        .unwrap_err();
    drop(dropped);
    let refused = refused.registration().unwrap();
    let lines: Vec<_> = refused.problems().iter().map(ToString::to_string).collect();
    assert!(lines.is_sorted());
    assert_eq!(
        refused.codes(),
        [
            ErrorCode::DuplicateRegistration,
            ErrorCode::InvalidConfiguration,
            ErrorCode::InvalidParameter,
            ErrorCode::ItemNotRegistered,
            ErrorCode::ValidationFailed,
        ]
    );
    for part in [
        "max_in_flight is 0",
        "dispatcher 'd' is registered twice",
        "the dispatcher id is blank",
        "dispatcher 'none' has an empty set of message types",
        "dispatcher 'kind' of kind effect cannot take event messages",
        "dispatcher 'host' of kind runtime_host cannot take command messages",
        "dispatcher 'zero' has a concurrency of 0",
        "dispatcher 'zero' has a time-out of 0",
        "dispatcher 'pool' names the unknown blocking pool 'missing'",
        "dispatcher 'pool' has a cap of 0",
        "route 'to-unknown' names the unknown dispatcher 'unknown'",
        "segment 2 of the pattern is empty",
        "priority 1001 is out of range",
        "route 'twice' is registered twice",
        "route 'twice' is for intent messages but its dispatcher 'd' takes event messages",
        "the route id is blank",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "'{part}' is missing in {lines:#?}");
    }
    assert_eq!(std::sync::Arc::strong_count(&alive), 1, "the refused dispatcher is dropped");
}

#[test]
fn routes_and_limits_load_from_configuration_beside_dispatchers_from_code() {
    let toml = r#"
        name = "orders"
        timeout_ms = 250
        max_in_flight = 3

        [[routes]]
        route_id = "second"
        topic_pattern = "shop.**"
        message_category = "event"
        dispatcher_id = "b"

        [[routes]]
        route_id = "first"
        topic_pattern = "**"
        message_category = "event"
        dispatcher_id = "a"
        priority = 5
    "#;
    let from_toml = EngineConfig::from_toml(toml).unwrap();
    let json = serde_json::to_string(&from_toml).unwrap();
    for config in [from_toml, EngineConfig::from_json(&json).unwrap()] {
        paused(async {
            let engine = Engine::builder()
                .config(config)
                .dispatcher(on_event("a").run(Act::obey))
                .dispatcher(on_event("b").run(Act::obey))
                .freeze()
                .unwrap();
            assert_eq!(engine.name(), "orders");
            let result = engine.dispatch(TOPIC, Act::Hang.envelope()).await.unwrap();
            assert_eq!(ids(&result), ["a", "b"]);
            assert_eq!(result.route_id().unwrap().as_str(), "first");
            assert_eq!(
                result.error_message(),
                Some("Dispatcher 'a' timed out after 250 ms; Dispatcher 'b' timed out after 250 ms")
            );
        });
    }
}

#[test]
fn unknown_fields_of_configuration_and_routes_are_refused() {
    for text in [
        "max_inflight = 1",
        "[[routes]]\nroute_id = 'r'\ntopic_pattern = '**'\nmessage_category = 'event'\ndispatcher_id = 'd'\nprio = 1",
    ] {
        assert!(EngineConfig::from_toml(text).unwrap_err().to_string().contains("unknown field"), "{text}");
    }
}

#[test]
fn ids_with_control_characters_or_of_great_length_are_refused() {
    let longest = "x".repeat(256);
    let dispatcher = |id: &str| on_event(id).run(function);
    for (id, problem) in [
        ("bell\u{7}", Some("the dispatcher id 'bell\\u{7}' has a control character: leave it out")),
        ("\u{1b}[31mred", Some("the dispatcher id '\\u{1b}[31mred' has a control character: leave it out")),
        (&format!("{longest}y"), Some("is too long: use at most 256 bytes")),
        (&format!("\u{e9}{}", &longest[1..]), Some("is too long: use at most 256 bytes")),
        (&longest, None),
    ] {
        let checked = builder().dispatcher(dispatcher(id)).validate();
        let text = checked.err().map(|error| error.to_string());
        match problem {
            Some(problem) => assert!(text.as_ref().is_some_and(|text| text.contains(problem)), "{text:?}"),
            None => assert_eq!(text, None),
        }
    }
    let route = |id: &str| Route::new(id, "**", Category::Event, "a");
    let table = |id| builder().dispatcher(dispatcher("a")).route(route(id)).validate();
    let error = table("r\u{0}").unwrap_err();
    assert!(
        error.to_string().contains("the route id 'r\\u{0}' has a control character: leave it out"),
        "{error}"
    );
    assert_eq!(error.codes(), [ErrorCode::InvalidParameter]);
    // The specification counts the characters of a route id: 200 of any length.
    assert!(table(&"\u{3042}".repeat(200)).is_ok());
}
