//! Several workers on one store, each of which keeps to the rates of the transport and of its ordering keys.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dispatch_adapters::messenger::{
    DispatchOptions, Message, MessageQueue, Messenger, MessengerConfig, WorkerConfig,
};
use dispatch_adapters::prelude::*;
use serde_json::json;
use tokio::sync::Notify;

const KEYS: u64 = 3;
const OF_A_KEY: u64 = 10;
const WITHOUT_KEY: u64 = 10;
const ALL: u64 = KEYS * OF_A_KEY + WITHOUT_KEY;
/// Between two of a key, and between two of the transport once a burst is over.
const KEY_PACE: Duration = Duration::from_millis(50);
const PACE: Duration = Duration::from_millis(10);
const BURST: u64 = 4;

/// A message that a handler got.
struct Seen {
    worker: usize,
    key: Option<String>,
    number: u64,
    attempt: String,
    at: Instant,
}

#[derive(Clone, Default)]
struct Log {
    seen: Arc<Mutex<Vec<Seen>>>,
    complete: Arc<Notify>,
}

impl Log {
    fn engine(&self, worker: usize) -> Engine {
        let log = self.clone();
        let mail = on_command("mail").concurrency(20).run(move |envelope: Envelope| {
            let number = envelope.raw_payload().to_json().unwrap()["number"].as_u64().unwrap();
            let attempt = envelope.headers().get("x-message-attempt").unwrap().to_owned();
            let key = envelope.key().map(str::to_owned);
            let mut seen = log.seen.lock().unwrap();
            seen.push(Seen { worker, key, number, attempt, at: Instant::now() });
            if seen.len() as u64 == ALL {
                log.complete.notify_one();
            }
            async { Ok::<_, DispatcherError>(()) }
        });
        let route = Route::new("mail", "messenger.**", Category::Command, "mail");
        Engine::builder().dispatcher(mail).route(route).freeze().unwrap()
    }
}

/// Sends through the first, and has a worker on each of them: two handles of one store, as two processes would have.
pub(crate) async fn several_workers_keep_to_rates(queues: [Arc<dyn MessageQueue>; 2]) {
    let transport = queues[0].name().to_owned();
    let config = json!({
        "default_transport": transport,
        "transports": { transport.as_str(): {
            "type": "shared",
            "rate_limit": { "events": 100, "burst": BURST },
            "key_rate_limit": { "events": 20 },
        } },
    });
    let config = MessengerConfig::from_json(&config.to_string()).unwrap();
    let messenger = |queue: Arc<dyn MessageQueue>| {
        let builder = Messenger::builder().config(config.clone());
        builder.shared_transport(transport.as_str(), queue).build().unwrap()
    };
    let messengers = queues.map(messenger);
    for number in 0..ALL {
        let key = (number < KEYS * OF_A_KEY).then(|| format!("key {}", number % KEYS));
        let message = Message::new("SendMail", &json!({ "number": number })).unwrap();
        let options = DispatchOptions { ordering_key: key, ..DispatchOptions::default() };
        messengers[0].dispatch_with(message, &options).await.unwrap();
    }

    let (log, begun) = (Log::default(), Instant::now());
    let workers = messengers.iter().enumerate().map(|(worker, messenger)| {
        let config = WorkerConfig { concurrency: 5, prefetch: 3, ..WorkerConfig::default() };
        messenger.work(&log.engine(worker), config).unwrap()
    });
    let workers: Vec<_> = workers.collect();
    log.complete.notified().await;
    let (mut done, mut held_back) = (0, 0);
    for worker in workers {
        let report = worker.drain(Duration::from_secs(60)).await.unwrap();
        done += report.done;
        held_back += report.held_back;
    }
    assert_eq!(done, ALL);
    assert!(held_back > 0, "the next one of a key comes to the front long before it may begin");

    let seen = std::mem::take(&mut *log.seen.lock().unwrap());
    let mut numbers: Vec<_> = seen.iter().map(|seen| seen.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..ALL).collect::<Vec<_>>(), "each is handled once");
    assert!(seen.iter().all(|seen| seen.attempt == "1"), "what is held back has begun nothing");
    for key in (0..KEYS).map(|key| format!("key {key}")) {
        let of_key = seen.iter().filter(|seen| seen.key.as_ref() == Some(&key));
        assert!(of_key.map(|seen| seen.number).is_sorted(), "'{key}' is in order, whoever has which");
    }
    // A handler may see a message later than it began, and never sooner.
    let no_sooner = |which: &dyn Fn(&Seen) -> bool, burst: u64, pace: Duration| {
        for (place, seen) in seen.iter().filter(|seen| which(seen)).enumerate() {
            let paces = u32::try_from((place as u64 + 1).saturating_sub(burst)).unwrap();
            let since = seen.at - begun;
            assert!(since >= pace * paces, "{} began after {since:?}, as {place} of its rate", seen.number);
        }
    };
    for worker in 0..messengers.len() {
        no_sooner(&|seen| seen.worker == worker, BURST, PACE);
        for key in (0..KEYS).map(|key| format!("key {key}")) {
            no_sooner(&|seen| seen.worker == worker && seen.key.as_ref() == Some(&key), 1, KEY_PACE);
        }
    }
    for messenger in messengers {
        assert_eq!(messenger.stats().await.unwrap()[0].total().open(), 0);
        messenger.close().await.unwrap();
    }
}
