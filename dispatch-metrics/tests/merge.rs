//! Merging the figures of shards.

mod common;

use common::{Fact, by_name, facts};
use dispatch_metrics::{DispatchMetrics, DispatcherMetrics};
use proptest::prelude::*;

/// The figures of one shard; six topics and a limit of 1,000, so that the bound is not reached.
fn shard(facts: &[Fact]) -> DispatchMetrics {
    let mut metrics = DispatchMetrics::new("e");
    by_name(&mut metrics, facts);
    metrics
}

fn merged(parts: &[&DispatchMetrics]) -> DispatchMetrics {
    let mut all = DispatchMetrics::default();
    for part in parts {
        all.merge(part);
    }
    all
}

/// The last error and topic are those of the last part, whatever else is added up.
fn without_last(mut metrics: DispatchMetrics) -> DispatchMetrics {
    let forget = |it: &mut DispatcherMetrics| (it.last_error_message, it.last_execution_topic) = (None, None);
    metrics.dispatcher_metrics.values_mut().for_each(forget);
    metrics
}

#[test]
fn the_last_error_is_that_of_the_last_part_that_has_one() {
    let (mut first, mut second) = (DispatchMetrics::new("e"), DispatchMetrics::new("e"));
    first.register_dispatcher("a").last_error_message = Some("one".into());
    second.register_dispatcher("a").last_error_message = Some("two".into());
    let none = shard(&[]);
    let all = merged(&[&first, &second, &none]);
    assert_eq!(all.dispatcher("a").unwrap().last_error_message.as_deref(), Some("two"));
}

#[test]
fn the_larger_topic_limit_holds_and_the_rest_goes_to_other() {
    let filled = common::filled();
    assert_eq!(filled.topic_metrics.len(), 2, "one topic and the rest");
    let mut both = DispatchMetrics::new("e").with_topic_limit(0);
    both.merge(&filled);
    both.merge(&filled);
    assert_eq!(both.topic_limit, 1);
    let names: Vec<_> = both.topic_metrics.keys().map(|name| &**name).collect();
    assert_eq!(names, ["other", "shop.order.events"]);
}

proptest! {
    #[test]
    fn merging_is_associative(a in facts(), b in facts(), c in facts()) {
        let (a, b, c) = (shard(&a), shard(&b), shard(&c));
        prop_assert_eq!(merged(&[&merged(&[&a, &b]), &c]), merged(&[&a, &merged(&[&b, &c])]));
    }

    #[test]
    fn merging_is_commutative_but_for_what_came_last(a in facts(), b in facts()) {
        let (a, b) = (shard(&a), shard(&b));
        prop_assert_eq!(without_last(merged(&[&a, &b])), without_last(merged(&[&b, &a])));
    }

    #[test]
    fn the_empty_metrics_are_neutral(a in facts()) {
        let a = shard(&a);
        prop_assert_eq!(&merged(&[&a]), &a);
        let mut with_empty = a.clone();
        with_empty.merge(&DispatchMetrics::default());
        prop_assert_eq!(&with_empty, &a);
    }

    #[test]
    fn two_shards_are_one_engine(a in facts(), b in facts()) {
        let without_gauges =
            |facts: Vec<Fact>| -> Vec<_> {
                facts.into_iter().filter(|fact| !matches!(fact, Fact::InFlight(..))).collect()
            };
        let (a, b) = (without_gauges(a), without_gauges(b));
        let together = shard(&[a.clone(), b.clone()].concat());
        prop_assert_eq!(merged(&[&shard(&a), &shard(&b)]), together);
    }
}
