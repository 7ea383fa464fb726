//! The topic log on JetStream. Needs `DISPATCH_NATS_URL`.

use std::sync::Arc;

use async_nats::jetstream;
use dispatch_adapters::jetstream::{JetStreamLog, JetStreamLogOptions};
use dispatch_adapters::model::log::TopicLog;
use dispatch_adapters::model::log::conformance::{Features, Suite};
use futures_util::TryStreamExt as _;

use crate::support::{server, unique};

/// A prefix of one test, and what removes its streams.
struct Place {
    url: String,
    prefix: String,
}

impl Place {
    fn new() -> Option<Self> {
        server("DISPATCH_NATS_URL").map(|url| Self { url, prefix: unique("T") })
    }

    fn options(&self) -> JetStreamLogOptions {
        JetStreamLogOptions::new(self.url.as_str()).with_prefix(&self.prefix)
    }

    async fn log(&self) -> JetStreamLog {
        JetStreamLog::connect(self.options()).await.unwrap()
    }

    async fn context(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(&self.url).await.unwrap())
    }

    async fn streams(&self) -> Vec<String> {
        let names: Vec<String> = self.context().await.stream_names().try_collect().await.unwrap();
        names.into_iter().filter(|name| name.starts_with(&self.prefix)).collect()
    }

    async fn remove(self) {
        let context = self.context().await;
        for name in self.streams().await {
            context.delete_stream(&name).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "a test that fails shows the whole")]
async fn it_passes_the_public_suite_of_topic_logs() {
    let Some(place) = Place::new() else { return };
    let log = place.log().await;
    let options = place.options();
    let reopen = move || {
        let options = options.clone();
        async { Ok(Arc::new(JetStreamLog::connect(options).await?) as Arc<dyn TopicLog>) }
    };
    let features = Features {
        // The server stores messages one by one, and counts them with its overhead.
        atomic_batches: false,
        exact_bytes: false,
        max_size: Some(1024 * 1024),
        ..Features::all()
    };
    let report = Suite::new(Arc::new(log)).with_features(features).with_reopen(reopen).run().await;
    println!("{report}");
    report.assert();
    assert_eq!(report.skipped().len(), 2, "{report}");
    place.remove().await;
}
