//! Messages in a transaction of the caller's.

use dispatch_adapters::model::messenger::{DispatchOptions, Duplicates};
use dispatch_adapters::model::queue::{MessageQueue, QueueError, Remember, Submission, Wakeup};
use dispatch_adapters::postgres_queue::{PostgresQueue, outbox};
use tokio_postgres::IsolationLevel;

use super::support::{Place, claim, message};
use crate::support::soon;

fn plain() -> Submission {
    Submission::new(message(&DispatchOptions::default()))
}

fn keyed() -> Submission {
    let mut options = DispatchOptions::default().with_idempotency_key("planted");
    options.ordering_key = Some("lane".to_owned());
    let remember = Remember { until: None, duplicates: Duplicates::ReturnExisting };
    Submission::new(message(&options)).remembered(remember)
}

#[tokio::test]
async fn a_message_is_there_if_the_rest_is_and_never_without_it() {
    Place::run(async |place| {
        let (queue, mut client, orders) = (place.open().await, place.client().await, place.table("orders"));
        client.batch_execute(&format!("CREATE TABLE {orders} (id integer)")).await.unwrap();
        let insert = format!("INSERT INTO {orders} VALUES (7)");
        let seen = soon("the first wake-up", queue.wait(Wakeup::default())).await.unwrap();

        let transaction = client.transaction().await.unwrap();
        transaction.batch_execute(&insert).await.unwrap();
        for answer in outbox::enqueue(&transaction, &place.options(), &[plain(), keyed()]).await.unwrap() {
            answer.unwrap();
        }
        transaction.rollback().await.unwrap();
        assert_eq!(queue.depth(None).await.unwrap().open(), 0, "what was undone is not there");

        let transaction = client.transaction().await.unwrap();
        transaction.batch_execute(&insert).await.unwrap();
        let sent = [plain(), keyed(), keyed()];
        let answers = outbox::enqueue(&transaction, &place.options(), &sent).await.unwrap();
        assert_eq!(answers[2].as_ref().unwrap().duplicate_of, Some(sent[1].message.id));
        assert_eq!(queue.depth(None).await.unwrap().open(), 0, "nobody sees it before it is committed");
        transaction.commit().await.unwrap();
        soon("word of the commit", queue.wait(seen)).await.unwrap();
        let count: i64 =
            client.query_one(&format!("SELECT count(*) FROM {orders}"), &[]).await.unwrap().get(0);
        assert_eq!((count, queue.depth(None).await.unwrap().ready), (1, 2));
        let ids: Vec<_> =
            claim(&queue, "one", 9).await.messages.iter().map(|leased| leased.token.id).collect();
        assert_eq!(ids, [sent[0].message.id, sent[1].message.id]);
    })
    .await;
}

#[tokio::test]
async fn whoever_sends_the_same_key_waits_for_the_end_of_the_transaction() {
    Place::run(async |place| {
        for commits in [true, false] {
            let (queue, mut client) = (place.open().await, place.client().await);
            let transaction = client.transaction().await.unwrap();
            let first = keyed();
            let id = first.message.id;
            outbox::enqueue(&transaction, &place.options(), &[first]).await.unwrap().remove(0).unwrap();
            let other: PostgresQueue = queue.clone();
            let second = tokio::spawn(async move { other.enqueue(vec![keyed()]).await });
            // What has neither is not held up.
            let answer = soon("a plain message", queue.enqueue(vec![plain()])).await.unwrap().remove(0);
            queue.cancel(&[answer.unwrap().id]).await.unwrap();
            assert!(!second.is_finished());
            if commits {
                transaction.commit().await.unwrap();
            } else {
                transaction.rollback().await.unwrap();
            }
            let answer = soon("the second", second).await.unwrap().unwrap().remove(0).unwrap();
            assert_eq!(answer.duplicate_of, commits.then_some(id));
            assert_eq!(queue.cancel(&[answer.id]).await.unwrap(), 1);
            queue.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn outside_of_a_fitting_transaction_nothing_is_stored() {
    Place::run(async |place| {
        let (queue, mut client) = (place.open().await, place.client().await);
        let refused = outbox::enqueue(&client, &place.options(), &[plain()]).await.unwrap_err();
        assert!(matches!(refused, QueueError::Unsupported { .. }), "{refused}");
        let begun = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start().await;
        let transaction = begun.unwrap();
        let refused = outbox::enqueue(&transaction, &place.options(), &[keyed()]).await.unwrap_err();
        assert!(refused.to_string().contains("read committed"), "{refused}");
        outbox::enqueue(&transaction, &place.options(), &[plain()]).await.unwrap().remove(0).unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(queue.depth(None).await.unwrap().ready, 1);
    })
    .await;
}
