//! Redis channels and streams. Needs `DISPATCH_REDIS_URL`.

use std::time::Duration;

use dispatch_adapters::model::delivery::conformance::{Arrival, Destination, Features};
use dispatch_adapters::model::{Adapter, Envelope};
use dispatch_adapters::redis::{RedisAdapter, RedisMode, RedisOptions};
use dispatch_adapters::wire::Form;
use futures_util::StreamExt as _;
use redis::streams::StreamRangeReply;
use redis::{AsyncCommands as _, Client};
use tokio::sync::Mutex;

use crate::support::{
    MARKER, Opening, Proxy, address, assert_refused, assert_same, gives_up_in_time, marker,
    names_what_is_wrong_with_tls, order, passes_the_suite, read, server, soon, speaks_tls, structured,
    structured_body, survives_an_outage, unique,
};

fn adapter(options: RedisOptions) -> RedisAdapter {
    RedisAdapter::new(options).unwrap()
}

fn at(url: &str) -> RedisOptions {
    RedisOptions { url: url.into(), ..RedisOptions::default() }
}

fn stream_at(url: &str) -> RedisOptions {
    RedisOptions { mode: RedisMode::Stream, ..at(url) }
}

async fn connection(url: &str) -> redis::aio::MultiplexedConnection {
    Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn subscribed(url: &str, channel: &str) -> redis::aio::PubSub {
    let mut subscriber = Client::open(url).unwrap().get_async_pubsub().await.unwrap();
    subscriber.subscribe(channel).await.unwrap();
    subscriber
}

async fn received(subscriber: &mut redis::aio::PubSub) -> Envelope {
    let message = soon("a message", subscriber.on_message().next()).await.unwrap();
    read(message.get_payload_bytes())
}

/// The entries of a stream: id, and fields by name. The stream is removed.
async fn drain(url: &str, stream: &str) -> Vec<redis::streams::StreamId> {
    let mut connection = connection(url).await;
    let reply: StreamRangeReply = connection.xrange_all(stream).await.unwrap();
    let _: () = connection.del(stream).await.unwrap();
    reply.ids
}

fn field(entry: &redis::streams::StreamId, name: &str) -> String {
    entry.get(name).unwrap_or_else(|| panic!("no field {name}"))
}

#[tokio::test]
async fn an_envelope_arrives_whole_on_a_channel() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let topic = unique("t");
    let mut subscriber = subscribed(&url, &topic).await;
    let sent = order(&topic, 1);
    adapter(at(&url)).deliver(&sent).await.unwrap();
    assert_same(&received(&mut subscriber).await, &sent);
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_answers_for_each_envelope() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let topic = unique("t");
    let mut subscriber = subscribed(&url, &topic).await;
    let mut batch: Vec<_> = (0..200).map(|number| order(&topic, number)).collect();
    batch.insert(100, Envelope::empty("NoTopic"));
    batch.insert(150, order(&topic, 0).with_header("long", "x".repeat(5_000)));
    let results = adapter(RedisOptions { max_bytes: 4_000, ..at(&url) }).deliver_batch(&batch).await;
    assert_refused(results[100].as_ref().unwrap_err(), "the envelope has no topic");
    assert_refused(results[150].as_ref().unwrap_err(), "over max_bytes of 4000");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 200);
    for (sent, _) in batch.iter().zip(&results).filter(|(_, result)| result.is_ok()) {
        assert_eq!(received(&mut subscriber).await.id(), sent.id());
    }
}

#[tokio::test]
async fn a_stream_holds_what_was_delivered_in_order_under_the_ids_of_the_receipts() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let topic = unique("t");
    let batch: Vec<_> = (0..100).map(|number| order(&topic, number)).collect();
    let results = adapter(stream_at(&url)).deliver_batch(&batch).await;
    let entries = drain(&url, &topic).await;
    assert_eq!(entries.len(), 100);
    for ((entry, sent), result) in entries.iter().zip(&batch).zip(&results) {
        assert_eq!(result.as_ref().unwrap().id.as_ref(), Some(&entry.id));
        assert_same(&read(field(entry, "data").as_bytes()), sent);
        assert_eq!(field(entry, "id"), sent.id().to_string());
        assert_eq!(field(entry, "content-type"), "application/cloudevents+json");
    }
}

#[tokio::test]
async fn in_the_binary_form_an_entry_has_the_payload_and_the_headers_as_fields() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let stream = unique("s:");
    let options = RedisOptions { form: Form::Binary, key: stream.parse().unwrap(), ..stream_at(&url) };
    let sent =
        Envelope::bytes("Signed", "abc", "text/plain").with_header("tenant", "blue").with_header("data", "x");
    adapter(options).deliver(&sent).await.unwrap();
    let entries = drain(&url, &stream).await;
    for (name, value) in
        [("data", "abc"), ("content-type", "text/plain"), ("ce-type", "Signed"), ("tenant", "blue")]
    {
        assert_eq!(field(&entries[0], name), value, "{name}");
    }
}

#[tokio::test]
async fn a_stream_is_kept_short() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    for (exact_len, most) in [(true, 10), (false, 400)] {
        let topic = unique("t");
        let adapter = adapter(RedisOptions { max_len: Some(10), exact_len, ..stream_at(&url) });
        let batch: Vec<_> = (0..1_000).map(|number| order(&topic, number)).collect();
        assert!(adapter.deliver_batch(&batch).await.iter().all(Result::is_ok));
        let entries = drain(&url, &topic).await;
        assert!((10..=most).contains(&entries.len()), "{}", entries.len());
        assert_eq!(field(entries.last().unwrap(), "id"), batch[999].id().to_string(), "the newest are kept");
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_refused_for_good() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let topic = unique("t");
    let careful = adapter(RedisOptions { create: false, ..stream_at(&url) });
    assert_refused(&careful.deliver(&order(&topic, 1)).await.unwrap_err(), "there is no such stream");
    let mut connection = connection(&url).await;
    let _: () = connection.set(&topic, "a text").await.unwrap();
    let error = adapter(stream_at(&url)).deliver(&order(&topic, 1)).await.unwrap_err();
    assert_refused(&error, "WRONGTYPE");
    let _: () = connection.del(&topic).await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_away_is_used_again_without_help() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let mut proxy = Proxy::to(address(&url)).await;
    let options = RedisOptions {
        url: format!("redis://127.0.0.1:{}", proxy.port()).into(),
        timeout: Duration::from_secs(2),
        ..stream_at(&url)
    };
    let topic = unique("t");
    let sent = survives_an_outage(&adapter(options), &mut proxy, &topic).await;
    let ids: Vec<_> = drain(&url, &topic).await.iter().map(|entry| field(entry, "id")).collect();
    for envelope in sent {
        assert!(ids.contains(&envelope.id().to_string()));
    }
}

#[tokio::test]
async fn a_wrong_login_is_refused_for_good_and_shows_no_password() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let options = at(&format!("redis://nobody:hunter2@{}", address(&url)));
    let adapter = adapter(options.clone());
    assert_refused(&adapter.deliver(&order("a.b", 1)).await.unwrap_err(), "refused the login");
    assert_eq!(adapter.destination(), address(&url));
    assert!(!format!("{options:?}{}", serde_json::to_string(&options).unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn it_speaks_tls_with_whom_it_trusts_only() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    speaks_tls(&address(&url), &unique("t"), Opening::Nothing, |place, tls| {
        Box::new(adapter(RedisOptions { tls, ..at(&format!("rediss://{place}")) }))
    })
    .await;
}

#[test]
fn what_is_wrong_with_tls_is_named() {
    names_what_is_wrong_with_tls("redis://u:hunter2@h", "rediss://u:hunter2@h", |url, tls| {
        RedisAdapter::new(RedisOptions { tls, ..at(url) })
    });
    let careless = RedisAdapter::new(at("rediss://u:hunter2@h/#insecure")).err().unwrap().to_string();
    assert!(careless.contains("leave out what follows the #"), "{careless}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    gives_up_in_time(|port, timeout| {
        let options = RedisOptions { timeout, ..at(&format!("redis://127.0.0.1:{port}")) };
        Box::new(adapter(options))
    })
    .await;
}

/// A subscriber, which reads up to a marker of its own.
struct Reader {
    channel: String,
    publisher: redis::aio::MultiplexedConnection,
    subscriber: Mutex<(redis::aio::PubSub, Vec<Arrival>)>,
}

#[async_trait::async_trait]
impl Destination for Reader {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let (subscriber, arrived) = &mut *self.subscriber.lock().await;
        let marker = structured_body(&marker(&self.channel));
        let _: () = self.publisher.clone().publish(&self.channel, marker).await.unwrap();
        loop {
            let envelope = received(subscriber).await;
            if envelope.message_type_str() == MARKER {
                return arrived.clone();
            }
            arrived.push(Arrival::from(&envelope));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_the_public_suite() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let channel = unique("s");
    let subscriber = Mutex::new((subscribed(&url, &channel).await, Vec::new()));
    let destination = Reader { channel: channel.clone(), publisher: connection(&url).await, subscriber };
    let adapter = adapter(RedisOptions { max_bytes: 8 << 20, ..at(&url) });
    passes_the_suite(adapter, &channel, structured(), destination).await;
}

/// A stream, which is read to its end.
struct Stored(String, redis::aio::MultiplexedConnection);

#[async_trait::async_trait]
impl Destination for Stored {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let reply: StreamRangeReply = self.1.clone().xrange_all(&self.0).await.unwrap();
        reply.ids.iter().map(|entry| Arrival::from(&read(field(entry, "data").as_bytes()))).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_the_public_suite() {
    let Some(url) = server("DISPATCH_REDIS_URL") else { return };
    let stream = unique("s");
    let destination = Stored(stream.clone(), connection(&url).await);
    let features = Features { receipt_ids: true, ..structured() };
    let adapter = adapter(RedisOptions { max_bytes: 8 << 20, ..stream_at(&url) });
    passes_the_suite(adapter, &stream, features, destination).await;
    drain(&url, &stream).await;
}
