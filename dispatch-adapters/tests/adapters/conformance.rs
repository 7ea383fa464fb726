use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use async_trait::async_trait;
use dispatch_adapters::actor::{ActorAdapter, ActorOptions};
use dispatch_adapters::config::{AdapterRegistry, Fields};
use dispatch_adapters::console::{ConsoleAdapter, ConsoleFormat, ConsoleOptions};
use dispatch_adapters::file::{FileAdapter, FileOptions, FlushPolicy, Rotation};
use dispatch_adapters::logger::{LoggerAdapter, LoggerOptions};
use dispatch_adapters::model::delivery::conformance::{Arrival, Destination, Features, Suite};
use dispatch_adapters::model::policy::{BatchPolicy, BreakerConfig, RateLimit, RetryPolicy};
use dispatch_adapters::model::{
    Adapter, Category, DeliveryError, Envelope, ErrorCode, Problem, Receipt, Route, TopicPattern,
};
use dispatch_adapters::named::{NamedAdapter, NamedAdapters, NamedOptions};
use dispatch_adapters::pubsub::{PubSub, PubSubAdapter, PubSubOptions, Subscription};
use dispatch_adapters::{Delivery, NoopAdapter, Target, Targets, on_event, testing};

use crate::actor::Keeper;
use crate::support::{Memory, Paper, arrivals, topic, unwritable};

/// What an adapter that writes whole envelopes promises.
const WHOLE: Features = Features {
    ordering: true,
    acknowledges: true,
    per_item_results: true,
    idempotent: false,
    ids: true,
    headers: true,
    bodies: true,
    receipt_ids: false,
    max_size: None,
    max_size_margin: 0,
    not_proven: &[],
};

struct Counter(NoopAdapter);

#[async_trait]
impl Destination for Counter {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        (0..self.0.count()).map(|_| Arrival::unknown()).collect()
    }
}

#[tokio::test]
async fn noop_passes() {
    let noop = NoopAdapter::new();
    let suite = Suite::new(Arc::new(noop.clone()))
        .with_features(Features { ordering: true, acknowledges: true, ..Features::default() })
        .with_shown(format!("{noop:?}"))
        .with_destination(Arc::new(Counter(noop)));
    suite.run().await.assert();
}

#[tokio::test]
async fn console_passes() {
    let paper = Paper::default();
    let console = ConsoleAdapter::to(paper.clone(), ConsoleOptions::default());
    let suite = Suite::new(Arc::new(console))
        .with_features(WHOLE)
        .with_destination(Arc::new(paper))
        .with_poison(unwritable());
    suite.run().await.assert();
    for format in [ConsoleFormat::Compact, ConsoleFormat::Pretty] {
        let console = ConsoleAdapter::to(Paper::default(), ConsoleOptions { format, ..Default::default() });
        Suite::new(Arc::new(console)).run().await.assert();
    }
}

struct OnDisk(std::path::PathBuf);

#[async_trait]
impl Destination for OnDisk {
    /// The file and its predecessors, the oldest first.
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let mut text = String::new();
        for place in (1..=1000).rev() {
            let old = format!("{}.{place}", self.0.display());
            text += &std::fs::read_to_string(old).unwrap_or_default();
        }
        text += &std::fs::read_to_string(&self.0).unwrap_or_default();
        arrivals(&text)
    }
}

#[tokio::test]
async fn file_passes() {
    let rotation = Rotation { max_bytes: 16 << 10, keep: 1000 };
    for (flush, rotate) in
        [(FlushPolicy::Os, None), (FlushPolicy::Disk, None), (FlushPolicy::Os, Some(rotation))]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let file = FileAdapter::new(FileOptions { flush, rotate, ..FileOptions::at(&path) });
        let suite = Suite::new(Arc::new(file))
            .with_features(WHOLE)
            .with_destination(Arc::new(OnDisk(path)))
            .with_poison(unwritable());
        suite.run().await.assert();
    }
}

struct LogOfIds(Paper);

#[async_trait]
impl Destination for LogOfIds {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let text = self.0.text();
        let ids = text.lines().filter_map(|line| line.split_once("id is ")?.1.get(..36)?.parse().ok());
        ids.map(Arrival::with_id).collect()
    }
}

#[tokio::test]
async fn logger_passes() {
    let paper = Paper::default();
    let writer = paper.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let options = LoggerOptions {
        template: "id is $id, $type from $source".into(),
        metadata: vec!["conformance".into()],
        include_data: true,
        ..LoggerOptions::default()
    };
    let suite = Suite::new(Arc::new(LoggerAdapter::new(options)))
        .with_features(Features { ordering: true, acknowledges: true, ids: true, ..Features::default() })
        .with_destination(Arc::new(LogOfIds(paper)));
    suite.run().await.assert();
}

struct Heard(Mutex<(Subscription, Vec<Arrival>)>);

#[async_trait]
impl Destination for Heard {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let (subscription, heard) = &mut *self.0.lock().unwrap();
        heard.extend(std::iter::from_fn(|| subscription.try_recv()).map(|envelope| Arrival::from(&envelope)));
        heard.clone()
    }
}

#[tokio::test]
async fn pubsub_passes_alone_and_through_a_bus() {
    let pubsub = PubSub::default();
    let subscription = pubsub.subscribe(TopicPattern::new("shop.**").unwrap(), 10_000);
    let adapter = PubSubAdapter::new(pubsub, PubSubOptions::on(topic("shop.order.events")));
    let suite = Suite::new(Arc::new(adapter.clone()))
        .with_features(WHOLE)
        .with_destination(Arc::new(Heard(Mutex::new((subscription, Vec::new())))))
        .with_shown(format!("{adapter:?}"));
    suite.run().await.assert();

    let bus = Memory::default();
    let suite = Suite::new(Arc::new(adapter.with_bus(Arc::new(bus.clone()))))
        .with_features(Features { receipt_ids: true, ..WHOLE })
        .with_destination(Arc::new(bus));
    suite.run().await.assert();
}

#[tokio::test]
async fn named_passes() {
    let (names, memory) = (NamedAdapters::new(), Memory::default());
    names.register("memory", memory.clone());
    let suite = Suite::new(Arc::new(NamedAdapter::new(NamedOptions::to("memory"), names)))
        .with_features(Features { receipt_ids: true, ..WHOLE })
        .with_destination(Arc::new(memory));
    suite.run().await.assert();
}

#[test]
fn actor_passes_waiting_and_firing() {
    for async_ in [false, true] {
        testing::run(async {
            let memory = Memory::default();
            let keeper = Keeper::new(memory.clone()).start();
            let adapter =
                ActorAdapter::new(keeper.recipient(), ActorOptions { async_, ..ActorOptions::default() });
            let suite = Suite::new(Arc::new(adapter.clone()))
                .with_features(Features { acknowledges: !async_, ..WHOLE })
                .with_shown(format!("{adapter:?}"))
                .with_poison(Envelope::empty("NoTopic"))
                .with_destination(Arc::new(memory));
            suite.run().await.assert();
        });
    }
}

#[test]
fn the_adapter_of_an_engine_passes() {
    testing::run(async {
        let memory = Memory::default();
        let kept = memory.clone();
        let keep = move |envelope: Envelope| {
            kept.push(&envelope);
            std::future::ready(())
        };
        let engine = testing::builder()
            .dispatcher(on_event("keep").run(keep))
            .route(Route::new("all", "**", Category::Event, "keep"))
            .freeze()
            .unwrap();
        let suite = Suite::new(Arc::new(engine.adapter()))
            // Delivered means handed to the dispatchers, who may be busy.
            .with_features(Features { acknowledges: false, receipt_ids: true, ..WHOLE })
            .with_poison(Envelope::empty("NoTopic"))
            .with_destination(Arc::new(memory));
        let report = suite.run().await;
        report.assert();
        assert_eq!(report.name(), "engine:engine");
    });
}

/// An adapter as a user would write one.
struct Sized {
    limit: usize,
    taken: Memory,
}

impl Sized {
    fn read(fields: &mut Fields<'_>, taken: Memory) -> Self {
        Self { limit: fields.or("limit", 4096), taken }
    }
}

#[async_trait]
impl Adapter for Sized {
    fn name(&self) -> &str {
        "sized"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let problem = || vec![Problem::new(ErrorCode::InvalidParameter, "limit is 0: use at least 1")];
        if self.limit == 0 { Err(problem()) } else { Ok(()) }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let (body, _) = envelope
            .raw_payload()
            .to_bytes()
            .map_err(|error| DeliveryError::permanent("the payload cannot be written").with_source(error))?;
        if body.len() > self.limit {
            return Err(DeliveryError::permanent(format!("the payload is over {} bytes", self.limit)));
        }
        self.taken.deliver(envelope).await
    }
}

/// A delivery with every policy that lets everything through, in front of an adapter that refuses what is too large.
fn guarded(taken: &Memory, batch: Option<BatchPolicy>) -> Delivery {
    let mut delivery = Delivery::to(Sized { limit: 8000, taken: taken.clone() })
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig::default())
        .rate_limit(RateLimit::per_second(1_000_000).with_burst(10_000))
        .max_in_flight(100);
    if let Some(batch) = batch {
        delivery = delivery.batch(batch);
    }
    delivery.start().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_delivery_passes_with_its_policies_and_so_do_targets() {
    let small = BatchPolicy { max_size: 3, max_age: Duration::from_millis(5) };
    for batch in [None, Some(small), Some(BatchPolicy::default())] {
        for in_targets in [false, true] {
            let memory = Memory::default();
            let delivery = guarded(&memory, batch);
            let adapter: Arc<dyn Adapter> = if in_targets {
                Arc::new(Targets::new([Target::new("only", delivery)]).unwrap())
            } else {
                Arc::new(delivery)
            };
            let suite = Suite::new(adapter)
                .with_features(Features { max_size: Some(8000), receipt_ids: true, ..WHOLE })
                .with_poison(unwritable())
                .with_destination(Arc::new(memory));
            let report = suite.run().await;
            report.assert();
            assert_eq!(report.skipped(), ["a repeated envelope arrives once"], "{batch:?}");
        }
    }
}

#[tokio::test]
async fn an_adapter_of_the_users_passes_from_its_configuration() {
    let mut registry = AdapterRegistry::with_built_in();
    let memory = Memory::default();
    let kept = memory.clone();
    registry.register("sized", move |fields| Sized::read(fields, kept.clone())).unwrap();
    let targets = registry.read_toml("[[targets]]\ntype = 'sized'\nlimit = 8000").unwrap();
    let suite = Suite::new(Arc::clone(&targets[0].adapter))
        .with_features(Features { max_size: Some(8000), receipt_ids: true, ..WHOLE })
        .with_poison(unwritable())
        .with_destination(Arc::new(memory));
    let report = suite.run().await;
    report.assert();
    assert_eq!(report.skipped(), ["a repeated envelope arrives once"]);
}
