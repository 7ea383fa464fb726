use std::sync::Arc;

use dispatch_adapters::bus::{Bus, MemoryLog};
use dispatch_adapters::config::AdapterRegistry;
use dispatch_adapters::model::{Adapter, DeliveryErrorKind, TopicPattern};
use dispatch_adapters::pubsub::{PubSub, PubSubAdapter, PubSubOptions};
use dispatch_adapters::testing;

use crate::support::{Memory, envelope, topic};

fn pattern(text: &str) -> TopicPattern {
    TopicPattern::new(text).unwrap()
}

#[tokio::test]
async fn everybody_who_subscribed_to_the_topic_hears_it() {
    let pubsub = PubSub::default();
    let mut all = pubsub.subscribe(pattern("**"), 8);
    let mut orders = pubsub.subscribe(pattern("shop.order.*"), 8);
    let mut bank = pubsub.subscribe(pattern("bank.**"), 8);
    let published = pubsub.publish(&envelope("OrderPlaced"));
    assert_eq!((published.reached, published.lost), (2, 0));
    assert!(all.recv().await.is_some() && orders.recv().await.is_some() && bank.try_recv().is_none());
    drop(orders);
    assert_eq!(pubsub.publish(&envelope("OrderPlaced")).reached, 1);
    assert_eq!(pubsub.subscribers(), 2);
}

#[tokio::test]
async fn a_slow_subscriber_loses_and_it_is_counted() {
    let pubsub = PubSub::default();
    let (mut slow, mut quick) = (pubsub.subscribe(pattern("**"), 2), pubsub.subscribe(pattern("**"), 9));
    for number in 0..5 {
        pubsub.publish(&envelope(&format!("E{number}")));
    }
    assert_eq!((slow.lost(), quick.lost()), (3, 0));
    let types = |envelopes: Vec<dispatch_adapters::model::Envelope>| {
        envelopes.iter().map(|envelope| envelope.message_type().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(types(std::iter::from_fn(|| slow.try_recv()).collect()), ["E0", "E1"]);
    assert_eq!(types(std::iter::from_fn(|| quick.try_recv()).collect()), ["E0", "E1", "E2", "E3", "E4"]);
    let counts = pubsub.counts();
    assert_eq!((counts.published, counts.delivered, counts.lost, counts.unheard), (5, 7, 3, 0));
}

#[tokio::test]
async fn what_nobody_hears_is_counted() {
    let pubsub = PubSub::default();
    let adapter = PubSubAdapter::new(pubsub.clone(), PubSubOptions::on(topic("a.b")));
    adapter.deliver(&envelope("A")).await.unwrap();
    assert_eq!(pubsub.counts().unheard, 1);
}

#[tokio::test]
async fn the_bus_takes_it_unless_it_is_to_stay_local() {
    for (local, through_bus) in [(false, 1), (true, 0)] {
        let (pubsub, bus) = (PubSub::default(), Memory::default());
        let options = PubSubOptions { local, ..PubSubOptions::on(topic("a.b")) };
        let adapter = PubSubAdapter::new(pubsub.clone(), options).with_bus(Arc::new(bus.clone()));
        adapter.deliver(&envelope("A")).await.unwrap();
        assert_eq!(bus.envelopes().len(), through_bus);
        assert_eq!(pubsub.counts().published as usize, 1 - through_bus);
        assert!(bus.envelopes().iter().all(|envelope| envelope.topic() == Some(&topic("a.b"))));
    }
}

/// How many records the log of a bus has for a topic.
async fn logged(bus: &Bus) -> u64 {
    bus.log().bounds(&topic("shop.events")).await.unwrap().head.get()
}

#[test]
fn a_real_bus_logs_what_is_not_local_and_its_subscribers_get_it() {
    testing::run(async {
        let (pubsub, bus) = (PubSub::default(), Bus::builder(MemoryLog::new()).start().unwrap());
        let mut here = pubsub.subscribe(pattern("**"), 8);
        let subscription = bus.reliable_exclusive("orders", "shop.events").open().await.unwrap();
        let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
        let consumer = move |delivery: dispatch_adapters::bus::Delivery| {
            let seen = seen.clone();
            async move { seen.send(delivery.message_type().to_string()) }
        };
        subscription.consumer("one").run(consumer).await.unwrap();

        // From code.
        for (local, message_type) in [(false, "Out"), (true, "In")] {
            let options = PubSubOptions { local, ..PubSubOptions::on(topic("shop.events")) };
            let adapter = PubSubAdapter::new(pubsub.clone(), options).with_bus(Arc::new(bus.adapter()));
            adapter.deliver(&envelope(message_type)).await.unwrap();
        }
        assert_eq!(arrived.recv().await.as_deref(), Some("Out"));
        assert_eq!(here.recv().await.unwrap().message_type_str(), "In");
        assert_eq!(logged(&bus).await, 1);

        // From a configuration, whatever was handed in first.
        let first =
            AdapterRegistry::with_built_in().with_pubsub(pubsub.clone()).with_pubsub_bus(bus.adapter());
        let last =
            AdapterRegistry::with_built_in().with_pubsub_bus(bus.adapter()).with_pubsub(pubsub.clone());
        for (number, registry) in [(2, first), (3, last)] {
            let targets = registry
                .read_toml(
                    "[[targets]]\ntype = 'pubsub'\ntopic = 'shop.events'\n\
                     [[targets]]\ntype = 'pubsub'\nname = 'in'\ntopic = 'shop.events'\nlocal = true",
                )
                .unwrap();
            for (target, message_type) in targets.iter().zip(["Out", "In"]) {
                target.adapter.deliver(&envelope(message_type)).await.unwrap();
            }
            assert_eq!(arrived.recv().await.as_deref(), Some("Out"));
            assert_eq!(here.recv().await.unwrap().message_type_str(), "In");
            assert_eq!(logged(&bus).await, number);
        }
        assert!(here.try_recv().is_none(), "what went out is not offered here as well");

        // Without an instance, nothing can be local.
        let alone = AdapterRegistry::with_built_in().with_pubsub_bus(bus.adapter());
        let read = |more: &str| {
            let text = format!("[[targets]]\ntype = 'pubsub'\ntopic = 'shop.events'\n{more}");
            alone.read_toml(&text).map(|_| ()).map_err(|error| error.to_string())
        };
        assert!(read("").is_ok());
        let refused = read("local = true").unwrap_err();
        assert!(refused.contains("hand one in with AdapterRegistry::with_pubsub()"), "{refused}");
    });
}

#[tokio::test]
async fn a_topic_is_required() {
    let adapter = PubSubAdapter::new(PubSub::default(), PubSubOptions::default());
    assert_eq!(adapter.validate().unwrap_err().len(), 1);
    assert_eq!(adapter.deliver(&envelope("A")).await.unwrap_err().kind(), DeliveryErrorKind::Permanent);
}

#[test]
fn subscribers_may_come_and_go_while_others_publish() {
    let pubsub = PubSub::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..200).for_each(|_| drop(pubsub.subscribe(pattern("**"), 1))));
            scope.spawn(|| {
                for _ in 0..200 {
                    pubsub.publish(&envelope("A"));
                }
            });
        }
    });
    assert_eq!(pubsub.subscribers(), 0);
    assert_eq!(pubsub.counts().published, 400);
}
