use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::model::queue::conformance::{Features, Life, Suite, SuiteClock};
use dispatch_adapters::model::queue::{MessageQueue, QueueError};
use dispatch_adapters::sqlite_queue::SqliteQueue;

use crate::support::{limited, options, proof};

#[tokio::test]
async fn the_queue_in_a_file_passes() {
    for keeps in [false, true] {
        let (folder, clock) = (tempfile::tempdir().unwrap(), SuiteClock::new());
        let mut options = options(&folder, &clock);
        let mut features = Features::default().surviving();
        if keeps {
            options = options.keeping_done(Duration::from_secs(7_200));
            features = features.keeping_done();
        }
        let queue = SqliteQueue::open(options.clone()).await.unwrap();
        let reopen = move || {
            let options = options.clone();
            async move { Ok::<Arc<dyn MessageQueue>, QueueError>(Arc::new(SqliteQueue::open(options).await?)) }
        };
        let suite = Suite::new(Arc::new(queue)).with_features(features).with_reopen(reopen);
        let report = suite.with_passing(move |time| clock.pass(time)).run().await;
        report.assert();
        let wanted: &[&str] = if keeps { &[] } else { &["a message that is done can be found"] };
        assert_eq!(report.skipped(), wanted);
    }
}

#[tokio::test]
async fn whatever_happens_it_does_what_the_model_does() {
    for (seed, per_key) in (0..20 * proof()).zip([1, 2, 3].into_iter().cycle()) {
        let (folder, clock) = (tempfile::tempdir().unwrap(), SuiteClock::new());
        clock.pass(Duration::from_secs(3_600));
        let keep_done = if seed % 2 == 0 { Duration::ZERO } else { Duration::from_millis(30) };
        let (limits, options) = limited(&folder, &clock, per_key, keep_done);
        let queue = Arc::new(SqliteQueue::open(options).await.unwrap());
        let lived = Life::new(Arc::clone(&queue) as _, clock, limits, seed).live().await;
        assert_eq!(lived, Ok(()), "replay it with this seed alone");
        queue.close().await.unwrap();
    }
}
