//! Messages in a transaction of the caller's.

use dispatch_adapters::model::messenger::QueuedMessage;
use dispatch_adapters::model::queue::{MessageQueue, QueueError, Submission};
use dispatch_adapters::sqlite_queue::{SqliteQueueOptions, outbox};
use serde_json::json;

use crate::support::{claim, file, message, open};

fn submission() -> Submission {
    Submission::new(message("embedded", &json!({ "order": 7 })))
}

#[tokio::test]
async fn a_message_is_there_if_the_rest_is_and_never_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut mine = file(&folder);
    mine.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER)").unwrap();
    outbox::migrate(&mine).unwrap();
    outbox::migrate(&mine).unwrap();
    let options = SqliteQueueOptions::new(folder.path().join("queue.db"));
    let queue = open(&folder).await;

    let transaction = mine.transaction().unwrap();
    transaction.execute("INSERT INTO orders VALUES (6)", ()).unwrap();
    outbox::enqueue(&transaction, &options, &[submission()]).unwrap().remove(0).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(queue.depth(None).await.unwrap().open(), 0, "what was undone is not there");

    let transaction = mine.transaction().unwrap();
    transaction.execute("INSERT INTO orders VALUES (7)", ()).unwrap();
    outbox::enqueue(&transaction, &options, &[submission()]).unwrap().remove(0).unwrap();
    transaction.commit().unwrap();
    let orders: i64 = mine.query_row("SELECT count(*) FROM orders", (), |row| row.get(0)).unwrap();
    assert_eq!((orders, queue.depth(None).await.unwrap().ready), (1, 1));
    assert_eq!(claim(&queue, "one", 1).await.messages[0].message.payload["order"], 7);
}

#[tokio::test]
async fn a_message_that_could_not_be_read_back_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut mine = file(&folder);
    mine.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    outbox::migrate(&mine).unwrap();
    let options = SqliteQueueOptions::new(folder.path().join("queue.db"));
    let mut deep = submission();
    let inner = (0..QueuedMessage::DEEPEST).fold(json!(null), |inner, _| json!({ "in": inner }));
    deep.message.metadata.insert("in".to_owned(), inner);
    let transaction = mine.transaction().unwrap();
    let answers = outbox::enqueue(&transaction, &options, &[deep, submission()]).unwrap();
    assert!(matches!(answers[0], Err(QueueError::TooDeep { part: "metadata" })), "{answers:?}");
    assert!(answers[1].is_ok());
    transaction.commit().unwrap();
    assert_eq!(open(&folder).await.depth(None).await.unwrap().open(), 1);
}

#[test]
fn outside_of_a_transaction_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mine = file(&folder);
    outbox::migrate(&mine).unwrap();
    let options = SqliteQueueOptions::new(folder.path().join("queue.db"));
    let refused = outbox::enqueue(&mine, &options, &[submission()]).unwrap_err();
    assert!(matches!(refused, QueueError::Unsupported { .. }), "{refused}");
    let count: i64 = mine.query_row("SELECT count(*) FROM dispatch_message", (), |row| row.get(0)).unwrap();
    assert_eq!(count, 0);
}
