//! Snapshots as JSON, both ways.

mod common;

use common::{by_name, facts, filled};
use dispatch_metrics::DispatchMetrics;
use proptest::prelude::*;

#[test]
fn a_filled_snapshot() {
    insta::assert_json_snapshot!(filled());
}

#[test]
fn an_empty_snapshot() {
    insta::assert_json_snapshot!(DispatchMetrics::new("shop"));
}

#[test]
fn fields_that_are_missing_are_zero_and_unknown_ones_are_ignored() {
    let read: DispatchMetrics =
        serde_json::from_str(r#"{"engine": "e", "total_dispatches": 2, "news": 1}"#).unwrap();
    let mut expected = DispatchMetrics::new("e");
    expected.total_dispatches = 2;
    assert_eq!(read, expected);
}

proptest! {
    #[test]
    fn what_was_written_reads_back(facts in facts()) {
        let mut metrics = DispatchMetrics::new("e").with_topic_limit(3);
        by_name(&mut metrics, &facts);
        let text = serde_json::to_string(&metrics).unwrap();
        prop_assert_eq!(serde_json::from_str::<DispatchMetrics>(&text).unwrap(), metrics);
    }
}
