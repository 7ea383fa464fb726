use std::sync::Arc;

use dispatch_adapters::model::log::conformance::{Features, Report, Suite};
use dispatch_adapters::model::log::{SyncPolicy, TopicLog};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};

use crate::support::{policies, run};

const LIMIT: usize = 4 * 1024 * 1024;

async fn suite(sync: SyncPolicy) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteLogOptions::new(folder.path()).with_sync(sync).with_max_entry_bytes(LIMIT);
    let log = SqliteLog::open(options.clone()).await.unwrap();
    let reopen = move || {
        let options = options.clone();
        async { Ok(Arc::new(SqliteLog::open(options).await?) as Arc<dyn TopicLog>) }
    };
    let features = Features { max_size: Some(LIMIT), ..Features::all() };
    Suite::new(Arc::new(log)).with_features(features).with_reopen(reopen).run().await
}

#[test]
fn it_passes_the_suite_under_every_policy() {
    for sync in policies() {
        let report = run(suite(sync));
        report.assert();
        assert_eq!(report.skipped(), Vec::<&str>::new(), "{sync:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_passes_the_suite_on_many_threads() {
    suite(SyncPolicy::Always).await.assert();
}

#[tokio::test(start_paused = true)]
async fn it_passes_the_suite_while_time_jumps() {
    suite(SyncPolicy::Os).await.assert();
}
