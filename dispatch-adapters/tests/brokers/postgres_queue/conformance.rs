use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::model::queue::conformance::{Features, Life, Suite, SuiteClock};
use dispatch_adapters::model::queue::{MessageQueue, QueueError, QueueLimits};
use dispatch_adapters::postgres_queue::PostgresQueue;

use super::support::{Place, proof};

#[tokio::test]
async fn the_queue_in_postgresql_passes() {
    for keeps in [false, true] {
        Place::run(async |place| {
            let clock = SuiteClock::new();
            let mut options = place.clocked(&clock);
            let mut features = Features::default().surviving();
            if keeps {
                options = options.keeping_done(Duration::from_secs(7_200));
                features = features.keeping_done();
            }
            let queue = PostgresQueue::open(options.clone()).await.unwrap();
            let reopen = move || {
                let options = options.clone();
                async move {
                    Ok::<Arc<dyn MessageQueue>, QueueError>(Arc::new(PostgresQueue::open(options).await?))
                }
            };
            let suite = Suite::new(Arc::new(queue)).with_features(features).with_reopen(reopen);
            let report = suite.with_passing(move |time| clock.pass(time)).run().await;
            report.assert();
            let wanted: &[&str] = if keeps { &[] } else { &["a message that is done can be found"] };
            assert_eq!(report.skipped(), wanted);
        })
        .await;
    }
}

#[tokio::test]
async fn it_passes_by_the_clock_of_the_server() {
    Place::run(async |place| {
        let queue = place.open().await;
        let report = Suite::new(Arc::new(queue)).with_start(std::time::SystemTime::now()).run().await;
        report.assert();
    })
    .await;
}

#[tokio::test]
async fn whatever_happens_it_does_what_the_model_does() {
    Place::run(async |place| {
        for (seed, per_key) in (0..20 * proof()).zip([1, 2, 3].into_iter().cycle()) {
            let clock = SuiteClock::new();
            clock.pass(Duration::from_secs(3_600));
            let keep_done = if seed % 2 == 0 { Duration::ZERO } else { Duration::from_millis(30) };
            let limits = QueueLimits { per_key, keep_done, ..QueueLimits::default() };
            // A transport for each, since leases of others are in sight of each of a transport.
            let options = place.clocked(&clock).with_transport(format!("life-{seed}"));
            let options = options.with_per_key(per_key).keeping_done(keep_done);
            let queue = Arc::new(PostgresQueue::open(options).await.unwrap());
            let lived = Life::new(Arc::clone(&queue) as _, clock, limits, seed).live().await;
            assert_eq!(lived, Ok(()), "replay it with this seed alone");
            queue.close().await.unwrap();
        }
    })
    .await;
}
