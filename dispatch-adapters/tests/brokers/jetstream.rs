//! The topic log on JetStream. Needs `DISPATCH_NATS_URL`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream;
use dispatch_adapters::bus::Bus;
use dispatch_adapters::jetstream::{JetStreamLog, JetStreamLogOptions};
use dispatch_adapters::model::log::conformance::{Features, Suite};
use dispatch_adapters::model::log::{
    Cursor, LogBounds, LogEntry, LogError, Offset, ReadLimit, Retention, StoredSubscription, TopicLog,
};
use dispatch_adapters::model::{Envelope, Topic};
use futures_util::TryStreamExt as _;

use crate::support::{Proxy, address, server, soon, unique};

/// A prefix of one test, and what removes its streams.
struct Place {
    url: String,
    prefix: String,
}

impl Place {
    fn new() -> Option<Self> {
        server("DISPATCH_NATS_URL").map(|url| Self { url, prefix: unique("T") })
    }

    fn options(&self) -> JetStreamLogOptions {
        JetStreamLogOptions::new(self.url.as_str()).with_prefix(&self.prefix)
    }

    async fn log(&self) -> JetStreamLog {
        JetStreamLog::connect(self.options()).await.unwrap()
    }

    async fn context(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(&self.url).await.unwrap())
    }

    async fn streams(&self) -> Vec<String> {
        let names: Vec<String> = self.context().await.stream_names().try_collect().await.unwrap();
        names.into_iter().filter(|name| name.starts_with(&self.prefix)).collect()
    }

    async fn remove(self) {
        let context = self.context().await;
        for name in self.streams().await {
            context.delete_stream(&name).await.unwrap();
        }
    }
}

fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

fn entry(number: usize) -> LogEntry {
    Envelope::json("OrderPlaced", serde_json::json!({ "number": number })).into()
}

fn entries(count: usize) -> Vec<LogEntry> {
    (0..count).map(entry).collect()
}

fn number(envelope: &Envelope) -> usize {
    let value: serde_json::Value =
        serde_json::from_slice(&envelope.raw_payload().to_bytes().unwrap().0).unwrap();
    value["number"].as_u64().unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "a test that fails shows the whole")]
async fn it_passes_the_public_suite_of_topic_logs() {
    let Some(place) = Place::new() else { return };
    let log = place.log().await;
    let options = place.options();
    let reopen = move || {
        let options = options.clone();
        async { Ok(Arc::new(JetStreamLog::connect(options).await?) as Arc<dyn TopicLog>) }
    };
    let features = Features {
        // The server stores messages one by one, and counts them with its overhead.
        atomic_batches: false,
        exact_bytes: false,
        max_size: Some(1024 * 1024),
        ..Features::all()
    };
    let report = Suite::new(Arc::new(log)).with_features(features).with_reopen(reopen).run().await;
    println!("{report}");
    report.assert();
    assert_eq!(report.skipped().len(), 2, "{report}");
    place.remove().await;
}

#[tokio::test]
async fn two_logs_on_one_prefix_are_one_log() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.log().await, place.log().await);
    assert!(one.is_shared());
    let topics = [topic("grün.$JS>.a/*\\"), topic(&"x".repeat(1024)), topic("shop.order.events")];
    for (count, topic) in topics.iter().enumerate() {
        for number in 0..=count {
            let log = if number % 2 == 0 { &one } else { &two };
            let offsets = log.append(topic, vec![entry(number)]).await.unwrap();
            assert_eq!(offsets, [Offset::new(number as u64)]);
        }
        let read = two.read(topic, Offset::ZERO, ReadLimit::records(10)).await.unwrap();
        let numbers: Vec<_> = read.records.iter().map(|record| number(&record.entry.envelope)).collect();
        assert_eq!(numbers, (0..=count).collect::<Vec<_>>());
    }
    let mut sorted = topics.to_vec();
    sorted.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    assert_eq!(two.topics().await.unwrap(), sorted);

    let tail = two.tail(&topics[2], Offset::new(3));
    let append = async {
        // It may come before the other waits: then that is told at once.
        tokio::task::yield_now().await;
        one.append(&topics[2], entries(2)).await.unwrap();
    };
    let (head, ()) = soon("a wake-up", async { tokio::join!(tail, append) }).await;
    assert!(head.unwrap() > Offset::new(3));

    let stored = StoredSubscription {
        name: "billing".to_owned(),
        definition: serde_json::json!({ "type": "shared" }),
        cursors: vec![Cursor::at(topics[2].clone(), Offset::new(2))],
    };
    one.save(&stored).await.unwrap();
    assert_eq!(two.load("billing").await.unwrap().unwrap(), stored);
    let forced = Retention { max_records: Some(1), ..Retention::default() };
    forced.apply(&two, &topics[2], SystemTime::now()).await.unwrap();
    assert_eq!(
        one.bounds(&topics[2]).await.unwrap().oldest,
        Offset::new(2),
        "a cursor of the other holds it"
    );
    place.remove().await;
}

#[tokio::test]
async fn a_waiting_reader_hears_of_the_append_of_another_process() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.log().await, place.log().await);
    let topic = topic("shop.order.events");
    one.append(&topic, entries(1)).await.unwrap();
    let mut tail = Box::pin(two.tail(&topic, Offset::new(1)));
    // Long enough to have looked, so that only a wake-up can end it.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut tail).await;
    assert!(early.is_err(), "{early:?}");
    one.append(&topic, entries(1)).await.unwrap();
    assert_eq!(soon("a wake-up", tail).await.unwrap(), Offset::new(2));
    place.remove().await;
}

#[tokio::test]
async fn an_envelope_is_stored_as_often_as_it_is_appended_unless_told_otherwise() {
    let Some(place) = Place::new() else { return };
    let (plain, once) = (topic("plain.order.events"), topic("once.order.events"));
    let twice = entry(1);
    let log = place.log().await;
    for offset in [0, 1] {
        assert_eq!(log.append(&plain, vec![twice.clone()]).await.unwrap(), [Offset::new(offset)]);
    }
    let window = place.options().with_deduplication(Duration::from_secs(60));
    let log = JetStreamLog::connect(window.clone()).await.unwrap();
    let other = JetStreamLog::connect(window).await.unwrap();
    assert_eq!(log.append(&once, vec![entry(0), twice.clone()]).await.unwrap().last(), Some(&Offset::new(1)));
    let again = other.append(&once, vec![twice, entry(2)]).await.unwrap();
    assert_eq!(again, [Offset::new(1), Offset::new(2)], "the first has the place that it had");
    assert_eq!(log.bounds(&once).await.unwrap().head, Offset::new(3));
    place.remove().await;
}

#[tokio::test]
async fn a_full_topic_refuses_and_drops_nothing_by_itself() {
    let Some(place) = Place::new() else { return };
    let log = JetStreamLog::connect(place.options().with_max_topic_bytes(20_000)).await.unwrap();
    let topic = topic("shop.order.events");
    let large = || LogEntry::from(Envelope::bytes("Large", vec![b'x'; 4_000], "text/plain"));
    let mut taken = 0;
    let full = loop {
        match log.append(&topic, vec![large()]).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 10, "it never fills");
    };
    assert!(matches!(full, LogError::Full { .. }) && full.is_retryable(), "{full:?}");
    let bounds = LogBounds { oldest: Offset::ZERO, head: Offset::new(taken) };
    assert_eq!(log.bounds(&topic).await.unwrap(), bounds);
    log.trim(&topic, Offset::new(2)).await.unwrap();
    assert_eq!(log.append(&topic, vec![large()]).await.unwrap(), [Offset::new(taken)]);
    log.trim(&topic, Offset::new(4)).await.unwrap();
    let part = log.append(&topic, (0..6).map(|_| large()).collect()).await.unwrap_err();
    assert!(matches!(part, LogError::Unavailable { .. }), "some of it is stored: {part:?}");
    assert!(log.bounds(&topic).await.unwrap().head > Offset::new(taken + 1));
    place.remove().await;
}

#[tokio::test]
async fn what_is_not_a_record_is_reported_and_can_be_passed() {
    let Some(place) = Place::new() else { return };
    let log = place.log().await;
    let (topic, context) = (topic("shop.order.events"), place.context().await);
    log.append(&topic, entries(6)).await.unwrap();
    let name = place.streams().await.into_iter().find(|name| name.contains("-t-")).unwrap();
    let stream = context.get_stream(&name).await.unwrap();
    // One that somebody deleted, and one that somebody else has sent.
    assert!(stream.delete_message(3).await.unwrap());
    context
        .publish(stream.cached_info().config.subjects[0].clone(), "{}".into())
        .await
        .unwrap()
        .await
        .unwrap();
    log.append(&topic, entries(1)).await.unwrap();
    for (from, good) in [(0, vec![0, 1]), (3, vec![3, 4, 5]), (7, vec![7])] {
        let read = log.read(&topic, Offset::new(from), ReadLimit::records(10)).await.unwrap();
        let there: Vec<_> = read.records.iter().map(|record| record.offset.get()).collect();
        assert_eq!(there, good, "from {from}");
    }
    for bad in [2, 6] {
        let error = log.read(&topic, Offset::new(bad), ReadLimit::records(10)).await.unwrap_err();
        let named = matches!(&error, LogError::Damaged { offset, .. } if *offset == Offset::new(bad));
        assert!(named, "{error:?}");
    }
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_behind_gets_every_record_in_order() {
    const COUNT: usize = 20_000;
    let Some(place) = Place::new() else { return };
    let (log, topic) = (place.log().await, topic("shop.order.events"));
    // More at once than the client lets wait for acknowledgement.
    for _ in 0..2 {
        log.append(&topic, entries(COUNT / 2)).await.unwrap();
    }
    // Two that read side by side, at different speeds, share nothing.
    let read = |limit: usize| {
        let (log, topic) = (&log, &topic);
        async move {
            let mut next = Offset::ZERO;
            while next.get() < COUNT as u64 {
                let read = log.read(topic, next, ReadLimit::records(limit)).await.unwrap();
                assert!(!read.records.is_empty() && read.records.len() <= limit);
                for record in read.records {
                    assert_eq!(record.offset, next);
                    assert_eq!(number(&record.entry.envelope), next.get() as usize % (COUNT / 2));
                    next = next.next();
                }
            }
        }
    };
    let since = std::time::Instant::now();
    tokio::join!(read(1_000), read(300));
    println!("{:.0} records a second", 2.0 * COUNT as f64 / since.elapsed().as_secs_f64());
    place.remove().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_and_everything_works_when_it_is_back() {
    let Some(place) = Place::new() else { return };
    let mut proxy = Proxy::to(address(&place.url)).await;
    proxy.cut().await;
    let away = JetStreamLogOptions::new(format!("nats://127.0.0.1:{}", proxy.port()).as_str())
        .with_prefix(&place.prefix)
        .with_timeout(Duration::from_secs(1));
    let error = JetStreamLog::connect(away.clone()).await.unwrap_err();
    assert!(matches!(error, LogError::Unavailable { .. }), "{error:?}");
    let (log, topic) = (JetStreamLog::new(away).unwrap(), topic("shop.order.events"));
    let mut head = 0;
    for round in 0..3 {
        let error = log.append(&topic, entries(1)).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("127.0.0.1"), "{error:?}");
        let error = log.read(&topic, Offset::ZERO, ReadLimit::records(1)).await.unwrap_err();
        assert!(matches!(error, LogError::Unavailable { .. }), "{error:?}");
        let error = log.load("billing").await.unwrap_err();
        assert!(matches!(error, LogError::Unavailable { .. }), "{error:?}");
        proxy.restore().await;
        let back = async {
            loop {
                match log.append(&topic, vec![entry(round)]).await {
                    Ok(offsets) => break offsets[0].get(),
                    Err(error) => assert!(error.is_retryable(), "{error:?}"),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let offset = soon("an append", back).await;
        assert!(offset >= head, "{offset} after {head}");
        head = offset + 1;
        let read = log.read(&topic, Offset::new(offset), ReadLimit::records(1)).await.unwrap();
        assert_eq!(number(&read.records[0].entry.envelope), round);
        proxy.cut().await;
    }
    place.remove().await;
}

#[tokio::test]
async fn no_error_shows_the_password() {
    let proxy = Proxy::to("127.0.0.1:1").await;
    let options = JetStreamLogOptions::new(format!("nats://app:hunter2@127.0.0.1:{}", proxy.port()).as_str())
        .with_timeout(Duration::from_millis(500));
    let error = JetStreamLog::connect(options.clone()).await.unwrap_err();
    let log = JetStreamLog::new(options).unwrap();
    let bad = JetStreamLogOptions::new("http://app:hunter2@h").with_prefix("a.b");
    let refused = JetStreamLog::connect(bad).await.unwrap_err();
    assert!(refused.to_string().contains("options"), "{refused}");
    for text in [format!("{error} {error:?}"), format!("{refused} {refused:?}"), format!("{log:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// Runs with what a bus needs.
fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

#[test]
fn a_bus_that_starts_again_goes_on_where_it_stopped() {
    let Some(place) = Place::new() else { return };
    run(async move {
        let (sent, mut got) = tokio::sync::mpsc::unbounded_channel();
        for round in 0..2_usize {
            let bus = Bus::builder(place.log().await).start().unwrap();
            let workers = bus.reliable_shared("workers", "shop.*.events").open().await.unwrap();
            for name in ["one", "two"] {
                let sent = sent.clone();
                let run = move |delivery: dispatch_adapters::bus::Delivery| {
                    let told = sent.send((delivery.offset().get(), number(delivery.envelope())));
                    async move { told.unwrap() }
                };
                workers.consumer(name).run(run).await.unwrap();
            }
            let batch: Vec<_> = (0..50).map(|number| entry(round * 50 + number).envelope).collect();
            let published = bus.publish_batch("shop.order.events", batch).await.unwrap();
            assert_eq!(published.len(), 50);
            let mut round_got = Vec::new();
            while round_got.len() < 50 {
                round_got.push(soon("a delivery", got.recv()).await.unwrap());
            }
            round_got.sort_unstable();
            let wanted: Vec<_> = (round * 50..round * 50 + 50).map(|at| (at as u64, at)).collect();
            assert_eq!(round_got, wanted, "nothing is lost, nothing comes twice");
            workers.flush().await.unwrap();
            let report = bus.shutdown(Duration::from_secs(10)).await.unwrap();
            assert!(report.subscriptions.iter().all(|left| left.lag == 0 && !left.unsaved), "{report:?}");
            let stored = place.log().await.load("workers").await.unwrap().unwrap();
            assert_eq!(stored.cursors[0].next, Offset::new(round as u64 * 50 + 50));
        }
        place.remove().await;
    });
}

#[test]
fn nothing_that_was_published_is_lost_when_the_connection_breaks() {
    let Some(place) = Place::new() else { return };
    run(async move {
        let mut proxy = Proxy::to(address(&place.url)).await;
        let options = JetStreamLogOptions::new(format!("nats://127.0.0.1:{}", proxy.port()).as_str())
            .with_prefix(&place.prefix)
            .with_timeout(Duration::from_secs(1));
        let bus = Bus::builder(JetStreamLog::connect(options).await.unwrap()).start().unwrap();
        let workers = bus.reliable_shared("workers", "shop.*.events");
        let workers = workers.configure(|it| it.with_window(16)).open().await.unwrap();
        let (sent, mut got) = tokio::sync::mpsc::unbounded_channel();
        let run = move |delivery: dispatch_adapters::bus::Delivery| {
            let told = sent.send(number(delivery.envelope()));
            async move { told.unwrap() }
        };
        workers.consumer("one").run(run).await.unwrap();
        let (mut acknowledged, mut refused) = (std::collections::BTreeSet::new(), 0);
        for round in 0..4_usize {
            let publish = async {
                let mut taken = Vec::new();
                let mut failed = 0;
                for number in round * 50..round * 50 + 50 {
                    match bus.publish("shop.order.events", entry(number).envelope).await {
                        Ok(_) => taken.push(number),
                        Err(_) => failed += 1,
                    }
                    if failed == 3 {
                        break;
                    }
                }
                (taken, failed)
            };
            let cut = async {
                // After some have gone through.
                let mut seen = Vec::new();
                while seen.len() < 5 {
                    seen.push(soon("a delivery", got.recv()).await.unwrap());
                }
                proxy.cut().await;
                seen
            };
            let ((taken, failed), seen) = tokio::join!(publish, cut);
            acknowledged.extend(taken);
            refused += failed;
            proxy.restore().await;
            // Back, without anybody doing anything but trying again.
            let back = async {
                while bus.publish("shop.order.events", entry(1_000 + round).envelope).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            soon("a publication", back).await;
            acknowledged.insert(1_000 + round);
            for number in seen {
                acknowledged.remove(&number);
            }
            while !acknowledged.is_empty() {
                let number = soon("what was published", got.recv()).await.unwrap();
                acknowledged.remove(&number);
            }
        }
        assert!(refused > 0, "it was cut in the middle");
        let lag = async {
            while workers.flush().await.is_err() || workers.lag().await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon("the end of the log", lag).await;
        bus.shutdown(Duration::from_secs(10)).await.unwrap();
        let log = place.log().await;
        let head = log.bounds(&topic("shop.order.events")).await.unwrap().head;
        let cursor = log.load("workers").await.unwrap().unwrap().cursors.remove(0);
        assert_eq!(cursor.next, head, "everything is settled");
        place.remove().await;
    });
}

/// What is done to the way to the server, and then everything that was published arrives, without help.
fn bus_survives(at: &'static [usize], trouble: impl Fn(&Proxy) + 'static) {
    let Some(place) = Place::new() else { return };
    run(async move {
        let proxy = Proxy::to(address(&place.url)).await;
        let options = JetStreamLogOptions::new(format!("nats://127.0.0.1:{}", proxy.port()).as_str())
            .with_prefix(&place.prefix)
            .with_timeout(Duration::from_secs(1));
        let bus = Bus::builder(JetStreamLog::connect(options).await.unwrap()).start().unwrap();
        let workers = bus.reliable_shared("workers", "shop.*.events");
        let workers = workers.configure(|it| it.with_window(16)).open().await.unwrap();
        let live = bus.non_reliable_shared("live", "shop.*.events").open().await.unwrap();
        let (sent, mut got) = tokio::sync::mpsc::unbounded_channel();
        let run = move |delivery: dispatch_adapters::bus::Delivery| {
            let told = sent.send(number(delivery.envelope()));
            async move { told.unwrap() }
        };
        workers.consumer("one").run(run).await.unwrap();
        live.consumer("one").run(|_| async {}).await.unwrap();
        let mut wanted = std::collections::BTreeSet::new();
        for number in 0..60 {
            if at.contains(&number) {
                trouble(&proxy);
            }
            let publish = async {
                while bus.publish("shop.order.events", entry(number).envelope).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            patiently("a publication", publish).await;
            wanted.insert(number);
        }
        let arrive = async {
            while !wanted.is_empty() {
                wanted.remove(&got.recv().await.unwrap());
            }
        };
        patiently("what was published", arrive).await;
        let lag = async {
            while workers.flush().await.is_err() || workers.lag().await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        patiently("the end of the log", lag).await;
        let heard = live.info().await.unwrap().status.counters.delivered;
        assert!(heard >= 60, "at most once has heard of {heard} of 60 or more");
        bus.shutdown(Duration::from_secs(10)).await.unwrap();
        place.remove().await;
    });
}

/// A connection that says nothing is given up when two pings, each ten seconds after the other, were not answered.
async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), work).await.unwrap_or_else(|_| panic!("no {what}"))
}

#[test]
fn a_bus_goes_on_when_its_server_is_slow() {
    bus_survives(&[10], |proxy| proxy.delay(Duration::from_millis(40)));
}

#[test]
fn a_bus_goes_on_when_its_connection_is_closed_in_one_direction() {
    bus_survives(&[10, 30, 50], Proxy::half_close);
}

#[test]
fn a_bus_goes_on_when_its_connection_says_nothing_any_more() {
    bus_survives(&[30], Proxy::silence);
}

#[test]
fn a_stream_that_was_deleted_and_made_again_is_delivered_and_told_while_the_bus_runs() {
    let Some(place) = Place::new() else { return };
    actix::System::new().block_on(async {
        let bus = Bus::builder(place.log().await).start().unwrap();
        let workers = bus.reliable_shared("workers", "shop.*.events").open().await.unwrap();
        let (sent, mut got) = tokio::sync::mpsc::unbounded_channel();
        let run = move |delivery: dispatch_adapters::bus::Delivery| {
            let told = sent.send((delivery.offset().get(), number(delivery.envelope())));
            async move { told.unwrap() }
        };
        workers.consumer("one").run(run).await.unwrap();
        for at in 0..5 {
            bus.publish("shop.order.events", entry(at).envelope).await.unwrap();
            assert_eq!(soon("a delivery", got.recv()).await.unwrap(), (at as u64, at));
        }
        workers.flush().await.unwrap();
        let name = place.streams().await.into_iter().find(|name| name.contains("-t-")).unwrap();
        place.context().await.delete_stream(&name).await.unwrap();
        let again = async {
            while bus.publish("shop.order.events", entry(5).envelope).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon("a publication", again).await;
        bus.publish("shop.order.events", entry(6).envelope).await.unwrap();
        for (offset, number) in [(0, 5), (1, 6)] {
            assert_eq!(soon("a delivery", got.recv()).await.unwrap(), (offset, number));
        }
        let told = workers.info().await.unwrap().last_error.unwrap();
        assert!(told.contains("has lost its end: it reached 5 and ends at 0"), "{told}");
        workers.flush().await.unwrap();
        let stored = place.log().await.load("workers").await.unwrap().unwrap();
        assert_eq!(stored.cursors[0].next, Offset::new(2));
        place.remove().await;
    });
}

#[test]
fn a_duplicate_that_the_server_has_recognised_is_no_end_that_was_lost() {
    let Some(place) = Place::new() else { return };
    actix::System::new().block_on(async {
        let options = place.options().with_deduplication(Duration::from_secs(60));
        let bus = Bus::builder(JetStreamLog::connect(options).await.unwrap()).start().unwrap();
        let workers = bus.reliable_shared("workers", "shop.*.events").open().await.unwrap();
        let (sent, mut got) = tokio::sync::mpsc::unbounded_channel();
        let run = move |delivery: dispatch_adapters::bus::Delivery| {
            let told = sent.send(delivery.offset().get());
            async move { told.unwrap() }
        };
        workers.consumer("one").run(run).await.unwrap();
        let first = entry(0).envelope;
        bus.publish("shop.order.events", first.clone()).await.unwrap();
        bus.publish("shop.order.events", entry(1).envelope).await.unwrap();
        let again = bus.publish("shop.order.events", first).await.unwrap();
        assert_eq!(again.offset, Some(Offset::ZERO));
        bus.publish("shop.order.events", entry(2).envelope).await.unwrap();
        for offset in 0..3 {
            assert_eq!(soon("a delivery", got.recv()).await.unwrap(), offset);
        }
        let info = workers.info().await.unwrap();
        assert_eq!((info.last_error, info.status.counters.acked), (None, 3));
        place.remove().await;
    });
}
