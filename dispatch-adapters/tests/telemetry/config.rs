//! What targets of a configuration are called, and that all of them are counted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_adapters::Targets;
use dispatch_adapters::config::AdapterRegistry;
use dispatch_adapters::metrics::DeliveryRecorder;
use dispatch_adapters::model::delivery::{DeliveryEvent, DeliveryLabels, DeliveryObserver};

use crate::{ALONE, Moody, envelope};

#[tokio::test]
async fn a_target_without_a_name_is_called_by_its_destination() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "https://joe:s3cret@example.com/hooks?key=s3cret").unwrap();
    let text = format!(
        "[[targets]]\ntype = 'webhook'\nurls = ['https://example.com:444/hooks/s3cret?key=s3cret']\n\
         secrets = ['env:CARGO_PKG_NAME']\n\
         [[targets]]\ntype = 'http'\nurl = 'file:{}'\n\
         [[targets]]\ntype = 'http'\nname = 'partner'\nurl = 'https://example.com/in'\n\
         [[targets]]\ntype = 'noop'",
        file.path().display()
    );
    let ready = AdapterRegistry::with_built_in().read_toml(&text).unwrap();
    let targets = Targets::start(&ready).unwrap();
    let labels = targets.list().iter().map(|target| {
        let DeliveryLabels { adapter, destination } = target.delivery().labels();
        (target.name().to_owned(), adapter.to_string(), destination.to_string())
    });
    let expected = [
        // A path may be a secret, too.
        ("webhook", "webhook", "https://example.com:444"),
        // The whole URL is a secret: this is where it is.
        ("http", "http", "https://example.com"),
        ("partner", "http", "partner"),
        ("noop", "noop", "noop"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(labels.collect::<Vec<_>>(), expected);
}

#[derive(Default)]
struct Stored(Mutex<Vec<String>>);

impl DeliveryObserver for Stored {
    fn on_event(&self, labels: &DeliveryLabels, event: &DeliveryEvent) {
        if matches!(event, DeliveryEvent::DeadLetterStored) {
            self.0.lock().unwrap().push(format!("{}/{}", labels.adapter, labels.destination));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_dead_letters_of_a_configuration_are_counted_and_observed_with_it() {
    let _alone = ALONE.lock().await;
    let mut registry = AdapterRegistry::with_built_in();
    registry.register("moody", |_| Moody { fail_first: 0, ..Moody::default() }).unwrap();
    let ready =
        registry.read_toml("[[targets]]\ntype = 'moody'\n[[targets.dead_letters]]\ntype = 'noop'").unwrap();
    let (recorder, stored) = (DeliveryRecorder::new(), Arc::new(Stored::default()));
    let targets = Targets::start_with(&ready, |delivery| {
        delivery.metrics(&recorder).observe(Arc::clone(&stored) as Arc<dyn DeliveryObserver>)
    })
    .unwrap();
    assert!(targets.deliver_each(&envelope("Bad")).await[0].result.is_err());
    assert!(targets.close_dead_letters(Duration::from_secs(60)).await.is_complete());
    let metrics = recorder.snapshot();
    assert_eq!(metrics.destination("moody", "moody").unwrap().dead_lettered, 1);
    assert_eq!(metrics.destination("dead_letters", "noop").unwrap().dead_letters_stored, 1);
    assert_eq!(*stored.0.lock().unwrap(), ["dead_letters/noop"]);
}
