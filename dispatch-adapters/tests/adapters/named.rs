use std::sync::Arc;

use dispatch_adapters::NoopAdapter;
use dispatch_adapters::model::{Adapter, DeliveryErrorKind, HealthStatus};
use dispatch_adapters::named::{NamedAdapter, NamedAdapters, NamedOptions, Resolver};

use crate::support::envelope;

#[tokio::test]
async fn what_is_registered_anew_gets_the_next_delivery() {
    let (names, first, second) = (NamedAdapters::new(), NoopAdapter::new(), NoopAdapter::new());
    let adapter = NamedAdapter::new(NamedOptions::to("billing"), names.clone());
    assert!(names.register("billing", first.clone()).is_none());
    adapter.deliver(&envelope("A")).await.unwrap();
    assert!(names.register("billing", second.clone()).is_some());
    adapter.deliver_batch(&[envelope("A"), envelope("B")]).await;
    assert_eq!((first.count(), second.count()), (1, 2));
}

#[tokio::test]
async fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let names = NamedAdapters::new();
    let adapter = NamedAdapter::new(NamedOptions::to("billing"), names.clone());
    names.register("audit", NoopAdapter::new());
    names.register("mail", NoopAdapter::new());
    let error = adapter.deliver(&envelope("A")).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert_eq!(
        error.message(),
        "nothing is registered as 'billing': register it, or use one of: audit, mail"
    );
    assert_eq!(adapter.deliver_batch(&[envelope("A"), envelope("B")]).await.len(), 2);
    assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);
    names.register("billing", NoopAdapter::new());
    names.remove("billing");
    assert!(adapter.deliver(&envelope("A")).await.is_err());
}

#[tokio::test]
async fn a_resolver_of_the_users_may_decide() {
    struct Everybody(NoopAdapter);

    impl Resolver for Everybody {
        fn resolve(&self, name: &str) -> Option<Arc<dyn Adapter>> {
            (name != "nobody").then(|| Arc::new(self.0.clone()) as Arc<dyn Adapter>)
        }
    }

    let noop = NoopAdapter::new();
    let to = |name: &str| NamedAdapter::new(NamedOptions::to(name), Everybody(noop.clone()));
    to("anybody").deliver(&envelope("A")).await.unwrap();
    assert!(to("nobody").deliver(&envelope("A")).await.is_err());
    assert_eq!(noop.count(), 1);
}

#[test]
fn registering_at_the_same_time_loses_nothing() {
    let names = NamedAdapters::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let names = &names;
            scope.spawn(move || {
                for number in 0..50 {
                    names.register(format!("{thread}-{number}"), NoopAdapter::new());
                }
            });
        }
    });
    assert_eq!(names.names().len(), 200);
}
