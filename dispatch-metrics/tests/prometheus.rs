//! The Prometheus text.

mod common;

use std::collections::BTreeSet;

use common::{filled, filled_bus, filled_deliveries, filled_messenger};
use dispatch_metrics::catalog::{CATALOG, DELIVERY_CATALOG, Kind, MESSENGER_CATALOG, SUBSCRIPTION_CATALOG};
use dispatch_metrics::prometheus::Scrape;
use dispatch_metrics::{DeliveryRecorder, DispatchMetrics, prometheus};

/// The name of the series of every line that is a sample.
fn exported(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let names = samples.filter_map(|line| line.split(['{', ' ']).next()).map(|name| {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        histogram.unwrap_or(name).to_owned()
    });
    names.collect()
}

#[test]
fn a_filled_snapshot() {
    insta::assert_snapshot!(prometheus::render([&filled()]).unwrap());
}

#[test]
fn the_catalog_is_exported_and_nothing_else() {
    let catalog: BTreeSet<_> = CATALOG.iter().map(|series| series.name.to_owned()).collect();
    assert_eq!(exported(&prometheus::render([&filled()]).unwrap()), catalog);
}

#[test]
fn filled_figures_of_deliveries() {
    insta::assert_snapshot!(prometheus::render([&filled_deliveries()]).unwrap());
}

#[test]
fn filled_figures_of_subscriptions() {
    insta::assert_snapshot!(prometheus::render([&filled_bus()]).unwrap());
}

#[test]
fn filled_figures_of_background_messages() {
    insta::assert_snapshot!(prometheus::render([&filled_messenger()]).unwrap());
}

#[test]
fn one_scrape_has_engines_deliveries_subscriptions_and_messages() {
    let catalogs: BTreeSet<_> = CATALOG
        .iter()
        .map(|series| series.name.to_owned())
        .chain(DELIVERY_CATALOG.iter().map(|series| series.name.to_owned()))
        .chain(SUBSCRIPTION_CATALOG.iter().map(|series| series.name.to_owned()))
        .chain(MESSENGER_CATALOG.iter().map(|series| series.name.to_owned()))
        .collect();
    let scrape = Scrape::default().with([&filled()]).with([&filled_deliveries()]).with([&filled_bus()]);
    let text = scrape.with([&filled_messenger()]).render().unwrap();
    assert_eq!(exported(&text), catalogs);
    assert_eq!(text.matches("# EOF\n").count(), 1);
}

#[test]
fn a_recorder_without_destinations_has_heads_only() {
    let text = prometheus::render([&DeliveryRecorder::new().snapshot()]).unwrap();
    assert_eq!(exported(&text).len(), 0, "{text}");
    assert_eq!(text.matches("# TYPE").count(), DELIVERY_CATALOG.len());
}

#[test]
fn several_engines_share_one_head() {
    let (a, b) = (DispatchMetrics::new("a"), DispatchMetrics::new("b"));
    let text = prometheus::render([&a, &b]).unwrap();
    assert_eq!(text.matches("# TYPE").count(), CATALOG.len());
    assert_eq!(text.matches("# HELP").count(), CATALOG.len());
    for engine in ["a", "b"] {
        assert!(text.contains(&format!("dispatch_routes_matched_total{{engine=\"{engine}\"}} 0\n")));
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn buckets_are_cumulative_and_end_at_the_count() {
    let text = prometheus::render([&filled()]).unwrap();
    for series in CATALOG.iter().filter(|series| series.kind == Kind::Histogram) {
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        let with = |suffix: &str| -> Vec<u64> {
            let head = format!("{}{suffix}{{", series.name);
            text.lines().filter(|line| line.starts_with(&head)).map(value).collect()
        };
        for (buckets, count) in with("_bucket").chunks(13).zip(with("_count")) {
            assert!(buckets.is_sorted());
            assert_eq!(buckets.last(), Some(&count));
        }
    }
}
