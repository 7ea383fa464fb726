#![allow(clippy::unwrap_used, reason = "this is how a test fails")]

use dispatch_core::queue::WorkerId;
use futures_util::FutureExt;

use super::*;

#[tokio::test]
async fn workers_do_not_wait_for_who_counts() {
    let folder = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(SqliteQueueOptions::new(folder.path().join("queue.db"))).await.unwrap();
    let (go_on, counting) = std::sync::mpsc::channel::<()>();
    queue
        .reader
        .ask(Box::new(move |_| {
            // It counts until it is told to go on.
            let _ = counting.recv();
        }))
        .unwrap();
    let mut depth = Box::pin(queue.depth(None));
    assert!((&mut depth).now_or_never().is_none());
    assert_eq!(queue.queues().await.unwrap(), []);
    assert_eq!(queue.find(Uuid::nil()).await.unwrap(), None);
    let claim =
        Claim { worker: WorkerId::new("one"), queues: Vec::new(), max: 1, lease: Duration::from_secs(1) };
    assert!(queue.claim(&claim).await.unwrap().messages.is_empty());
    assert!((&mut depth).now_or_never().is_none(), "it is counted still");
    drop(go_on);
    assert_eq!(depth.await.unwrap(), Depth::default());
    queue.close().await.unwrap();
}
