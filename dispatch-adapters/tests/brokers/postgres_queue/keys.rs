//! Keys in a race.

use std::collections::BTreeSet;
use std::time::Duration;

use dispatch_adapters::model::messenger::{DispatchOptions, Duplicates};
use dispatch_adapters::model::queue::{Filter, MessageQueue, Page, QueueError, Remember, Submission};
use dispatch_adapters::postgres_queue::PostgresQueue;
use futures_util::future::join_all;

use super::support::{Place, claim, claims, done, message};

fn keyed(duplicates: Duplicates, key: &str, lane: Option<&str>) -> Submission {
    let mut options = DispatchOptions::default().with_idempotency_key(key);
    options.ordering_key = lane.map(str::to_owned);
    Submission::new(message(&options)).remembered(Remember { until: None, duplicates })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_tasks_that_send_one_key_one_is_stored() {
    Place::run(async |place| {
        let queues = [place.open().await, place.open().await];
        for (duplicates, lane) in [
            (Duplicates::ReturnExisting, None),
            (Duplicates::Reject, None),
            (Duplicates::Replace, None),
            (Duplicates::Replace, Some("lane")),
        ] {
            let key = format!("planted-{duplicates:?}-{lane:?}");
            let sends = (0..100).map(|number| {
                let (queue, key): (PostgresQueue, _) = (queues[number % 2].clone(), key.clone());
                tokio::spawn(async move {
                    // Two keys each, in different orders: nobody waits for somebody who waits for them.
                    let mut sent =
                        vec![keyed(duplicates, &key, lane), keyed(duplicates, &format!("{key}-2"), lane)];
                    if number % 3 == 0 {
                        sent.reverse();
                    }
                    let ids: Vec<_> = sent.iter().map(|submission| submission.message.id).collect();
                    (ids, queue.enqueue(sent).await.unwrap())
                })
            });
            let (mut stored, mut replaced) = (BTreeSet::new(), BTreeSet::new());
            let mut named = BTreeSet::new();
            for answered in join_all(sends).await {
                let (ids, answers) = answered.unwrap();
                for (id, answer) in ids.into_iter().zip(answers) {
                    match answer {
                        Ok(answer) => {
                            named.extend(answer.duplicate_of);
                            replaced.extend(answer.replaced);
                            if answer.duplicate_of.is_none() {
                                assert!(stored.insert(id));
                            }
                        }
                        Err(QueueError::Duplicate { of }) => drop(named.insert(of)),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            assert_eq!(stored.len() - replaced.len(), 2, "{duplicates:?}: one for each key is left");
            assert!(named.is_subset(&stored) && replaced.is_subset(&stored), "{duplicates:?}");
            let left = queues[0].list(&Filter::all(), Page::first(1_000)).await.unwrap();
            let left: BTreeSet<_> = left.iter().map(|stored| stored.id).collect();
            assert_eq!(left, stored.difference(&replaced).copied().collect(), "{duplicates:?}");
            assert_eq!(queues[1].purge(&Filter::all()).await.unwrap(), 2);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_replaces_what_somebody_has_just_begun() {
    Place::run(async |place| {
        let queue = place.open().await;
        for round in 0..30 {
            let key = format!("round-{round}");
            let first = keyed(Duplicates::Replace, &key, None);
            let id = first.message.id;
            queue.enqueue(vec![first]).await.unwrap().remove(0).unwrap();
            let wanted = claims("one", 10, Duration::from_secs(60));
            let second = queue.enqueue(vec![keyed(Duplicates::Replace, &key, None)]);
            let (claimed, answer) = tokio::join!(queue.claim(&wanted), second);
            let (claimed, answer) = (claimed.unwrap(), answer.unwrap().remove(0).unwrap());
            let taken = claimed.messages.iter().any(|leased| leased.token.id == id);
            assert_eq!(answer.replaced, (!taken).then_some(id), "either begun or replaced");
            assert_eq!(answer.duplicate_of, taken.then_some(id));
            assert!(queue.settle(done(claimed)).await.unwrap().iter().all(Result::is_ok));
            let rest = claim(&queue, "one", 10).await;
            assert!(rest.messages.len() <= 1);
            queue.settle(done(rest)).await.unwrap();
        }
    })
    .await;
}
