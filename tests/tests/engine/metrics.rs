//! What is counted is what callers saw.

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_actors::{Engine, Interceptor, Verdict, on_command, on_event};
use dispatch_core::{Category, DispatchResult, DispatchStatus, Envelope, Route};
use dispatch_metrics::DispatchMetrics;
use dispatch_tests::support::{Act, Puppet, builder, cases, empty, paused};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::{TOPIC, to};

/// Skips or rejects what asks for it.
struct Bouncer;

impl Interceptor for Bouncer {
    fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        match envelope.headers().get("door") {
            Some("skip") => Verdict::Skip("full".into()),
            Some("reject") => Verdict::Reject("no shoes".into()),
            _ => Verdict::Continue,
        }
    }
}

/// One call of a random script.
#[derive(Debug, Clone)]
struct Call {
    topic: &'static str,
    act: Act,
    door: Option<&'static str>,
    category: Option<Category>,
    pause: u64,
}

fn call() -> impl Strategy<Value = Call> {
    let topic = prop_oneof![
        4 => Just(TOPIC),
        2 => Just("shop.order.commands"),
        1 => Just("shop.intents"),
        1 => Just("shop.nothing"),
        1 => Just("shop..events"),
    ];
    let act = prop_oneof![
        4 => Just(Act::Return(vec!["o.ut".into()])),
        2 => Just(Act::Fail("x".into())),
        1 => Just(Act::Panic("x".into())),
        1 => Just(Act::Hang),
        1 => Just(Act::Stop),
        2 => (1u64..150).prop_map(|ms| Act::ok().after(ms)),
        1 => Just(Act::Return(vec!["nodot".into()])),
    ];
    let door = prop_oneof![8 => Just(None), 1 => Just(Some("skip")), 1 => Just(Some("reject"))];
    let category =
        prop_oneof![8 => Just(None), 1 => Just(Some(Category::Event)), 1 => Just(Some(Category::Command))];
    (topic, act, door, category, 0u64..30).prop_map(|(topic, act, door, category, pause)| Call {
        topic,
        act,
        door,
        category,
        pause,
    })
}

fn engine(watched: bool) -> Engine {
    let builder = builder()
        .configure(|config| config.timeout = Duration::from_millis(100))
        .dispatcher(on_event("a").run(Act::obey))
        .dispatcher(on_event("b").run(|_: Envelope| async { "b.ok" }))
        .dispatcher(on_event("actor").actor(Puppet::default))
        .dispatcher(on_command("c").concurrency(1).run(Act::obey))
        .routes(["a", "b", "actor"].map(|id| Route::new(id, "shop.order.**", Category::Event, id)))
        .route(Route::new("c", "**", Category::Command, "c"));
    if watched { builder.interceptor(Bouncer) } else { builder }.freeze().unwrap()
}

/// Counts results the way the specification says metrics count.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    statuses: BTreeMap<&'static str, u64>,
    categories: BTreeMap<&'static str, u64>,
    /// Executions, successes, errors and time-outs of each dispatcher.
    dispatchers: BTreeMap<String, [u64; 4]>,
    mismatches: u64,
    durations: Duration,
}

impl Seen {
    fn add(&mut self, result: &DispatchResult) {
        *self.statuses.entry(result.status().as_str()).or_default() += 1;
        if let (Some(category), false) =
            (result.message_category(), result.status() == DispatchStatus::InvalidMessage)
        {
            *self.categories.entry(category.as_str()).or_default() += 1;
        }
        self.mismatches +=
            u64::from(result.error_message().is_some_and(|text| text.starts_with("Envelope category")));
        self.durations += result.duration();
        for outcome in result.outcomes() {
            let counts = self.dispatchers.entry(outcome.dispatcher_id().to_string()).or_default();
            counts[0] += 1;
            counts[match outcome.status() {
                DispatchStatus::Success => 1,
                DispatchStatus::Timeout => 3,
                _ => 2,
            }] += 1;
        }
    }

    fn of(metrics: &DispatchMetrics) -> Self {
        let not_zero = |(name, count): (&'static str, u64)| (count > 0).then_some((name, count));
        Self {
            statuses: DispatchStatus::ALL
                .into_iter()
                .filter_map(|status| not_zero((status.as_str(), metrics.status_metrics.get(status))))
                .collect(),
            categories: Category::ALL
                .into_iter()
                .filter_map(|category| not_zero((category.as_str(), metrics.category_metrics.get(category))))
                .collect(),
            dispatchers: metrics
                .dispatcher_metrics
                .iter()
                .filter(|(_, own)| own.execution_count > 0)
                .map(|(id, own)| {
                    (
                        id.to_string(),
                        [own.execution_count, own.success_count, own.error_count, own.timeout_count],
                    )
                })
                .collect(),
            mismatches: metrics.category_mismatch_count,
            durations: metrics.latency.average() * u32::try_from(metrics.latency.count()).unwrap(),
        }
    }
}

fn check_sums(metrics: &DispatchMetrics) {
    let sum = |count: fn(&dispatch_metrics::DispatcherMetrics) -> u64| {
        metrics.dispatcher_metrics.values().map(count).sum::<u64>()
    };
    assert_eq!(metrics.dispatcher_execution_count, sum(|own| own.execution_count));
    assert_eq!(metrics.dispatcher_error_count, sum(|own| own.error_count));
    assert_eq!(metrics.timeout_count, sum(|own| own.timeout_count));
    assert_eq!(
        metrics.routes_matched_count, metrics.dispatcher_execution_count,
        "each chosen dispatcher is executed once"
    );
    let statuses = DispatchStatus::ALL.into_iter();
    assert_eq!(
        metrics.total_dispatches,
        statuses.clone().map(|status| metrics.status_metrics.get(status)).sum::<u64>()
    );
    let errors = statuses
        .filter(|status| status.is_error())
        .map(|status| metrics.status_metrics.get(status))
        .sum::<u64>();
    assert_eq!(metrics.failed_dispatches, errors);
    assert_eq!(metrics.successful_dispatches, metrics.status_metrics.success);
    assert_eq!(metrics.no_dispatcher_count, metrics.status_metrics.no_dispatcher);
    assert_eq!(metrics.latency.count(), metrics.total_dispatches);
    for own in metrics.dispatcher_metrics.values() {
        assert_eq!(own.execution_count, own.success_count + own.error_count + own.timeout_count);
        assert_eq!((own.latency.count(), own.in_flight), (own.execution_count, 0));
    }
    let by_topic: u64 = metrics.topic_metrics.values().map(|topic| topic.dispatches).sum();
    assert_eq!(
        by_topic,
        metrics.total_dispatches
            - metrics.no_dispatcher_count
            - metrics.status_metrics.invalid_message
            - metrics.skipped_count
    );
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn metrics_add_up_exactly_with_what_callers_saw(script in vec(call(), 1..60), watched: bool) {
        paused(async {
            let engine = engine(watched);
            let mut calls = Vec::new();
            for call in script {
                tokio::time::sleep(Duration::from_millis(call.pause)).await;
                let mut envelope = call.act.envelope();
                if let Some(door) = call.door {
                    envelope = envelope.with_header("door", door);
                }
                if let Some(category) = call.category {
                    envelope = envelope.with_category(category);
                }
                let engine = engine.clone();
                calls.push(actix::spawn(async move { engine.dispatch(call.topic, envelope).await }));
            }
            let mut seen = Seen::default();
            for call in calls {
                if let Ok(result) = call.await.unwrap() {
                    seen.add(&result);
                }
            }
            let metrics = engine.metrics().await.unwrap();
            check_sums(&metrics);
            let mut counted = Seen::of(&metrics);
            // A mean is rounded; everything else is exact.
            assert!(seen.durations.abs_diff(counted.durations) < Duration::from_micros(1));
            counted.durations = seen.durations;
            assert_eq!(counted, seen);
        });
    }
}

#[test]
fn a_dispatch_whose_result_was_seen_is_in_the_snapshot() {
    paused(async {
        let engine = engine(false);
        for n in 1..=130 {
            engine.dispatch("shop.order.commands", Act::ok().envelope()).await.unwrap();
            assert_eq!(engine.metrics().await.unwrap().total_dispatches, n);
        }
    });
}

#[test]
fn an_empty_engine_has_rates_and_no_extremes() {
    paused(async {
        let engine = engine(false);
        let metrics = engine.metrics().await.unwrap();
        assert_eq!((metrics.success_rate(), metrics.error_rate()), (1.0, 0.0));
        assert_eq!((metrics.latency.min(), metrics.latency.max()), (None, None));
        let own = engine.dispatcher_metrics("a").await.unwrap().unwrap();
        assert_eq!((own.success_rate(), own.error_rate(), own.execution_count), (1.0, 0.0, 0));
        assert!(engine.dispatcher_metrics("nobody").await.unwrap().is_none());
    });
}

#[test]
fn latencies_fall_into_the_buckets_of_their_virtual_time() {
    paused(async {
        let engine = builder().dispatcher(on_event("a").route_all().run(Act::obey)).freeze().unwrap();
        for ms in [1, 5, 7, 25, 100, 101, 10_000, 10_001] {
            engine.dispatch(TOPIC, Act::ok().after(ms).envelope()).await.unwrap();
        }
        let metrics = engine.metrics().await.unwrap();
        let buckets = json!(metrics)["latency_histogram"].clone();
        for (bucket, count) in [
            ("le_1ms", 1),
            ("le_5ms", 1),
            ("le_10ms", 1),
            ("le_25ms", 1),
            ("le_50ms", 0),
            ("le_100ms", 1),
            ("le_250ms", 1),
            ("le_10000ms", 1),
            ("gt_10000ms", 1),
        ] {
            assert_eq!(buckets[bucket], count, "{bucket} of {buckets}");
        }
        assert_eq!(metrics.latency.min(), Some(Duration::from_millis(1)));
        assert_eq!(metrics.latency.max(), Some(Duration::from_millis(10_001)));
    });
}

#[test]
fn a_reset_clears_everything_but_the_dispatchers_names() {
    paused(async {
        let engine = engine(false);
        for act in [Act::ok(), Act::Fail("x".into())] {
            engine.dispatch(TOPIC, act.envelope()).await.unwrap();
        }
        assert_eq!(engine.metrics().await.unwrap().total_dispatches, 2);
        engine.reset_metrics().await.unwrap();
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(Seen::of(&metrics), Seen::default());
        assert_eq!(
            (metrics.total_dispatches, metrics.success_rate(), metrics.topic_metrics.len()),
            (0, 1.0, 0)
        );
        assert_eq!(metrics.dispatcher("a").unwrap().last_error_message, None);
        engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap();
        assert_eq!(engine.metrics().await.unwrap().topic(TOPIC).unwrap().dispatches, 1);
    });
}

#[test]
fn topics_beyond_the_bound_are_counted_together() {
    paused(async {
        let engine = builder()
            .configure(|config| config.max_topic_metrics = 3)
            .dispatcher(on_event("a").route_all().run(|_: Envelope| async {}))
            .freeze()
            .unwrap();
        for n in 0..10 {
            for _ in 0..2 {
                engine.dispatch(format!("t{n}.events"), empty()).await.unwrap();
            }
        }
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(
            metrics.topic_metrics.keys().map(|topic| &**topic).collect::<Vec<_>>(),
            ["other", "t0.events", "t1.events", "t2.events"]
        );
        assert_eq!(metrics.topic("other").unwrap().dispatches, 14);
    });
}

#[test]
fn the_last_error_and_topic_of_a_dispatcher_are_kept_sanitised() {
    paused(async {
        let engine = builder().dispatcher(on_event("a").route_all().run(Act::obey)).freeze().unwrap();
        engine.dispatch("one.events", Act::Fail("the token is x1".into()).envelope()).await.unwrap();
        engine.dispatch("two.events", Act::ok().envelope()).await.unwrap();
        let own = engine.dispatcher_metrics("a").await.unwrap().unwrap();
        assert_eq!(
            own.last_error_message.as_deref(),
            Some("IoError: [REDACTED - potentially sensitive data]")
        );
        assert_eq!(own.last_execution_topic.as_deref(), Some("two.events"));
    });
}

#[test]
fn what_reloads_leave_behind_is_bounded_and_every_count_is_kept() {
    paused(async {
        const RELOADS: usize = 1_200;
        let table = |n: usize| {
            let id = format!("d{n}");
            builder()
                .dispatcher(on_event(id.as_str()).run(|_: Envelope| async {}))
                .dispatcher(on_event("unused").run(|_: Envelope| async {}))
                .route(to(&id))
        };
        let engine = table(0).freeze().unwrap();
        for n in 1..=RELOADS {
            assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
            engine.reload(table(n)).await.unwrap();
        }
        engine.reload(builder().keep(format!("d{RELOADS}"))).await.unwrap();
        engine.reload(builder().keep(format!("d{RELOADS}"))).await.unwrap();
        let metrics = engine.metrics().await.unwrap();
        let executions = |metrics: &DispatchMetrics| -> u64 {
            metrics.dispatcher_metrics.values().map(|own| own.execution_count).sum()
        };
        assert_eq!((metrics.total_dispatches, executions(&metrics)), (RELOADS as u64, RELOADS as u64));
        assert!(metrics.dispatcher_metrics.len() <= dispatch_metrics::RETIRED_LIMIT + 2);
        assert!(metrics.dispatcher("unused").is_none(), "it is gone and there is nothing to say of it");
        assert_eq!(metrics.dispatcher("d1000").unwrap().execution_count, 1);
        assert!(metrics.dispatcher("d1").is_none());
        engine.reload(table(1000)).await.unwrap();
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
        let back = engine.dispatcher_metrics("d1000").await.unwrap().unwrap();
        assert_eq!(back.execution_count, 2, "it goes on where it was");
        engine.reset_metrics().await.unwrap();
        assert_eq!(engine.metrics().await.unwrap().dispatcher_metrics.len(), 2);
    });
}
