//! NATS and JetStream. Needs `DISPATCH_NATS_URL`.

use std::time::Duration;

use async_nats::jetstream;
use dispatch_adapters::model::delivery::conformance::{Arrival, Destination, Features};
use dispatch_adapters::model::{Adapter, Envelope};
use dispatch_adapters::nats::{NatsAdapter, NatsOptions};
use dispatch_adapters::wire::Form;
use futures_util::StreamExt as _;
use tokio::sync::Mutex;

use crate::support::{
    Ending, MARKER, Opening, Proxy, address, assert_refused, assert_same, gives_up_in_time, marker,
    names_what_is_wrong_with_tls, order, passes_the_suite, read, server, soon, speaks_tls, structured_body,
    survives_an_outage, unique,
};

fn adapter(options: NatsOptions) -> NatsAdapter {
    NatsAdapter::new(options).unwrap()
}

fn at(url: &str) -> NatsOptions {
    NatsOptions { url: url.into(), ..NatsOptions::default() }
}

async fn received(subscriber: &mut async_nats::Subscriber) -> async_nats::Message {
    soon("a message", subscriber.next()).await.unwrap()
}

/// A stream that takes one subject.
async fn stream(client: &async_nats::Client, name: &str, max_messages: i64) -> jetstream::Context {
    let context = jetstream::new(client.clone());
    let config = jetstream::stream::Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        max_messages,
        discard: jetstream::stream::DiscardPolicy::New,
        storage: jetstream::stream::StorageType::Memory,
        ..jetstream::stream::Config::default()
    };
    context.create_stream(config).await.unwrap();
    context
}

#[tokio::test]
async fn an_envelope_arrives_whole_with_its_id_as_the_id_of_the_message() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let (topic, client) = (unique("t"), async_nats::connect(&url).await.unwrap());
    let mut subscriber = client.subscribe(topic.clone()).await.unwrap();
    client.flush().await.unwrap();
    let sent = order(&topic, 1);
    adapter(at(&url)).deliver(&sent).await.unwrap();
    let message = received(&mut subscriber).await;
    assert_same(&read(&message.payload), &sent);
    let headers = message.headers.unwrap();
    assert_eq!(headers.get("Nats-Msg-Id").unwrap().as_str(), sent.id().to_string());
    assert_eq!(headers.get("content-type").unwrap().as_str(), "application/cloudevents+json");
}

#[tokio::test]
async fn in_the_binary_form_the_payload_is_the_message_and_the_rest_is_headers() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let (topic, client) = (unique("t"), async_nats::connect(&url).await.unwrap());
    let mut subscriber = client.subscribe(format!("{topic}.Signed")).await.unwrap();
    client.flush().await.unwrap();
    let options =
        NatsOptions { subject: format!("{topic}.{{type}}").parse().unwrap(), form: Form::Binary, ..at(&url) };
    let sent = Envelope::bytes("Signed", "abc", "text/plain").with_header("tenant", "blue");
    adapter(options).deliver(&sent).await.unwrap();
    let message = received(&mut subscriber).await;
    assert_eq!(&*message.payload, b"abc");
    let headers = message.headers.unwrap();
    for (name, value) in [
        ("ce-id", &*sent.id().to_string()),
        ("ce-type", "Signed"),
        ("content-type", "text/plain"),
        ("tenant", "blue"),
    ] {
        assert_eq!(headers.get(name).unwrap().as_str(), value, "{name}");
    }
    let broken = sent.with_header("tenant", "a\r\nb");
    let options = NatsOptions { form: Form::Binary, subject: topic.parse().unwrap(), ..at(&url) };
    assert_refused(&adapter(options).deliver(&broken).await.unwrap_err(), "header 'tenant' has a line break");
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_answers_for_each_envelope() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let (topic, client) = (unique("t"), async_nats::connect(&url).await.unwrap());
    let mut subscriber = client.subscribe(topic.clone()).await.unwrap();
    client.flush().await.unwrap();
    let mut batch: Vec<_> = (0..200).map(|number| order(&topic, number)).collect();
    batch.insert(100, Envelope::empty("NoTopic"));
    batch.insert(150, order(&topic, 0).with_header("long", "x".repeat(5_000)));
    let results = adapter(NatsOptions { max_bytes: 4_000, ..at(&url) }).deliver_batch(&batch).await;
    assert_eq!(results.len(), batch.len());
    assert_refused(results[100].as_ref().unwrap_err(), "the envelope has no topic");
    assert_refused(results[150].as_ref().unwrap_err(), "over max_bytes of 4000");
    for (sent, result) in batch.iter().zip(&results).filter(|(_, result)| result.is_ok()) {
        assert_eq!(read(&received(&mut subscriber).await.payload).id(), sent.id(), "{result:?}");
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 200);
}

#[tokio::test]
async fn a_stream_stores_each_envelope_once_and_says_where() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let (name, client) = (unique("S"), async_nats::connect(&url).await.unwrap());
    let context = stream(&client, &name, 1_000).await;
    let topic = format!("{name}.orders");
    let adapter = adapter(NatsOptions { jetstream: true, stream: Some(name.clone()), ..at(&url) });
    let batch: Vec<_> = (0..100).map(|number| order(&topic, number)).collect();
    let results = adapter.deliver_batch(&batch).await;
    for (place, result) in results.iter().enumerate() {
        assert_eq!(result.as_ref().unwrap().id, Some(format!("{name}:{}", place + 1)));
    }
    let again = adapter.deliver(&batch[7]).await.unwrap();
    assert_eq!(again.id, Some(format!("{name}:8")), "a retry is stored once");
    let mut handle = context.get_stream(&name).await.unwrap();
    assert_eq!(handle.info().await.unwrap().state.messages, 100);
    let stored = handle.get_raw_message(8).await.unwrap();
    assert_same(&read(&stored.payload), &batch[7]);
    context.delete_stream(&name).await.unwrap();
}

#[tokio::test]
async fn what_a_stream_does_not_take_is_an_error() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let (name, client) = (unique("S"), async_nats::connect(&url).await.unwrap());
    let context = stream(&client, &name, 2).await;
    let to_stream = NatsOptions { jetstream: true, ..at(&url) };
    let nowhere = adapter(to_stream.clone()).deliver(&order(&unique("t"), 1)).await.unwrap_err();
    assert_refused(&nowhere, "no stream at");
    let other = NatsOptions { stream: Some(unique("S")), ..to_stream.clone() };
    let topic = format!("{name}.orders");
    assert_refused(&adapter(other).deliver(&order(&topic, 1)).await.unwrap_err(), "refused the message");
    let batch: Vec<_> = (0..3).map(|number| order(&topic, number)).collect();
    let results = adapter(to_stream).deliver_batch(&batch).await;
    assert!(results[0].is_ok() && results[1].is_ok());
    let full = results[2].as_ref().unwrap_err();
    assert!(full.is_retryable() && full.message().contains("maximum messages exceeded"), "{full:?}");
    context.delete_stream(&name).await.unwrap();
}

#[tokio::test]
async fn what_is_too_long_for_the_server_is_not_sent() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let long = Envelope::bytes("Long", vec![b'x'; 2 * 1024 * 1024], "text/plain")
        .with_topic(&unique("t").parse().unwrap());
    assert_refused(&adapter(at(&url)).deliver(&long).await.unwrap_err(), "over max_bytes of 1048576");
    let trusting = adapter(NatsOptions { max_bytes: 8 * 1024 * 1024, ..at(&url) });
    assert_refused(&trusting.deliver(&long).await.unwrap_err(), "max payload size exceeded");
    let envelope = Envelope::empty("X");
    for subject in ["a.*", ">", "a..b"] {
        let options = NatsOptions { subject: subject.parse().unwrap(), ..at(&url) };
        assert_refused(&adapter(options).deliver(&envelope).await.unwrap_err(), "is not a subject");
    }
}

#[tokio::test]
async fn a_server_that_was_away_is_used_again_without_help() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    for jetstream in [false, true] {
        let (name, client) = (unique("S"), async_nats::connect(&url).await.unwrap());
        let context = stream(&client, &name, 100).await;
        let topic = format!("{name}.orders");
        let mut subscriber = client.subscribe(topic.clone()).await.unwrap();
        client.flush().await.unwrap();
        let mut proxy = Proxy::to(address(&url)).await;
        let options = NatsOptions {
            url: format!("nats://127.0.0.1:{}", proxy.port()).into(),
            jetstream,
            timeout: Duration::from_secs(2),
            ..NatsOptions::default()
        };
        let sent = survives_an_outage(&adapter(options), &mut proxy, &topic).await;
        let mut wanted = sent.iter().map(Envelope::id).peekable();
        while let Some(id) = wanted.peek() {
            // At-least-once: one that failed may have arrived.
            if read(&received(&mut subscriber).await.payload).id() == *id {
                wanted.next();
            }
        }
        context.delete_stream(&name).await.unwrap();
    }
}

#[tokio::test]
async fn a_password_is_never_shown() {
    // The server under test asks for no login, so this one plays a server that does.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let info = r#"{"server_id":"x","server_name":"x","version":"2.10.0","proto":1,"host":"h","port":1,"max_payload":1048576,"headers":true,"go":"x","auth_required":true}"#;
        stream.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
        let mut line = vec![0; 4096];
        let length = stream.read(&mut line).await.unwrap();
        stream.write_all(b"-ERR 'Authorization Violation'\r\n").await.unwrap();
        String::from_utf8(line[..length].to_vec()).unwrap()
    });
    let options = at(&format!("nats://app:hunter2%21@127.0.0.1:{port}"));
    let adapter = adapter(options.clone());
    let error = adapter.deliver(&order("a.b", 1)).await.unwrap_err();
    assert_refused(&error, "refused the login");
    assert!(asked.await.unwrap().contains(r#""pass":"hunter2!""#), "the password is decoded and sent");
    assert_eq!(adapter.destination(), format!("127.0.0.1:{port}"));
    assert!(!format!("{options:?}{}", serde_json::to_string(&options).unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn it_speaks_tls_with_whom_it_trusts_only() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    speaks_tls(&address(&url), &unique("t"), Opening::Nats, |place, tls| {
        Box::new(adapter(NatsOptions { tls, ..at(&format!("tls://{place}")) }))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_wants_tls_unasked_is_named() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let ending = Ending::before(&address(&url), "localhost", Opening::NatsDemanding).await;
    let asker = adapter(at(&format!("nats://localhost:{}", ending.port)));
    let error = asker.deliver(&order("a.b", 1)).await.unwrap_err();
    assert!(error.message().ends_with("wants TLS: write the url as tls://host:port"), "{error:?}");
}

#[tokio::test]
async fn settings_of_tls_of_ones_own_stand_for_those_of_the_options() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let ending = Ending::before(&address(&url), "localhost", Opening::Nats).await;
    let secure = at(&format!("tls://localhost:{}", ending.port));
    let adapter = NatsAdapter::with_tls(secure, ending.client()).unwrap();
    adapter.deliver(&order(&unique("t"), 1)).await.unwrap();
    let unasked = NatsAdapter::with_tls(at("nats://h"), ending.client()).err().unwrap().to_string();
    assert!(unasked.contains("write it as tls://host:port"), "{unasked}");
}

#[test]
fn what_is_wrong_with_tls_is_named() {
    names_what_is_wrong_with_tls("nats://u:hunter2@h", "tls://u:hunter2@h", |url, tls| {
        NatsAdapter::new(NatsOptions { tls, ..at(url) })
    });
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    gives_up_in_time(|port, timeout| {
        let options = NatsOptions { timeout, ..at(&format!("nats://127.0.0.1:{port}")) };
        Box::new(adapter(options))
    })
    .await;
}

/// A subscriber, which reads up to a marker of its own.
struct Reader {
    subject: String,
    client: async_nats::Client,
    subscriber: Mutex<(async_nats::Subscriber, Vec<Arrival>)>,
}

#[async_trait::async_trait]
impl Destination for Reader {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let (subscriber, arrived) = &mut *self.subscriber.lock().await;
        let marker = structured_body(&marker(&self.subject));
        self.client.publish(self.subject.clone(), marker.into()).await.unwrap();
        loop {
            let envelope = read(&received(subscriber).await.payload);
            if envelope.message_type_str() == MARKER {
                return arrived.clone();
            }
            arrived.push(Arrival::from(&envelope));
        }
    }
}

/// The server takes 1 MiB, as JSON and with the rest of the event.
const SIZES: Features =
    Features { max_size: Some(700_000), max_size_margin: 100_000, idempotent: false, ..Features::all() };

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_the_public_suite() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let (subject, client) = (unique("s"), async_nats::connect(&url).await.unwrap());
    let subscriber = client.subscribe(subject.clone()).await.unwrap();
    client.flush().await.unwrap();
    let subscriber = Mutex::new((subscriber, Vec::new()));
    let destination = Reader { subject: subject.clone(), client, subscriber };
    let features = Features { receipt_ids: false, ..SIZES };
    passes_the_suite(adapter(at(&url)), &subject, features, destination).await;
}

/// A stream, which is read to its end.
struct Stored(jetstream::stream::Stream);

#[async_trait::async_trait]
impl Destination for Stored {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let last = self.0.get_info().await.unwrap().state.last_sequence;
        let mut arrived = Vec::new();
        for sequence in 1..=last {
            let message = soon("a message", self.0.get_raw_message(sequence)).await.unwrap();
            arrived.push(Arrival::from(&read(&message.payload)));
        }
        arrived
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_the_public_suite() {
    let Some(url) = server("DISPATCH_NATS_URL") else { return };
    let (name, client) = (unique("S"), async_nats::connect(&url).await.unwrap());
    let context = stream(&client, &name, -1).await;
    let destination = Stored(context.get_stream(&name).await.unwrap());
    // It drops what it has within its window, and so keeps what is delivered twice once; the second receipt has the id of
    // the first.
    let features = Features { idempotent: true, ..SIZES };
    let adapter = adapter(NatsOptions { jetstream: true, ..at(&url) });
    passes_the_suite(adapter, &format!("{name}.events"), features, destination).await;
    context.delete_stream(&name).await.unwrap();
}
