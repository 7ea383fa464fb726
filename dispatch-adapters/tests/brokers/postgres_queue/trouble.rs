//! Tables that are missing, newer or foreign, messages that cannot be stored or read, and options that are not possible.

use std::collections::BTreeSet;
use std::time::Duration;

use dispatch_adapters::model::messenger::{DispatchOptions, MessengerErrorCode};
use dispatch_adapters::model::queue::{
    Filter, MessageQueue, MessageState, Page, QueueError, StoredBody, Submission,
};
use dispatch_adapters::postgres_queue::{PostgresQueue, PostgresQueueOptions};
use futures_util::future::join_all;
use serde_json::json;

use super::support::{Place, claim, done, message, put};
use crate::support::{address, unique};

#[tokio::test]
async fn tables_are_made_when_that_is_asked_for_and_by_one_of_many() {
    Place::run(async |place| {
        let mut options = place.options();
        options.migrate = false;
        let refused = PostgresQueue::open(options.clone()).await.unwrap_err();
        assert!(matches!(refused, QueueError::NotMigrated { found: 0, wanted: 1 }), "{refused}");
        let all = join_all((0..8).map(|_| PostgresQueue::migrate(&options))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        let queue = PostgresQueue::open(options.clone()).await.unwrap();
        put(&queue).await;
        PostgresQueue::migrate(&options).await.unwrap();
        assert_eq!(queue.depth(None).await.unwrap().ready, 1, "what is there is left as it is");
    })
    .await;
}

#[tokio::test]
async fn tables_of_another_version_are_left_alone() {
    Place::run(async |place| {
        place.open().await.close().await.unwrap();
        let (client, meta) = (place.client().await, place.table("dispatch_meta"));
        client.batch_execute(&format!("UPDATE {meta} SET value = 7 WHERE name = 'version'")).await.unwrap();
        let refused = PostgresQueue::open(place.options()).await.unwrap_err();
        assert!(matches!(refused, QueueError::Newer { found: 7, known: 1 }), "{refused}");
        let mut options = place.options();
        options.migrate = false;
        let refused = PostgresQueue::open(options).await.unwrap_err();
        assert!(matches!(refused, QueueError::Newer { found: 7, known: 1 }), "{refused}");
        client.batch_execute(&format!("DELETE FROM {meta}")).await.unwrap();
        let refused = PostgresQueue::open(place.options()).await.unwrap_err();
        assert!(refused.to_string().contains("use another schema"), "{refused}");
        client.batch_execute(&format!("DROP TABLE {meta}; CREATE TABLE {meta} (x text)")).await.unwrap();
        let refused = PostgresQueue::open(place.options()).await.unwrap_err();
        assert!(refused.to_string().contains("42703"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn tables_that_go_away_are_named() {
    Place::run(async |place| {
        let queue = place.open().await;
        let drop = format!("DROP TABLE {} CASCADE", place.table("dispatch_message"));
        place.client().await.batch_execute(&drop).await.unwrap();
        let refused =
            queue.enqueue(vec![Submission::new(message(&DispatchOptions::default()))]).await.unwrap_err();
        assert!(refused.to_string().contains("run the migrations"), "{refused}");
        assert!(!refused.is_retryable());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_has_failed_and_is_kept_as_it_is() {
    Place::run(async |place| {
        let (queue, client, table) =
            (place.open().await, place.client().await, place.table("dispatch_message"));
        for change in [
            "body = convert_to(replace(convert_from(body, 'UTF8'), 'ann', 'eve'), 'UTF8')",
            "body = '\\xff00'",
            "sum = sum + 1",
            "history = 'not JSON'",
            "succeeded = 'not JSON'",
        ] {
            let options =
                DispatchOptions { ordering_key: Some("lane".to_owned()), ..DispatchOptions::default() };
            let bad = message(&options);
            let (id, next) = (bad.id, message(&options));
            let good = next.id;
            let sent = vec![Submission::new(bad), Submission::new(next)];
            assert!(queue.enqueue(sent).await.unwrap().iter().all(Result::is_ok));
            let text = format!("UPDATE {table} SET {change} WHERE id = $1");
            assert_eq!(client.execute(&text, &[&id]).await.unwrap(), 1);
            let claimed = claim(&queue, "one", 10).await;
            assert_eq!((claimed.messages.len(), claimed.unreadable), (1, 1), "{change}");
            assert_eq!(claimed.messages[0].token.id, good, "the next one of its key is handled");
            let stored = queue.find(id).await.unwrap().unwrap();
            assert_eq!((stored.state, stored.attempts), (MessageState::Failed, 0));
            let readable = change.starts_with("history") || change.starts_with("succeeded");
            assert_eq!(matches!(stored.body, StoredBody::Unreadable(_)), !readable, "{stored:?}");
            assert!(stored.last_error().unwrap().starts_with("the stored message cannot be read"));
            let refused = queue.replay(id, Some(serde_json::Map::new()), None).await.err();
            let code = refused.map(|error| error.code());
            // Its history has become one that can be read; the bodies of the others are as they were.
            assert!(readable || code == Some(MessengerErrorCode::Serialization), "{code:?}");
            queue.settle(done(claimed)).await.unwrap().remove(0).unwrap();
            assert_eq!(queue.purge(&Filter::all()).await.unwrap(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_alone_and_shows_nothing() {
    Place::run(async |place| {
        let queue = PostgresQueue::open(place.options().with_max_message_bytes(2_000)).await.unwrap();
        let mut large = message(&DispatchOptions::default());
        large.payload.insert("text".to_owned(), json!("planted".repeat(1_000)));
        let good = message(&DispatchOptions::default());
        let mut odd = message(&DispatchOptions::default());
        odd.ordering_key = Some("zero \0 in it".to_owned());
        let answers = queue.enqueue([large, good, odd].map(Submission::new).into()).await.unwrap();
        let refused = answers[0].as_ref().unwrap_err();
        assert!(matches!(refused, QueueError::TooLarge { limit: 2_000, .. }), "{refused}");
        assert!(!format!("{refused} {refused:?}").contains("planted"));
        assert!(answers[1].is_ok() && answers[2].is_ok(), "{answers:?}");
        assert_eq!(queue.depth(None).await.unwrap().ready, 2);
        let claimed = claim(&queue, "a worker with \0 in its name", 10).await;
        assert_eq!(claimed.messages.len(), 2);
        let mut settlements = Vec::new();
        for leased in claimed.messages {
            let attempt = dispatch_adapters::model::queue::Attempt {
                series: 0,
                number: 1,
                worker: leased.token.worker.clone(),
                started_at: leased.claimed_at,
                waited: leased.waited(),
                ran: None,
                error: "it has a \0 in it".to_owned(),
                unrecoverable: false,
            };
            let outcome = dispatch_adapters::model::queue::Outcome::Failed { attempt, succeeded: Vec::new() };
            settlements.push(dispatch_adapters::model::queue::Settlement { token: leased.token, outcome });
        }
        assert!(queue.settle(settlements).await.unwrap().iter().all(Result::is_ok));
        let failed = queue.list(&Filter::failed(), Page::first(9)).await.unwrap();
        assert_eq!(failed.len(), 2);
        assert_eq!(failed[0].last_error(), Some("it has a \0 in it"));
        let group = failed[0].error_group.clone().unwrap();
        let found = queue.list(&Filter::failed().with_error(group), Page::first(9)).await.unwrap();
        assert_eq!(found.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn more_than_goes_into_one_statement_is_stored_in_one_transaction() {
    Place::run(async |place| {
        let queue = place.open().await;
        let mut sent: Vec<_> =
            (0..2_500).map(|_| Submission::new(message(&DispatchOptions::default()))).collect();
        let mut large = message(&DispatchOptions::default());
        large.payload.insert("text".to_owned(), json!("x".repeat(9 * 1024 * 1024)));
        sent.insert(1_200, Submission::new(large));
        let ids: BTreeSet<_> = sent.iter().map(|submission| submission.message.id).collect();
        let answers = queue.enqueue(sent).await.unwrap();
        assert_eq!(answers.into_iter().map(|answer| answer.unwrap().id).collect::<BTreeSet<_>>(), ids);
        assert_eq!(queue.depth(None).await.unwrap().ready, 2_501);
        let claimed = claim(&queue, "one", 3_000).await;
        assert!(queue.settle(done(claimed)).await.unwrap().iter().all(Result::is_ok));
        assert_eq!(queue.depth(None).await.unwrap().open(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_login_or_a_database_that_is_not_there_is_named_without_the_password() {
    let Some(place) = Place::find() else { return };
    let (host, database) = (address(&place.url), unique("d"));
    let nobody = format!("postgres://nobody_here:hunter2@{host}/postgres");
    let nowhere = place.url.rsplit_once('/').map(|(server, _)| format!("{server}/{database}")).unwrap();
    for (url, what) in [(nobody, "refused the login"), (nowhere, "has no such database")] {
        let options = PostgresQueueOptions::new(url.as_str());
        let refused = PostgresQueue::open(options.clone()).await.unwrap_err();
        let shown = format!("{refused} {refused:?} {options:?}");
        assert!(shown.contains(what) && shown.contains(&host), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains(&database), "{shown}");
    }
}

#[tokio::test]
async fn every_problem_of_the_options_is_named_at_once() {
    let options = PostgresQueueOptions::new("mysql://u:hunter2@h")
        .with_transport("not a name")
        .with_schema("")
        .with_per_key(0)
        .with_max_message_bytes(0)
        .with_connections(0)
        .with_timeout(std::time::Duration::ZERO);
    let refused = PostgresQueue::open(options).await.unwrap_err().to_string();
    for part in ["scheme", "transport", "schema", "per_key", "max_message_bytes", "connections", "timeout"] {
        assert!(refused.contains(part), "no {part} in {refused}");
    }
    assert!(!refused.contains("hunter2"));
}

/// Nobody lets the lease run on of what was taken, as long as the claim is under way.
#[tokio::test]
async fn what_has_expired_is_given_up_in_parts() {
    const EXPIRED: usize = 2_500;
    Place::run(async |place| {
        let queue = place.open().await;
        let short = DispatchOptions { ttl: Some(Duration::from_millis(1)), ..DispatchOptions::default() };
        let mut sent: Vec<_> = (0..EXPIRED).map(|_| Submission::new(message(&short))).collect();
        let live = message(&DispatchOptions::default().with_priority(9));
        let id = live.id;
        sent.push(Submission::new(live));
        assert!(queue.enqueue(sent).await.unwrap().iter().all(Result::is_ok));
        let claimed = claim(&queue, "one", 5).await;
        assert_eq!(claimed.messages.iter().map(|leased| leased.token.id).collect::<Vec<_>>(), [id]);
        assert!((1_000..1_500).contains(&claimed.expired), "{}", claimed.expired);
        assert!(claimed.next_due.is_some(), "there are more to see to");
        let mut expired = claimed.expired;
        while expired < EXPIRED {
            let more = claim(&queue, "one", 5).await;
            assert!(more.messages.is_empty() && more.expired > 0);
            expired += more.expired;
        }
        assert_eq!((expired, queue.depth(None).await.unwrap().open()), (EXPIRED, 1));
    })
    .await;
}
