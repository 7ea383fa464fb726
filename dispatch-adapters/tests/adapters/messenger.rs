//! A messenger as an adapter.

use std::sync::Arc;

use async_trait::async_trait;
use dispatch_adapters::bus::{Bus, MemoryLog};
use dispatch_adapters::config::AdapterRegistry;
use dispatch_adapters::messenger::{
    DispatchOptions, Filter, MemoryQueue, Messenger, Page, QueueLimits, WorkerConfig,
};
use dispatch_adapters::model::delivery::HealthStatus;
use dispatch_adapters::model::delivery::conformance::{Arrival, Destination, Features, Suite};
use dispatch_adapters::model::{
    Adapter, Category, DeliveryError, DeliveryErrorKind, Envelope, Payload, Route,
};
use dispatch_adapters::{DeadLetters, Delivery, on_command, testing};
use serde_json::json;

use crate::support::{envelope, topic, unwritable};

/// A messenger with two transports in memory.
fn messenger() -> Messenger {
    let builder = Messenger::builder().transport("default", MemoryQueue::new("default"));
    builder.transport("dead", MemoryQueue::new("dead")).build().unwrap()
}

/// The envelopes that handlers of a transport will get, in the order of dispatch.
async fn stored(messenger: &Messenger, transport: &str) -> Vec<Envelope> {
    let all = messenger.list(transport, &Filter::all(), Page::first(10_000)).await.unwrap();
    all.iter().map(|stored| stored.message().unwrap().to_envelope()).collect()
}

struct Transport(Messenger);

#[async_trait]
impl Destination for Transport {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        stored(&self.0, "default").await.iter().map(Arrival::from).collect()
    }
}

#[tokio::test]
async fn messenger_passes() {
    let messenger = messenger();
    let adapter = messenger.adapter();
    let features = Features {
        acknowledges: true,
        per_item_results: true,
        idempotent: true,
        ids: true,
        headers: true,
        bodies: true,
        receipt_ids: true,
        ..Features::default()
    };
    let suite = Suite::new(Arc::new(adapter.clone()))
        .with_features(features)
        .with_poison(Envelope::empty("no type of messages"))
        .with_shown(format!("{adapter:?}"))
        .with_destination(Arc::new(Transport(messenger)));
    let report = suite.run().await;
    report.assert();
    assert_eq!(report.name(), "messenger:messenger");
}

#[tokio::test]
async fn what_is_sent_is_the_same_message_unless_keys_are_left_out() {
    let messenger = messenger();
    let order = envelope("OrderPlaced");
    let first = messenger.adapter().deliver(&order).await.unwrap();
    assert_eq!(messenger.adapter().deliver(&order).await.unwrap(), first);
    assert_eq!(stored(&messenger, "default").await.len(), 1);
    let again = messenger.adapter().without_keys().deliver(&order).await.unwrap();
    assert_ne!(again, first);
    let both = stored(&messenger, "default").await;
    assert_eq!(both.iter().map(Envelope::id).collect::<Vec<_>>(), [order.id(); 2]);
}

#[tokio::test]
async fn the_options_say_where_it_goes_and_what_is_wrong_is_said_before() {
    let messenger = messenger();
    let adapter = messenger.adapter().with_options(DispatchOptions::default().with_priority(9)).to("dead");
    assert_eq!((adapter.name(), adapter.validate()), ("messenger:messenger:dead", Ok(())));
    adapter.deliver(&envelope("OrderPlaced").with_key("ann")).await.unwrap();
    let dead = messenger.list("dead", &Filter::all(), Page::first(10)).await.unwrap();
    let message = dead[0].message().unwrap();
    assert_eq!((message.priority.get(), message.ordering_key.as_deref()), (9, Some("ann")));
    assert_eq!(stored(&messenger, "default").await.len(), 0);
    let wrong = messenger.adapter().to("nowhere").validate().unwrap_err();
    assert!(wrong[0].message().contains("'nowhere' is no transport: use one of dead, default"), "{wrong:?}");
}

#[tokio::test]
async fn an_error_says_whether_trying_again_helps() {
    let limits = QueueLimits { max_messages: 1, ..QueueLimits::default() };
    let queue = MemoryQueue::new("default").with_limits(limits);
    let messenger = Messenger::builder().transport("default", queue).build().unwrap();
    let adapter = messenger.adapter();
    assert_eq!(adapter.health().await.status, HealthStatus::Healthy);
    let answers =
        adapter.deliver_batch(&[unwritable(), envelope("A"), envelope("not one"), envelope("B")]).await;
    let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(DeliveryError::kind)).collect();
    let (permanent, retry) = (Some(DeliveryErrorKind::Permanent), Some(DeliveryErrorKind::Retry));
    assert_eq!(kinds, [permanent, None, permanent, retry], "there is room for one");
    messenger.close().await.unwrap();
    assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);
}

#[tokio::test]
async fn a_configuration_leads_to_it() {
    let messenger = messenger();
    let registry = AdapterRegistry::with_built_in();
    let text =
        "[[targets]]\ntype = 'messenger'\ntransports = ['dead']\nmessage_queue = 'letters'\nkeys = false";
    let refused = registry.read_toml(text).unwrap_err().to_string();
    assert!(refused.contains("hand the messenger in with AdapterRegistry::with_messenger()"), "{refused}");
    let registry = registry.with_messenger(&messenger);
    let targets = registry.read_toml(text).unwrap();
    let order = envelope("OrderPlaced");
    for _ in 0..2 {
        targets[0].adapter.deliver(&order).await.unwrap();
    }
    let all = messenger.list("dead", &Filter::all(), Page::first(10)).await.unwrap();
    assert_eq!(all.iter().map(|stored| stored.queue.as_str()).collect::<Vec<_>>(), ["letters"; 2]);

    for (option, said) in [
        ("messenger = 'other'", "messenger: there is none of this name: use one of messenger"),
        ("transports = ['far']", "'far' is no transport: use one of dead, default"),
        ("priority = 11", "priority is 11: use 1 to 10"),
        ("prioritty = 1", "option 'prioritty' is unknown: did you mean 'priority'?"),
    ] {
        let refused = registry.read_toml(&format!("[[targets]]\ntype = 'messenger'\n{option}")).unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
}

/// Outputs of an engine, a subscription of a bus, and a transport in between.
#[test]
fn a_subscription_and_an_engine_send_through_a_transport() {
    testing::run(async {
        let messenger = messenger();
        let bus = Bus::builder(MemoryLog::new()).start().unwrap();
        let subscription = bus.reliable_exclusive("out", "shop.order.events").open().await.unwrap();
        subscription.consumer("one").deliver_to(messenger.adapter()).await.unwrap();
        let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
        let handler = on_command("handle").run(move |envelope: Envelope| {
            let seen = seen.clone();
            async move { seen.send(envelope).map_err(|_| std::fmt::Error) }
        });
        let engine = testing::builder()
            .dispatcher(handler)
            .route(Route::new("all", "messenger.**", Category::Command, "handle"))
            .freeze()
            .unwrap();
        let _worker = messenger.work(&engine, WorkerConfig::default()).unwrap();
        let order = envelope("OrderPlaced").with_category(Category::Event).with_hops(2);
        bus.publish("shop.order.events", order.clone()).await.unwrap();
        let came = arrived.recv().await.unwrap();
        assert_eq!((came.id(), came.hops(), came.message_type_str()), (order.id(), 2, "OrderPlaced"));
        assert_eq!(came.headers().get("x-message-topic"), Some("shop.order.events"));
        assert_eq!(
            came.topic().map(ToString::to_string).as_deref(),
            Some("messenger.default.commands.OrderPlaced")
        );

        let outputs = testing::builder()
            .dispatcher(dispatch_adapters::on_event("ship").run(|_: Envelope| async {
                [Envelope::json("Ship", json!({ "id": 7 })).with_topic(&topic("shop.ship.commands"))]
            }))
            .route(Route::new("ship", "shop.**", Category::Event, "ship"))
            .publish_to(messenger.adapter())
            .freeze()
            .unwrap();
        let result = outputs.dispatch("shop.order.events", order).await.unwrap();
        assert!(!result.is_error(), "{result:?}");
        assert_eq!(arrived.recv().await.unwrap().message_type_str(), "Ship");
    });
}

/// What `DeadLetters` keeps goes into a transport, beside what is told by a messenger.
#[tokio::test(start_paused = true)]
async fn dead_letters_of_deliveries_go_into_a_transport() {
    let messenger = messenger();
    let letters = DeadLetters::to([messenger.adapter().to("dead")]).unwrap();
    struct Broken;
    #[async_trait]
    impl Adapter for Broken {
        fn name(&self) -> &str {
            "broken"
        }
        async fn deliver(
            &self,
            _: &Envelope,
        ) -> Result<dispatch_adapters::model::Receipt, dispatch_adapters::model::DeliveryError> {
            Err(dispatch_adapters::model::DeliveryError::permanent("no"))
        }
    }
    let delivery = Delivery::to(Broken).dead_letters(&letters).start().unwrap();
    let order = Envelope::new(Payload::bytes(vec![0, 255], "image/png")).with_message_type("Picture");
    assert!(delivery.deliver(&order).await.is_err());
    assert!(letters.close(std::time::Duration::from_secs(5)).await.is_complete());
    let dead = stored(&messenger, "dead").await;
    let letter = dispatch_adapters::model::DeadLetter::from_envelope(&dead[0]).unwrap();
    assert_eq!((letter.envelope.id(), dead[0].message_type_str()), (order.id(), "DeadLetter"));
    assert_eq!(letter.envelope.raw_payload().to_bytes().unwrap(), order.raw_payload().to_bytes().unwrap());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_one_target() {
    let messenger = messenger();
    let letters = DeadLetters::to([messenger.adapter().to("dead")]).unwrap();
    let refused = letters.deliver(&envelope("OrderPlaced")).await.unwrap_err();
    assert_eq!(refused.kind(), DeliveryErrorKind::Permanent, "it is no dead letter");
    let origin = dispatch_adapters::model::DeadLetterOrigin::Dispatcher { dispatcher: "mail".into() };
    let letter = dispatch_adapters::model::DeadLetter::of_failure(
        dispatch_adapters::model::uuid::Uuid::from_u128(7),
        envelope("OrderPlaced"),
        origin,
        &dispatch_adapters::model::DeliveryError::permanent("no"),
        std::time::SystemTime::UNIX_EPOCH,
    );
    assert!(letters.deliver(&letter.to_envelope()).await.unwrap().queued);
    assert!(letters.close(std::time::Duration::from_secs(5)).await.is_complete());
    assert_eq!(stored(&messenger, "dead").await[0].id(), letter.id);
    assert!(letters.deliver(&letter.to_envelope()).await.is_err(), "they are closed");
}
