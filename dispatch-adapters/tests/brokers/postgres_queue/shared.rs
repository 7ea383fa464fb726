//! Several queues on one schema, as several processes have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_adapters::model::messenger::DispatchOptions;
use dispatch_adapters::model::queue::{LeaseToken, MessageQueue, Settlement, Submission, Wakeup, WorkerId};
use dispatch_adapters::postgres_queue::PostgresQueue;
use futures_util::future::join_all;

use super::rates::several_workers_keep_to_rates;
use super::support::{Place, claim, claims, done, message, put};
use crate::support::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_stores_another_gets_once() {
    Place::run(async |place| {
        const COUNT: usize = 600;
        let queues = [place.open().await, place.open().await, place.open().await];
        let stored = join_all((0..COUNT).map(|number| put(&queues[number % 3]))).await;
        let work = |queue: PostgresQueue, worker: String| async move {
            let mut taken = Vec::new();
            loop {
                let claimed = claim(&queue, &worker, 7).await;
                if claimed.messages.is_empty() && claimed.next_due.is_none() {
                    return taken;
                }
                taken.extend(claimed.messages.iter().map(|leased| leased.token.id));
                assert!(queue.settle(done(claimed)).await.unwrap().iter().all(Result::is_ok));
            }
        };
        let workers =
            (0..6).map(|number| tokio::spawn(work(queues[number % 3].clone(), format!("worker-{number}"))));
        let taken: Vec<_> = join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(taken.len(), COUNT, "each once");
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), stored.into_iter().collect());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_ordering_key_nobody_gets_two_at_a_time_or_out_of_order() {
    Place::run(async |place| {
        const COUNT: usize = 160;
        let queues = [place.open().await, place.open().await];
        let lane = |number: usize| format!("customer-{}", number % 4);
        for number in 0..COUNT {
            let options = DispatchOptions { ordering_key: Some(lane(number)), ..DispatchOptions::default() };
            let submission = Submission::new(message(&options));
            queues[number % 2].enqueue(vec![submission]).await.unwrap().remove(0).unwrap();
        }
        let seen: Arc<Mutex<BTreeMap<String, (bool, Vec<_>)>>> = Arc::default();
        let work = |queue: PostgresQueue, worker: String, seen: Arc<Mutex<BTreeMap<_, (bool, Vec<_>)>>>| async move {
            loop {
                let claimed = claim(&queue, &worker, 2).await;
                if claimed.messages.is_empty() {
                    if queue.depth(None).await.unwrap().open() == 0 {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
                for leased in claimed.messages {
                    let key = leased.message.ordering_key.clone().unwrap();
                    {
                        let mut seen = seen.lock().unwrap();
                        let (busy, order) = seen.entry(key.clone()).or_insert((false, Vec::new()));
                        assert!(!std::mem::replace(busy, true), "two of {key} at a time");
                        order.push((leased.due_at, leased.token.id));
                    }
                    tokio::task::yield_now().await;
                    seen.lock().unwrap().get_mut(&key).unwrap().0 = false;
                    queue.settle(vec![Settlement::done(leased.token)]).await.unwrap().remove(0).unwrap();
                }
            }
        };
        let workers = (0..4).map(|number| {
            tokio::spawn(work(queues[number % 2].clone(), format!("worker-{number}"), Arc::clone(&seen)))
        });
        soon("the end", join_all(workers)).await.into_iter().for_each(Result::unwrap);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.values().map(|(_, order)| order.len()).sum::<usize>(), COUNT);
        for (key, (_, order)) in &*seen {
            assert!(order.is_sorted(), "{key} is out of order");
        }
    })
    .await;
}

#[tokio::test]
async fn who_waits_is_woken_by_what_another_stores_and_hands_back() {
    Place::run(async |place| {
        let (here, there) = (place.open().await, place.open().await);
        // Until it listens, which wakes once.
        let mut seen = soon("the first wake-up", here.wait(Wakeup::default())).await.unwrap();
        put(&there).await;
        seen = soon("word of what was stored", here.wait(seen)).await.unwrap();
        let claimed = claim(&there, "two", 1).await;
        let token = claimed.messages[0].token.clone();
        there.settle(vec![Settlement::release(token)]).await.unwrap().remove(0).unwrap();
        seen = soon("word of what was handed back", here.wait(seen)).await.unwrap();
        there.set_paused(&"default".parse().unwrap(), false).await.unwrap();
        soon("word that the queue goes on", here.wait(seen)).await.unwrap();
        assert_eq!(claim(&here, "one", 1).await.messages.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn transports_of_one_schema_are_apart() {
    Place::run(async |place| {
        let jobs = place.open().await;
        let mail = PostgresQueue::open(place.options().with_transport("mail")).await.unwrap();
        let sent = message(&DispatchOptions::default());
        jobs.enqueue(vec![Submission::new(sent.clone())]).await.unwrap().remove(0).unwrap();
        assert_eq!((jobs.name(), mail.name()), ("jobs", "mail"));
        assert!(claim(&mail, "one", 1).await.messages.is_empty());
        assert!(mail.find(sent.id).await.unwrap().is_none());
        assert_eq!(mail.cancel(&[sent.id]).await.unwrap(), 0);
        assert!(mail.queues().await.unwrap().is_empty());
        // The same id elsewhere is another message.
        mail.enqueue(vec![Submission::new(sent.clone())]).await.unwrap().remove(0).unwrap();
        for queue in [&jobs, &mail] {
            assert_eq!(queue.depth(None).await.unwrap().ready, 1);
            let claimed = claim(queue, "one", 1).await;
            assert_eq!(claimed.messages[0].token.id, sent.id);
            queue.settle(done(claimed)).await.unwrap().remove(0).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_runs_out_by_the_clock_of_the_server_frees_the_message() {
    Place::run(async |place| {
        let queue = place.open().await;
        let id = put(&queue).await;
        let first = queue.claim(&claims("slow", 1, Duration::from_millis(1))).await.unwrap();
        let again = soon("the end of the lease", async {
            loop {
                let claimed = claim(&queue, "quick", 1).await;
                if let Some(leased) = claimed.messages.into_iter().next() {
                    return leased;
                }
            }
        })
        .await;
        assert_eq!((again.token.id, again.attempt, again.history.as_slice().len()), (id, 2, 1));
        assert!(queue.settle(done(first)).await.unwrap().remove(0).is_err(), "the slow one is fenced");
        queue.settle(vec![Settlement::done(again.token)]).await.unwrap().remove(0).unwrap();
    })
    .await;
}

#[tokio::test]
async fn calls_that_are_answered_together_are_told_apart() {
    Place::run(async |place| {
        let queue = place.open().await;
        for lane in [None, Some("lane".to_owned())] {
            let options = DispatchOptions { ordering_key: lane, ..DispatchOptions::default() };
            let sent = Submission::new(message(&options));
            queue.enqueue(vec![sent]).await.unwrap().remove(0).unwrap();
            let first = claim(&queue, "one", 1).await.messages.remove(0).token;
            queue.settle(vec![Settlement::release(first.clone())]).await.unwrap().remove(0).unwrap();
            let token = claim(&queue, "one", 1).await.messages.remove(0).token;
            let foreign = LeaseToken { worker: WorkerId::new("two"), ..token.clone() };
            let lease = Duration::from_secs(60);
            let extended =
                queue.extend(&[first.clone(), foreign.clone(), token.clone()], lease).await.unwrap();
            assert_eq!(extended.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
            let says = [&first, &foreign, &token, &token].map(|token| Settlement::done(token.clone()));
            let answers = join_all(says.into_iter().map(|says| queue.settle(vec![says]))).await;
            let taken: Vec<_> =
                answers.into_iter().map(|answers| answers.unwrap().remove(0).is_ok()).collect();
            assert_eq!(taken, [false, false, true, false]);
        }
    })
    .await;
}

#[actix::test]
async fn several_workers_keep_to_the_rates_of_a_schema() {
    Place::run(async |place| {
        let queues = [place.open().await, place.open().await];
        several_workers_keep_to_rates(queues.map(|queue| Arc::new(queue) as _)).await;
    })
    .await;
}
