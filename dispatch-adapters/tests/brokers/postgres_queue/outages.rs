//! Connections that break, and a server that is away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_adapters::model::messenger::DispatchOptions;
use dispatch_adapters::model::queue::{
    Attempt, Leased, MessageQueue, QueueError, Settlement, Submission, Wakeup,
};
use dispatch_adapters::postgres_queue::{PostgresQueue, PostgresQueueOptions};
use futures_util::future::join_all;
use tokio::sync::watch;
use uuid::Uuid;

use super::cluster::Cluster;
use super::support::{Place, claim, claims, message, proof, put};
use crate::support::{Proxy, address, soon, unique};

/// What has happened to each message: the attempts that reached a worker, and how often its end was acknowledged.
type Seen = Arc<Mutex<BTreeMap<Uuid, (Vec<u32>, usize)>>>;

/// Asks again until there is an answer; every error on the way must be one that passes.
async fn insist<T, F: Future<Output = Result<T, QueueError>>>(mut ask: impl FnMut() -> F) -> T {
    let mut pause = tokio::time::interval(Duration::from_millis(5));
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => {
                assert!(matches!(error, QueueError::Unavailable { .. }), "{error:?}");
                assert!(!format!("{error} {error:?}").contains("postgres@"), "{error:?}");
            }
        }
        pause.tick().await;
    }
}

async fn send(queue: PostgresQueue, count: usize, seen: Seen) {
    for number in 0..count {
        // Some go the way of transactions.
        let ordering_key = (number % 3 == 0).then(|| format!("lane-{}", number % 5));
        let mut options = DispatchOptions { ordering_key, ..DispatchOptions::default() };
        if number % 4 == 0 {
            options = options.with_idempotency_key(Uuid::new_v4().to_string());
        }
        let submission = Submission::new(message(&options));
        seen.lock().unwrap().entry(submission.message.id).or_default();
        let answer = insist(|| queue.enqueue(vec![submission.clone()])).await.remove(0).unwrap();
        assert_eq!((answer.id, answer.duplicate_of), (submission.message.id, None));
    }
}

async fn handle(queue: &PostgresQueue, leased: Leased, seen: &Seen) {
    let id = leased.token.id;
    {
        let mut seen = seen.lock().unwrap();
        let (attempts, ends) = seen.get_mut(&id).expect("it was sent");
        attempts.push(leased.attempt);
        assert_eq!(*ends, 0, "what is done is not handled again");
    }
    let lost = leased.history.as_slice().iter().filter(|attempt| attempt.error == Attempt::LOST).count();
    assert_eq!(lost, leased.attempt as usize - 1, "there is another attempt only after a lease has run out");
    let settlement = Settlement::done(leased.token);
    // An answer may have been lost, and then the lease is.
    if insist(|| queue.settle(vec![settlement.clone()])).await.remove(0).is_ok() {
        seen.lock().unwrap().get_mut(&id).unwrap().1 += 1;
    }
}

async fn work(queue: PostgresQueue, worker: String, seen: Seen, stop: watch::Receiver<bool>) {
    let wanted = claims(&worker, 4, Duration::from_millis(1_500));
    let mut pause = tokio::time::interval(Duration::from_millis(2));
    loop {
        let claimed = insist(|| queue.claim(&wanted)).await;
        if claimed.messages.is_empty() && *stop.borrow() {
            return;
        }
        join_all(claimed.messages.into_iter().map(|leased| handle(&queue, leased, &seen))).await;
        pause.tick().await;
    }
}

/// Sends and works while connections are broken again and again, each time after some more has been done. What is done
/// is kept, so that a message is known that is sent again because the answer was lost.
async fn load(options: PostgresQueueOptions, mut harm: impl AsyncFnMut()) {
    const COUNT: usize = 250;
    let options = options.keeping_done(Duration::from_secs(3_600));
    let queues =
        [PostgresQueue::open(options.clone()).await.unwrap(), PostgresQueue::open(options).await.unwrap()];
    let (seen, (stop, stopped)) = (Seen::default(), watch::channel(false));
    let senders: Vec<_> =
        queues.iter().map(|queue| tokio::spawn(send(queue.clone(), COUNT, Arc::clone(&seen)))).collect();
    let workers = (0..4).map(|number| {
        let (queue, name) = (queues[number % 2].clone(), format!("worker-{number}"));
        tokio::spawn(work(queue, name, Arc::clone(&seen), stopped.clone()))
    });
    let workers: Vec<_> = workers.collect();
    let ended = || seen.lock().unwrap().values().filter(|(_, ends)| *ends > 0).count();
    let mut look = tokio::time::interval(Duration::from_millis(5));
    for round in 1..=5 {
        while ended() < round * COUNT / 8 {
            assert!(workers.iter().all(|worker| !worker.is_finished()), "a worker has panicked");
            look.tick().await;
        }
        harm().await;
    }
    join_all(senders).await.into_iter().for_each(Result::unwrap);
    while insist(|| queues[0].depth(None)).await.open() > 0 {
        assert!(workers.iter().all(|worker| !worker.is_finished()), "a worker has panicked");
        look.tick().await;
    }
    stop.send(true).unwrap();
    join_all(workers).await.into_iter().for_each(Result::unwrap);
    assert_eq!(queues[0].depth(None).await.unwrap().failed, 0);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2 * COUNT);
    for (id, (attempts, ends)) in &*seen {
        assert!(!attempts.is_empty(), "{id} was lost");
        assert!(attempts.is_sorted_by(|a, b| a < b), "{id} had one attempt twice: {attempts:?}");
        assert!(*ends <= 1, "{id} has ended {ends} times");
    }
}

/// The URL with another place, and perhaps a name for its connections.
fn through(url: &str, port: u16) -> String {
    url.replace(&address(url), &format!("127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_connections_are_cut_under_load() {
    for _ in 0..proof() {
        Place::run(async |place| {
            let proxy = Arc::new(tokio::sync::Mutex::new(Proxy::to(address(&place.url)).await));
            let mut options = place.options().with_timeout(Duration::from_secs(10));
            options.url = through(&place.url, proxy.lock().await.port()).into();
            let other = options.clone();
            load(options, async || {
                let mut proxy = proxy.lock().await;
                proxy.cut().await;
                // While it is away, so is the queue.
                let refused = PostgresQueue::open(other.clone()).await.unwrap_err();
                assert!(matches!(refused, QueueError::Unavailable { .. }), "{refused}");
                proxy.restore().await;
            })
            .await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_server_ends_connections_under_load() {
    for _ in 0..proof() {
        Place::run(async |place| {
            let (name, client) = (unique("q"), place.client().await);
            let mut options = place.options().with_timeout(Duration::from_secs(10));
            let url = place.url.split('?').next().unwrap();
            options.url = format!("{url}?application_name={name}").into();
            load(options, async || {
                let text = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
                let ended: i64 = client.query_one(text, &[&name]).await.unwrap().get(0);
                assert!(ended > 0);
            })
            .await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_server_itself_is_stopped_or_killed_under_load() {
    for _ in 0..proof() {
        let Some(mut cluster) = Cluster::start().await else { return };
        let options = PostgresQueueOptions::new(cluster.url()).with_transport("jobs").migrating();
        let mut signals = ["INT", "QUIT", "KILL"].iter().cycle();
        load(options.with_timeout(Duration::from_secs(10)), async || {
            cluster.down(signals.next().unwrap());
            cluster.up().await;
        })
        .await;
    }
}

#[tokio::test]
async fn wake_ups_come_back_with_the_connection() {
    Place::run(async |place| {
        let mut proxy = Proxy::to(address(&place.url)).await;
        let mut options = place.options();
        options.url = through(&place.url, proxy.port()).into();
        let (here, there) = (PostgresQueue::open(options).await.unwrap(), place.open().await);
        let seen = soon("the first wake-up", here.wait(Wakeup::default())).await.unwrap();
        proxy.cut().await;
        put(&there).await;
        proxy.restore().await;
        // Nobody told it of the message; it looks for itself when it listens again.
        let seen = soon("a wake-up after the outage", here.wait(seen)).await.unwrap();
        assert_eq!(claim(&here, "one", 9).await.messages.len(), 1);
        put(&there).await;
        soon("a wake-up as before", here.wait(seen)).await.unwrap();
        assert_eq!(claim(&here, "one", 9).await.messages.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_is_named_and_used_when_it_comes() {
    Place::run(async |place| {
        let mut proxy = Proxy::to(address(&place.url)).await;
        proxy.cut().await;
        let mut options = place.options();
        let port = proxy.port();
        options.url = format!("{}?application_name=hunter2", through(&place.url, port)).into();
        let refused = PostgresQueue::open(options.clone()).await.unwrap_err();
        assert!(matches!(refused, QueueError::Unavailable { .. }) && refused.is_retryable(), "{refused}");
        let shown = format!("{refused} {refused:?}");
        assert!(
            shown.contains(&format!("127.0.0.1:{port}")) && shown.contains("start the server"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        proxy.restore().await;
        put(&PostgresQueue::open(options).await.unwrap()).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://user@127.0.0.1:{}/db", silent.local_addr().unwrap().port());
    let options = PostgresQueueOptions::new(url).with_timeout(Duration::from_millis(200));
    let refused = soon("an answer", PostgresQueue::open(options)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Unavailable { .. }), "{refused}");
}
