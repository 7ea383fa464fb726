//! Starting the actors of an engine.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use actix::prelude::*;
use dispatch_core::error::RegistrationError;
use dispatch_core::ids::IdGenerator;
use dispatch_core::route::RouteTable;
use dispatch_core::{Adapter, PublishTo, Sanitizer};
use dispatch_metrics::Recorder;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use tokio::sync::oneshot;

use super::builder::{Blueprint, EngineBuilder, PublisherChoice};
use super::handle::Engine;
use super::loopback::Loopback;
use super::shared::Shared;
use super::stalled::Stalled;
use crate::admission::Admission;
use crate::aggregator::{Aggregator, Publisher};
use crate::clock::ShardClock;
use crate::collector::Collector;
use crate::dispatcher::Pools;
use crate::inbox::inbox;
use crate::router::{Children, Nursery, Ping, Resolver, Router, RouterParts};
use crate::shard::Shard;
use crate::supervision::Guardian;
use crate::system;
use crate::watchdog::{Patience, Pulse, Watchdog, Watched};

/// An engine could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// What was registered is not valid.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The operating system gave no thread to run on.
    #[error("the engine got no thread to run on: {0}")]
    Thread(#[source] std::io::Error),
}

impl StartError {
    /// The problems of the registration, if that is what failed.
    #[must_use]
    pub fn registration(&self) -> Option<&RegistrationError> {
        match self {
            Self::Registration(error) => Some(error),
            Self::Thread(_) => None,
        }
    }
}

pub(super) fn freeze(mut builder: EngineBuilder) -> Result<Engine, StartError> {
    let table = builder.compile(&BTreeMap::new())?;
    let warn = || warn_of_unreached(&builder.config.name, &table);
    match &builder.subscriber {
        Some(subscriber) => tracing::dispatcher::with_default(subscriber, warn),
        None => warn(),
    }
    let entries = std::mem::take(&mut builder.registrations);
    let registrations =
        entries.into_iter().filter_map(|entry| entry.into_registration(&BTreeMap::new())).collect();
    let blueprint = Blueprint { config: std::mem::take(&mut builder.config), table, registrations };
    let thread = format!("dispatch-{}", blueprint.config.name);
    system::start(&thread, move || start(builder, blueprint)).map_err(StartError::Thread)
}

fn warn_of_unreached(engine: &str, table: &RouteTable) {
    for spec in table.unreached() {
        let dispatcher_id = spec.id.as_str();
        tracing::warn!(target: crate::trace::TARGET, engine, dispatcher_id, "no route reaches this dispatcher");
    }
}

/// Starts every actor on the current arbiter. The receiver ends when the engine has stopped.
fn start(mut builder: EngineBuilder, blueprint: Blueprint) -> (Engine, oneshot::Receiver<()>) {
    let Blueprint { config, table, registrations } = blueprint;
    let name: Arc<str> = config.name.as_str().into();
    let seed = config.seed.unwrap_or_else(rand::random);
    // One seed makes all of them.
    let mut seeds = SmallRng::seed_from_u64(seed);
    let admission = Arc::new(Admission::new(config.max_in_flight));
    let down = Arc::new(AtomicUsize::new(0));
    let pulse = Arc::new(Pulse::default());
    let (notices, notice_inbox) = inbox();
    let (settled, settled_inbox) = inbox();

    let router_context = Context::<Router>::new();
    let router_address = router_context.address();
    let publisher: Option<Arc<dyn Adapter>> = match (builder.publisher.take(), config.publish) {
        (Some(PublisherChoice::Adapter(adapter)), _) => Some(adapter),
        (Some(PublisherChoice::Engine), _) | (None, PublishTo::Engine) => {
            Some(Arc::new(Loopback::new(&name, router_address.clone(), Arc::clone(&admission))))
        }
        (None, PublishTo::Nowhere) => None,
    };
    let interceptors = Rc::new(RefCell::new(std::mem::take(&mut builder.interceptors)));
    let observers = Rc::new(RefCell::new(std::mem::take(&mut builder.observers)));
    let watched = !interceptors.borrow().0.is_empty() || !observers.borrow().0.is_empty();
    let wall = builder.wall_clock();
    let shard = Rc::new(Shard {
        engine: Arc::clone(&name),
        clock: ShardClock::new(Arc::clone(&wall)),
        admission: Arc::clone(&admission),
        // Blank patterns have been refused; a table that cannot be built falls back to the built-in one.
        sanitizer: Sanitizer::with_patterns(&config.sensitive_patterns).unwrap_or_default(),
        max_outputs: config.max_outputs,
        blocking_warn: config.blocking_warn,
        blocking_cap: config.blocking_cap,
        recorder: RefCell::new(Recorder::with_topic_limit(Arc::clone(&name), config.max_topic_metrics)),
        notices,
        settled,
        pulse: Arc::clone(&pulse),
        supervised_results: publisher.is_some() || watched,
        keeps_input: publisher.is_some(),
        ids: RefCell::new(IdGenerator::from_seed(seeds.next_u64())),
        timeout: Cell::new(config.timeout),
        subscriber: builder.subscriber.clone(),
    });

    let collector = Collector::new(Rc::clone(&shard), notice_inbox, Rc::clone(&observers)).start();
    let publisher = publisher.map(Publisher::new);
    let aggregator = Aggregator::new(
        Rc::clone(&shard),
        settled_inbox,
        publisher,
        Rc::clone(&interceptors),
        Rc::clone(&observers),
    )
    .start();
    let ping = router_address.clone();
    let watchdog = (!config.stall_warn.is_zero())
        .then(|| {
            Watchdog::start(Watched {
                engine: Arc::clone(&name),
                pulse,
                admission: Arc::clone(&admission),
                ping: Box::new(move || ping.do_send(Ping)),
                warn_after: config.stall_warn,
                patience: Arc::new(Patience::of(config.timeout)),
                subscriber: builder.subscriber.clone(),
            })
        })
        .flatten()
        .map(Arc::new);
    let mut children = Children::new(Nursery {
        shard: Rc::clone(&shard),
        pools: Rc::new(Pools::new(config.blocking_threads, &config.blocking_pools)),
        pool_sizes: config.blocking_pools.clone(),
        collector: collector.clone(),
        restart: config.restart.clone(),
        guardian: Rc::new(Guardian {
            engine: Arc::clone(&name),
            observers: Rc::clone(&observers),
            escalate_to: builder.escalate_to.take(),
            down: RefCell::default(),
            down_count: Arc::clone(&down),
        }),
        watchdog: watchdog.clone(),
    });
    let adopted = children.adopt(registrations, &config);
    let (alive, stopped) = oneshot::channel();
    router_context.run(Router::new(RouterParts {
        resolver: Resolver::new(table, adopted.links, config.topic_cache, Rc::clone(&shard)),
        shard,
        children,
        aggregator,
        seed,
        max_hops: config.max_hops,
        interceptors,
        observers,
        alive,
    }));
    let stalled = Stalled::new(wall, seeds.next_u64());
    let shared = Shared::new(name, router_address, collector, admission, down, watchdog, stalled);
    (Engine::new(shared), stopped)
}
