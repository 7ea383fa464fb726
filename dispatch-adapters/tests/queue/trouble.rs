//! Files that are damaged, foreign, full or read-only, and messages that cannot be stored or read.

use dispatch_adapters::model::messenger::MessengerErrorCode;
use dispatch_adapters::model::queue::conformance::SuiteClock;
use dispatch_adapters::model::queue::{
    Filter, MessageQueue, MessageState, Page, QueueError, StoredBody, Submission,
};
use dispatch_adapters::sqlite_queue::{SqliteQueue, SqliteQueueOptions};
use serde_json::json;

use crate::support::{claim, file, message, open, options, put};

#[tokio::test]
async fn h6_what_cannot_be_read_has_failed_and_is_kept_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder).await;
    let changes = [
        "UPDATE dispatch_message SET body = CAST(replace(body, 'ann', 'eve') AS BLOB) WHERE id = ?",
        "UPDATE dispatch_message SET body = x'ff00' WHERE id = ?",
        "UPDATE dispatch_message SET sum = sum + 1 WHERE id = ?",
        "UPDATE dispatch_message SET history = 'not JSON' WHERE id = ?",
        "UPDATE dispatch_message SET succeeded = CAST(x'ff00' AS TEXT) WHERE id = ?",
        "UPDATE dispatch_message SET succeeded = 'not JSON' WHERE id = ?",
    ];
    for change in changes {
        let id = put(&queue).await;
        let good = put(&queue).await;
        assert_eq!(file(&folder).execute(change, [id.into_bytes()]).unwrap(), 1);
        let claimed = claim(&queue, "one", 10).await;
        assert_eq!((claimed.messages.len(), claimed.unreadable), (1, 1), "{change}");
        assert_eq!(claimed.unreadable_ids, [id]);
        assert_eq!(claimed.messages[0].token.id, good, "the next one is handled");
        let stored = queue.find(id).await.unwrap().unwrap();
        assert_eq!(stored.state, MessageState::Failed);
        assert!(stored.last_error().unwrap().starts_with("the stored message cannot be read"));
        // What is beside a body has become something that can be read; bodies are as they were.
        let beside = ["history", "succeeded"].iter().any(|column| change.contains(column));
        match &stored.body {
            StoredBody::Message(message) => assert!(beside && message.id == id, "{change}"),
            StoredBody::Unreadable(bytes) => {
                assert!(!beside, "{change}");
                assert!(!change.contains("x'") || **bytes == [0xff, 0x00], "{bytes:?}");
                let refused = queue.replay(id, Some(serde_json::Map::new()), None).await.unwrap_err();
                assert_eq!(refused.code(), MessengerErrorCode::Serialization);
            }
        }
        assert_eq!(queue.list(&Filter::failed(), Page::first(10)).await.unwrap().len(), 1);
        assert_eq!(queue.cancel(&[id]).await.unwrap(), 1);
        queue
            .settle(vec![dispatch_adapters::model::queue::Settlement::done(
                claimed.messages[0].token.clone(),
            )])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn tables_of_a_later_version_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await.unwrap();
    file(&folder).execute("UPDATE dispatch_meta SET value = 7 WHERE name = 'version'", ()).unwrap();
    let refused = SqliteQueue::open(options(&folder, &SuiteClock::new())).await.unwrap_err();
    assert!(matches!(refused, QueueError::Newer { found: 7, known: 1 }), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let text = "not a database, but long enough to be looked at as one. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let refused = SqliteQueue::open(SqliteQueueOptions::new(&path)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Damaged { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let path = "/proc/no-such-place/queue.db";
    let refused = SqliteQueue::open(SqliteQueueOptions::new(path)).await.unwrap_err();
    assert!(refused.to_string().contains("/proc/no-such-place"), "{refused}");
}

#[tokio::test]
async fn a_full_queue_says_so_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let full = options(&folder, &SuiteClock::new()).with_max_bytes(300_000);
    let queue = SqliteQueue::open(full).await.unwrap();
    let large = || Submission::new(message("embedded", &json!({ "text": "x".repeat(50_000) })));
    let mut stored = Vec::new();
    let refused = loop {
        let submission = large();
        let id = submission.message.id;
        match queue.enqueue(vec![submission]).await {
            Ok(_) => stored.push(id),
            Err(error) => break error,
        }
        assert!(stored.len() < 100, "it is never full");
    };
    assert!(matches!(refused, QueueError::Full { .. }), "{refused}");
    assert!(refused.is_retryable());
    assert_eq!(queue.depth(None).await.unwrap().ready, stored.len() as u64, "nothing was lost");
    assert_eq!(queue.cancel(&stored[..2]).await.unwrap(), 2);
    queue.enqueue(vec![large()]).await.unwrap().remove(0).unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let small = options(&folder, &SuiteClock::new()).with_max_message_bytes(2_000);
    let queue = SqliteQueue::open(small).await.unwrap();
    let messages = [json!({ "text": "planted".repeat(1_000) }), json!({ "text": "short" })];
    let submissions = messages.iter().map(|payload| Submission::new(message("embedded", payload))).collect();
    let answers = queue.enqueue(submissions).await.unwrap();
    let refused = answers[0].as_ref().unwrap_err();
    assert!(matches!(refused, QueueError::TooLarge { limit: 2_000, .. }), "{refused}");
    assert!(!refused.to_string().contains("planted"));
    assert!(answers[1].is_ok());
    assert_eq!(queue.depth(None).await.unwrap().ready, 1);
}

#[tokio::test]
async fn every_problem_of_the_options_is_named_at_once() {
    let options = SqliteQueueOptions::new("queue.db")
        .with_transport("not a name")
        .with_sync(dispatch_adapters::model::log::SyncPolicy::Memory)
        .with_per_key(0)
        .with_max_message_bytes(0)
        .with_max_bytes(0);
    let refused = SqliteQueue::open(options).await.unwrap_err();
    insta::assert_snapshot!(refused.to_string().replace("; ", "\n"));
}

/// The end of its lease writes its history, and must not write over one that nobody can read.
#[tokio::test]
async fn a_history_that_is_damaged_during_a_lease_is_found_by_the_next_claim() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), SuiteClock::new());
    let queue = SqliteQueue::open(options(&folder, &clock)).await.unwrap();
    let id = put(&queue).await;
    assert_eq!(claim(&queue, "one", 1).await.messages.len(), 1);
    let change = "UPDATE dispatch_message SET history = '[{' WHERE id = ?";
    assert_eq!(file(&folder).execute(change, [id.into_bytes()]).unwrap(), 1);
    clock.pass(std::time::Duration::from_secs(61));
    let claimed = claim(&queue, "two", 1).await;
    assert_eq!((claimed.messages.len(), claimed.unreadable_ids), (0, vec![id]));
}

/// Who knows what has happened to it, and which handlers had succeeded: so nobody begins with it until somebody says so.
#[tokio::test]
async fn a_damaged_history_keeps_back_nobody_and_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder).await;
    let (bad, good) = (put(&queue).await, put(&queue).await);
    let change = "UPDATE dispatch_message SET history = '[{', succeeded = 'x' WHERE id = ?";
    assert_eq!(file(&folder).execute(change, [bad.into_bytes()]).unwrap(), 1);
    let claimed = claim(&queue, "one", 10).await;
    assert_eq!(claimed.messages.iter().map(|leased| leased.token.id).collect::<Vec<_>>(), [good]);
    assert_eq!(claimed.unreadable_ids, [bad]);
    assert!(queue.replay(bad, None, None).await.unwrap());
    let again = claim(&queue, "one", 10).await.messages;
    assert_eq!((again[0].token.id, again[0].attempt, again[0].series), (bad, 1, 1));
    assert_eq!(again[0].history.as_slice().len(), 1, "that it could not be read");
    assert!(again[0].succeeded.is_empty());
}
