//! The snapshot of subscriptions.

mod common;

use common::filled_bus;
use dispatch_metrics::BusMetrics;

#[test]
fn filled_figures_as_json_read_back() {
    let metrics = filled_bus();
    assert_eq!(metrics.lag(), 17);
    let text = serde_json::to_string(&metrics).unwrap();
    assert_eq!(serde_json::from_str::<BusMetrics>(&text).unwrap(), metrics);
    insta::assert_json_snapshot!(metrics);
}
