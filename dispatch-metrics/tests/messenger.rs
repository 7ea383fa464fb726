//! The snapshot of background messages: as JSON, added up, over a time, and as health.

mod common;

use std::time::Duration;

use common::filled_messenger;
use dispatch_core::delivery::HealthStatus::{self, Degraded, Healthy, Unhealthy};
use dispatch_metrics::{HealthLimits, MessengerMetrics, OTHER_TYPES, TransportMetrics, WorkMetrics};

const MS: Duration = Duration::from_millis(1);

#[test]
fn filled_figures_as_json_read_back() {
    let metrics = filled_messenger();
    assert_eq!(metrics.open(), 10);
    let text = serde_json::to_string(&metrics).unwrap();
    assert_eq!(serde_json::from_str::<MessengerMetrics>(&text).unwrap(), metrics);
    insta::assert_json_snapshot!(metrics);
}

#[test]
fn what_two_processes_have_done_adds_up_and_what_is_in_queues_does_not() {
    let (one, mut both) = (filled_messenger(), MessengerMetrics::default());
    both.merge(&one);
    both.merge(&one);
    let (own, single) = (&both.transports["default"], &one.transports["default"]);
    assert_eq!((&*both.messenger, both.open(), &own.queues), ("shop", 10, &single.queues));
    assert_eq!(own.work.attempts(), 2 * single.work.attempts());
    assert_eq!((own.sends.stored, own.work.untold, own.work.wait().count()), (14, 36, 8));
    assert_eq!(both.workers.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "2"]);

    let mut unreachable = one.clone();
    unreachable.transports.get_mut("default").unwrap().reachable = false;
    unreachable.transports.get_mut("default").unwrap().queues.clear();
    both.merge(&unreachable);
    assert_eq!(both.open(), 10, "what it did not see is still there");
}

#[test]
fn since_is_what_has_happened_in_between() {
    let before = filled_messenger();
    let mut now = before.clone();
    let transport = now.transports.get_mut("default").unwrap();
    transport.sends.stored += 5;
    transport.work.lost += 1;
    transport.work.of_type("SendMail", |own| own.done(3 * MS));
    let since = now.since(&before);
    let own = &since.transports["default"];
    assert_eq!((own.sends.stored, own.sends.refused, own.work.lost, own.work.expired), (5, 0, 1, 0));
    assert_eq!((own.work.done(), own.work.failed(), own.work.attempts()), (1, 0, 0));
    assert_eq!((own.work.run().count(), own.work.run().average()), (1, 3 * MS));
    assert_eq!(own.queues, before.transports["default"].queues, "those are as they are now");
    assert_eq!(since.workers["1"].work["default"].lost, 0);
}

#[test]
fn types_beyond_the_limit_are_counted_together() {
    let mut work = WorkMetrics::default();
    work.type_limit = 2;
    for name in ["a", "b", "c", "a", "d"] {
        work.of_type(name, |own| own.begun(MS));
    }
    let shown = |work: &WorkMetrics| {
        work.types.iter().map(|(name, own)| (name.to_string(), own.attempts)).collect::<Vec<_>>()
    };
    let expected = [("a", 2), ("b", 1), (OTHER_TYPES, 2)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(shown(&work), expected);
    let mut all = WorkMetrics::default();
    all.type_limit = 1;
    all.merge(&work);
    assert_eq!(shown(&all), expected, "the larger limit holds");
}

/// So many attempts that end, of which some fail, and that run for so long each.
fn worked(attempts: u64, failed: u64, ran: Duration) -> TransportMetrics {
    let mut transport = TransportMetrics::default();
    transport.reachable = true;
    transport.work.of_type("SendMail", |own| {
        (0..attempts).for_each(|_| own.begun(MS));
        (0..attempts - failed).for_each(|_| own.done(ran));
        (0..failed).for_each(|_| own.retried(ran));
    });
    transport
}

fn health(transport: &TransportMetrics) -> HealthStatus {
    transport.health(&HealthLimits::default())
}

/// By nearest rank, as far as the bounds of the buckets tell.
#[test]
fn k1_a_hundred_runs_of_1_to_100_ms_with_5_that_failed() {
    let mut work = WorkMetrics::default();
    work.of_type("SendMail", |own| {
        for ms in 1..=100 {
            own.begun(Duration::ZERO);
            if ms % 20 == 0 { own.failed(Some(ms * MS)) } else { own.done(ms * MS) }
        }
    });
    let run = work.run();
    assert_eq!(run.quantile(0.5), Some(50 * MS), "50 is a bound, so the median is exact");
    for quantile in [0.95, 0.99] {
        assert_eq!(run.quantile(quantile), Some(100 * MS), "in the bucket above 50 ms nothing is longer");
    }
    assert_eq!(run.average(), Duration::from_micros(50_500));
    assert!((work.error_rate() - 0.05).abs() < 1e-9, "{}", work.error_rate());
}

#[test]
fn k3_the_worse_of_error_rate_and_mean_run_time_wins() {
    let cases = [
        (1_000, 9, 999, Healthy),
        (1_000, 10, 1, Degraded),
        (1_000, 99, 1, Degraded),
        (1_000, 100, 1, Unhealthy),
        (10, 0, 1_000, Degraded),
        (10, 0, 4_999, Degraded),
        (10, 0, 5_000, Unhealthy),
        (1_000, 10, 5_000, Unhealthy),
        (1_000, 100, 1_000, Unhealthy),
    ];
    for (attempts, failed, ms, expected) in cases {
        let found = health(&worked(attempts, failed, Duration::from_millis(ms)));
        assert_eq!(found, expected, "{failed} of {attempts} failed, {ms} ms");
    }
    let patient = HealthLimits {
        degraded_error_rate: 0.5,
        degraded_run: Duration::from_secs(60),
        unhealthy_run: Duration::from_secs(90),
        ..HealthLimits::default()
    };
    assert_eq!(worked(1_000, 99, Duration::from_secs(20)).health(&patient), Healthy, "limits are the user's");
}

#[test]
fn k4_without_traffic_a_transport_with_an_empty_queue_is_healthy() {
    let mut idle = worked(0, 0, MS);
    let queue = idle.queues.entry("default".to_owned()).or_default();
    (queue.scheduled, queue.failed) = (5, 7);
    assert_eq!(health(&idle), Healthy);
    idle.queues.get_mut("default").unwrap().ready = 1;
    assert_eq!(health(&idle), Degraded, "nobody works on what is there");
    idle.queues.get_mut("default").unwrap().paused = true;
    assert_eq!(health(&idle), Healthy, "that is what was asked for");
    idle.reachable = false;
    assert_eq!(health(&idle), Unhealthy);

    let mut metrics = MessengerMetrics::new("shop");
    metrics.transports.insert("good".to_owned(), worked(10, 0, MS));
    assert_eq!(metrics.health(&HealthLimits::default()), Healthy);
    metrics.transports.insert("down".to_owned(), idle);
    assert_eq!(metrics.health(&HealthLimits::default()), Unhealthy, "as its worst transport");
}
