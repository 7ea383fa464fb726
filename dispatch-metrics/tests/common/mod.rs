//! What the tests share: facts, and the two ways of recording them.

#![allow(dead_code, reason = "not every test uses everything")]

use std::time::Duration;

use dispatch_core::delivery::{DeliveryErrorKind, DeliveryEvent, DeliveryLabels};
use dispatch_core::log::Offset;
use dispatch_core::policy::{BreakerPhase, RefusedBy};
use dispatch_core::subscription::{Guarantee, SubscriptionType, TopicStatus};
use dispatch_core::{Category, DispatchStatus};
use dispatch_metrics::{
    BusMetrics, DeliveryMetrics, DeliveryRecorder, DispatchMetrics, DispatchRecord, DispatchSample,
    DispatcherEvent, ExecutionOutcome, ExecutionRecord, ExecutionSample, MessengerMetrics, QueueMetrics,
    Recorder, SubscriptionMetrics, WorkerMetrics,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const DISPATCHERS: &[&str] = &["archive", "ledger", "mailer"];
const TOPICS: &[&str] = &["a.events", "b.events", "c.cmd", "d.events", "e.intent", "other"];
const EVENTS: &[DispatcherEvent] = &[
    DispatcherEvent::Restart,
    DispatcherEvent::SlowBlocking,
    DispatcherEvent::LateReply,
    DispatcherEvent::Saturated,
];

/// Something that happens in an engine.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Dispatch(Dispatch),
    Event(&'static str, DispatcherEvent),
    InFlight(&'static str, u64),
    Unpublishable(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) status: DispatchStatus,
    category: Option<Category>,
    category_mismatch: bool,
    topic: &'static str,
    duration: Duration,
    executions: Vec<(&'static str, ExecutionOutcome, Duration, Option<String>)>,
}

impl Dispatch {
    fn found_a_dispatcher(&self) -> bool {
        !matches!(self.status, DispatchStatus::NoDispatcher | DispatchStatus::InvalidMessage)
    }
}

pub(crate) fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..20_000_000_000_u64).prop_map(Duration::from_nanos),
        (0..2_000_u64).prop_map(Duration::from_micros),
        select(vec![0, 1, 5, 10, 10_000, 10_001]).prop_map(Duration::from_millis),
    ]
}

pub(crate) fn dispatches() -> impl Strategy<Value = Dispatch> {
    let execution = (
        select(DISPATCHERS),
        select(&ExecutionOutcome::ALL[..]),
        durations(),
        option::of("[a-z]{1,5}".prop_map(String::from)),
    );
    (
        select(&DispatchStatus::ALL[..]),
        option::of(select(&Category::ALL[..])),
        any::<bool>(),
        select(TOPICS),
        durations(),
        vec(execution, 0..4),
    )
        .prop_map(|(status, category, category_mismatch, topic, duration, executions)| {
            let mut dispatch = Dispatch { status, category, category_mismatch, topic, duration, executions };
            if !dispatch.found_a_dispatcher() {
                dispatch.executions.clear();
            }
            dispatch
        })
}

pub(crate) fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![
        6 => dispatches().prop_map(Fact::Dispatch),
        1 => (select(DISPATCHERS), select(EVENTS)).prop_map(|(id, event)| Fact::Event(id, event)),
        1 => (select(DISPATCHERS), 0..9_u64).prop_map(|(id, count)| Fact::InFlight(id, count)),
        1 => (0..9_u64).prop_map(Fact::Unpublishable),
    ];
    vec(fact, 0..40)
}

/// Records the facts by name.
pub(crate) fn by_name(metrics: &mut DispatchMetrics, facts: &[Fact]) {
    for id in DISPATCHERS {
        metrics.register_dispatcher(id);
    }
    for fact in facts {
        match fact {
            Fact::Dispatch(it) => {
                let executions: Vec<_> = it
                    .executions
                    .iter()
                    .map(|(dispatcher, outcome, duration, error)| ExecutionRecord {
                        topic: Some(it.topic),
                        error: error.as_deref(),
                        ..ExecutionRecord::new(dispatcher, *outcome, *duration)
                    })
                    .collect();
                metrics.record_dispatch(&DispatchRecord {
                    category: it.category,
                    category_mismatch: it.category_mismatch,
                    topic: Some(it.topic),
                    routes_matched: executions.len() as u32,
                    executions: &executions,
                    ..DispatchRecord::new(it.status, it.duration)
                });
            }
            Fact::Event(id, event) => metrics.record_event(id, *event),
            Fact::InFlight(id, count) => metrics.register_dispatcher(id).in_flight = *count,
            Fact::Unpublishable(outputs) => metrics.record_unpublishable(*outputs),
        }
    }
}

/// Records the facts by slot, as an engine does.
pub(crate) fn by_slot(recorder: &mut Recorder, facts: &[Fact]) {
    for id in DISPATCHERS {
        recorder.register_dispatcher(id);
    }
    for fact in facts {
        match fact {
            Fact::Dispatch(it) => {
                let topic = it.found_a_dispatcher().then(|| recorder.register_topic(it.topic));
                for (dispatcher, outcome, duration, error) in &it.executions {
                    let slot = recorder.register_dispatcher(dispatcher);
                    let sample = ExecutionSample { outcome: *outcome, duration: *duration, topic };
                    recorder.record_execution(slot, sample);
                    if let Some(error) = error {
                        recorder.record_error_text(slot, error);
                    }
                }
                recorder.record_dispatch(DispatchSample {
                    status: it.status,
                    category: it.category,
                    category_mismatch: it.category_mismatch,
                    topic,
                    routes_matched: it.executions.len() as u32,
                    duration: it.duration,
                });
            }
            Fact::Event(id, event) => {
                let slot = recorder.register_dispatcher(id);
                recorder.record_event(slot, *event);
            }
            Fact::InFlight(id, count) => {
                let slot = recorder.register_dispatcher(id);
                recorder.set_in_flight(slot, *count);
            }
            Fact::Unpublishable(outputs) => recorder.record_unpublishable(*outputs),
        }
    }
}

/// A small snapshot with something in every field, and a name that needs escaping.
pub(crate) fn filled() -> DispatchMetrics {
    let ms = Duration::from_millis;
    let mut metrics = DispatchMetrics::new("shop \"north\"\\1").with_topic_limit(1);
    let mailer = ExecutionRecord {
        topic: Some("shop.order.events"),
        ..ExecutionRecord::new("mailer", ExecutionOutcome::Success, ms(2))
    };
    let archive = ExecutionRecord {
        topic: Some("shop.order.cmd"),
        error: Some("IoError: disk is full"),
        ..ExecutionRecord::new("archive", ExecutionOutcome::Error, ms(40))
    };
    let panicked = ExecutionRecord { outcome: ExecutionOutcome::Panicked, ..archive };
    let late = ExecutionRecord { outcome: ExecutionOutcome::Timeout, duration: ms(12_000), ..mailer };
    let order = DispatchRecord {
        category: Some(Category::Event),
        topic: Some("shop.order.events"),
        routes_matched: 1,
        executions: &[mailer],
        ..DispatchRecord::new(DispatchStatus::Success, ms(3))
    };
    metrics.record_dispatch(&order);
    metrics.record_dispatch(&DispatchRecord {
        category: Some(Category::Command),
        topic: Some("shop.order.cmd"),
        routes_matched: 3,
        executions: &[archive, panicked, late],
        ..DispatchRecord::new(DispatchStatus::DispatcherError, ms(12_001))
    });
    for status in [
        DispatchStatus::NoDispatcher,
        DispatchStatus::PublishFailed,
        DispatchStatus::Routed,
        DispatchStatus::Skipped,
        DispatchStatus::Timeout,
    ] {
        metrics.record_dispatch(&DispatchRecord { status, routes_matched: 0, executions: &[], ..order });
    }
    metrics.record_dispatch(&DispatchRecord {
        category: Some(Category::Intent),
        category_mismatch: true,
        ..DispatchRecord::new(DispatchStatus::InvalidMessage, Duration::from_micros(4))
    });
    for event in EVENTS {
        metrics.record_event("mailer", *event);
    }
    metrics.record_unpublishable(2);
    metrics.register_dispatcher("mailer").in_flight = 5;
    metrics
}

/// Figures of deliveries with something in every field.
pub(crate) fn filled_deliveries() -> DeliveryMetrics {
    use DeliveryEvent as E;
    let ms = Duration::from_millis;
    let recorder = DeliveryRecorder::with_limit(2);
    let webhook = recorder.meter(&DeliveryLabels::new("webhook", "https://example.com/hook"));
    let letters = recorder.meter(&DeliveryLabels::new("dead_letters", "archive \"north\""));
    let other = recorder.meter(&DeliveryLabels::new("file", "beyond the limit"));
    for _ in 0..8 {
        webhook.record(&E::Started);
    }
    for (failed, latency) in [
        (None, ms(2)),
        (Some(DeliveryErrorKind::Permanent), ms(4)),
        (Some(DeliveryErrorKind::Retry), ms(40)),
        (Some(DeliveryErrorKind::RetryAfter(ms(5))), ms(3)),
        (Some(DeliveryErrorKind::Disabled), ms(6)),
    ] {
        webhook.record(&E::Attempted { failed, latency });
    }
    webhook.record(&E::TimedOut);
    webhook.record(&E::Attempted { failed: Some(DeliveryErrorKind::Retry), latency: ms(5_000) });
    let (closed, open) = (BreakerPhase::Closed, BreakerPhase::Open);
    let kinds = [
        DeliveryErrorKind::Permanent,
        DeliveryErrorKind::Retry,
        DeliveryErrorKind::RetryAfter(ms(1)),
        DeliveryErrorKind::Disabled,
    ];
    let rest = [
        E::Abandoned,
        E::Retrying { retry: 1, delay: ms(1) },
        E::BudgetEmpty { wait: ms(1) },
        E::BreakerChanged { from: closed, to: open },
        E::BreakerChanged { from: open, to: BreakerPhase::HalfOpen },
        E::BreakerChanged { from: BreakerPhase::HalfOpen, to: closed },
        E::BreakerChanged { from: closed, to: open },
        E::Held { remaining: ms(1) },
        E::RateLimited { wait: ms(1) },
        E::Batched { size: 7 },
        E::Batched { size: 3 },
        E::FellBack,
        E::Delivered,
        E::DeadLettered,
    ];
    let refused = RefusedBy::ALL.map(|by| E::Refused { by });
    let failed = kinds.map(|kind| E::Failed { kind });
    rest.iter().chain(&refused).chain(&failed).for_each(|event| webhook.record(event));
    letters.record(&E::DeadLetterStored);
    letters.record(&E::DeadLetterKept);
    other.record(&E::Delivered);
    recorder.snapshot()
}

/// A bus with two subscriptions, no figure of which is that of another.
pub(crate) fn filled_bus() -> BusMetrics {
    let mut billing = SubscriptionMetrics::default();
    let status = |cursor, head| TopicStatus {
        cursor: Offset::new(cursor),
        head: Offset::new(head),
        lag: head - cursor,
    };
    billing.topics.insert("shop.order.events".to_owned(), status(1_000, 1_017));
    billing.topics.insert("shop.refund.events".to_owned(), status(50, 50));
    billing.oldest_unacknowledged = Some(Duration::from_millis(2_500));
    (billing.consumers, billing.paused, billing.window) = (1, true, 64);
    (billing.in_flight, billing.held, billing.aside) = (2, 3, 4);
    (billing.blocked, billing.parked) = (5, 6);
    let own = &mut billing.counters;
    (own.delivered, own.redelivered) = (101, 102);
    (own.acked, own.nacked, own.timed_out, own.stale) = (103, 104, 105, 106);
    (own.exhausted, own.parked, own.dead_lettered, own.dropped) = (107, 108, 109, 110);
    (own.expired, own.unroutable, own.gap) = (111, 112, 113);
    let mut screen = SubscriptionMetrics::default();
    screen.kind = SubscriptionType::Shared;
    screen.guarantee = Guarantee::AtMostOnce;
    screen.topics.insert("shop.order.events".to_owned(), TopicStatus::default());
    (screen.counters.no_consumer, screen.counters.full) = (114, 115);
    (screen.counters.paused, screen.counters.aside_full) = (116, 117);
    let mut metrics = BusMetrics::new("shop \"north\"\\1");
    metrics.subscriptions.insert("billing".to_owned(), billing);
    metrics.subscriptions.insert("screen".to_owned(), screen);
    metrics
}

/// Every figure another one.
pub(crate) fn filled_messenger() -> MessengerMetrics {
    let mut metrics = MessengerMetrics::new("shop");
    let transport = metrics.transports.entry("default".to_owned()).or_default();
    transport.reachable = true;
    let mut mails = QueueMetrics::default();
    (mails.paused, mails.oldest_ready) = (true, Some(Duration::from_millis(2_500)));
    (mails.ready, mails.scheduled, mails.waiting) = (1, 2, 3);
    (mails.leased, mails.failed, mails.done) = (4, 5, 6);
    transport.queues.insert("mails".to_owned(), mails);
    let sends = &mut transport.sends;
    (sends.stored, sends.replaced, sends.duplicates, sends.refused) = (7, 8, 9, 10);
    let work = &mut transport.work;
    (work.expired, work.unreadable, work.lost, work.handed_back) = (11, 12, 13, 14);
    (work.abandoned, work.unwritten, work.dead_lettered, work.untold) = (15, 16, 17, 18);
    let ms = Duration::from_millis;
    work.of_type("SendMail", |own| {
        (0..3).for_each(|_| own.begun(ms(300)));
        own.done(ms(20));
        own.retried(ms(2));
        own.failed(Some(ms(7_000)));
        own.failed(None);
    });
    work.of_type("App.Report", |own| own.begun(ms(0)));
    let mut worker = WorkerMetrics::default();
    worker.id = "4711-a".to_owned();
    (worker.concurrency, worker.running, worker.waiting) = (19, 20, 21);
    (worker.paused, worker.stopping, worker.untold) = (true, true, 22);
    worker.work.insert("default".to_owned(), transport.work.clone());
    metrics.workers.insert("1".to_owned(), worker);
    metrics.transports.entry("far".to_owned()).or_default();
    metrics
}
