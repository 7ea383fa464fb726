#![doc = include_str!("../../METRICS.md")]

mod delivery;
mod engine;
mod messenger;
mod series;
mod subscription;

pub use delivery::DELIVERY_CATALOG;
pub use engine::CATALOG;
pub use messenger::MESSENGER_CATALOG;
pub use series::{Kind, Label, Sample, Series, Snapshot, Value};
pub use subscription::SUBSCRIPTION_CATALOG;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BusMetrics, DeliveryMetrics, DispatchMetrics, MessengerMetrics};

    /// `| name | kind | labels | meaning |` of every row of the tables in METRICS.md.
    fn documented() -> Vec<[String; 4]> {
        let rows = include_str!("../../METRICS.md").lines().filter(|line| line.starts_with("| `dispatch_"));
        rows.map(|row| {
            let cells: Vec<_> =
                row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
            cells.try_into().expect("a row has four cells")
        })
        .collect()
    }

    /// The same of the rows of a catalog.
    fn rows<S: Snapshot>() -> impl Iterator<Item = [String; 4]> {
        S::catalog().iter().map(|it| {
            [it.name.to_owned(), it.kind.as_str().to_owned(), it.labels.join(", "), it.meaning.to_owned()]
        })
    }

    #[test]
    fn the_documented_tables_are_the_catalogs() {
        let engine = rows::<DispatchMetrics>().chain(rows::<DeliveryMetrics>());
        let catalogs: Vec<_> = engine.chain(rows::<BusMetrics>()).chain(rows::<MessengerMetrics>()).collect();
        assert_eq!(documented(), catalogs);
    }

    fn check_names<S: Snapshot>(prefix: &str, labels: &[&str]) -> impl Iterator<Item = &'static str> {
        for series in S::catalog() {
            assert!(series.name.starts_with(prefix), "{}", series.name);
            assert_eq!(series.kind == Kind::Counter, series.name.ends_with("_total"), "{}", series.name);
            assert!(series.labels.starts_with(labels), "{}", series.name);
            // The texts stand in `# HELP` lines, which escape nothing.
            assert!(!series.meaning.contains(['\\', '\n', '|']), "{}", series.name);
        }
        S::catalog().iter().map(|series| series.name)
    }

    #[test]
    fn names_follow_the_conventions() {
        let engine = check_names::<DispatchMetrics>("dispatch_", &["engine"]);
        let delivery = check_names::<DeliveryMetrics>("dispatch_delivery_", &["adapter", "destination"]);
        let bus = check_names::<BusMetrics>("dispatch_subscription_", &["bus", "subscription"]);
        let messenger = check_names::<MessengerMetrics>("dispatch_message_", &["messenger"]);
        let mut names: Vec<_> = engine.chain(delivery).chain(bus).chain(messenger).collect();
        names.sort_unstable();
        names.dedup();
        let engine = CATALOG.len() + DELIVERY_CATALOG.len();
        assert_eq!(names.len(), engine + SUBSCRIPTION_CATALOG.len() + MESSENGER_CATALOG.len());
    }
}
