//! RabbitMQ. Needs `DISPATCH_AMQP_URL`.

use std::time::Duration;

use dispatch_adapters::amqp::{AmqpAdapter, AmqpOptions};
use dispatch_adapters::model::delivery::conformance::{Arrival, Destination};
use dispatch_adapters::model::{Adapter, Envelope};
use dispatch_adapters::wire::Form;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::Mutex;

use crate::support::{
    Opening, Proxy, address, assert_refused, assert_same, gives_up_in_time, names_what_is_wrong_with_tls,
    order, passes_the_suite, read, server, soon, speaks_tls, structured, survives_an_outage, unique,
};

fn adapter(options: AmqpOptions) -> AmqpAdapter {
    AmqpAdapter::new(options).unwrap()
}

fn at(url: &str) -> AmqpOptions {
    AmqpOptions { url: url.into(), ..AmqpOptions::default() }
}

/// A channel with a queue.
async fn queue(url: &str, name: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, FieldTable::default()).await.unwrap();
    (connection, channel)
}

/// The next message; a confirmed one is there already, so there is no waiting.
async fn next(channel: &Channel, queue: &str) -> Option<BasicGetMessage> {
    let options = BasicGetOptions { no_ack: true };
    soon("an answer", channel.basic_get(queue.into(), options)).await.unwrap()
}

async fn delete(channel: &Channel, queue: &str) {
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
}

#[tokio::test]
async fn an_envelope_arrives_whole_with_its_id_as_the_id_of_the_message() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let topic = unique("t");
    let (_connection, channel) = queue(&url, &topic).await;
    let sent = order(&topic, 1);
    adapter(at(&url)).deliver(&sent).await.unwrap();
    let message = next(&channel, &topic).await.unwrap();
    assert_same(&read(&message.delivery.data), &sent);
    let properties = &message.delivery.properties;
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().unwrap().to_string();
    assert_eq!(text(properties.message_id()), sent.id().to_string());
    assert_eq!(text(properties.correlation_id()), sent.correlation_id().unwrap().to_string());
    assert_eq!(text(properties.kind()), "OrderPlaced");
    assert_eq!(text(properties.content_type()), "application/cloudevents+json");
    assert_eq!(*properties.delivery_mode(), Some(2));
    delete(&channel, &topic).await;
}

#[tokio::test]
async fn in_the_binary_form_the_payload_is_the_message_and_the_rest_is_headers() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let (name, exchange) = (unique("q"), unique("x"));
    let (_connection, channel) = queue(&url, &name).await;
    let none = FieldTable::default();
    let options = ExchangeDeclareOptions::default();
    channel.exchange_declare((*exchange).into(), ExchangeKind::Topic, options, none.clone()).await.unwrap();
    let options = QueueBindOptions::default();
    channel.queue_bind((*name).into(), (*exchange).into(), "*.Signed".into(), options, none).await.unwrap();

    let options = AmqpOptions {
        exchange: exchange.clone(),
        routing_key: "blue.{type}".parse().unwrap(),
        form: Form::Binary,
        ..at(&url)
    };
    let sent = Envelope::bytes("Signed", "abc", "text/plain").with_header("tenant", "blue");
    adapter(options.clone()).deliver(&sent).await.unwrap();
    let message = next(&channel, &name).await.unwrap();
    assert_eq!(message.delivery.data, b"abc");
    let headers = message.delivery.properties.headers().clone().unwrap();
    for (name, value) in
        [("cloudEvents_id", &*sent.id().to_string()), ("cloudEvents_type", "Signed"), ("tenant", "blue")]
    {
        assert_eq!(headers.inner()[name], AMQPValue::LongString(value.into()), "{name}");
    }
    let long = sent.with_header("n".repeat(256), "x");
    assert_refused(&adapter(options).deliver(&long).await.unwrap_err(), "the name of a header has 256 bytes");
    channel.exchange_delete((*exchange).into(), ExchangeDeleteOptions::default()).await.unwrap();
    delete(&channel, &name).await;
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_answers_for_each_envelope() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let topic = unique("t");
    let (_connection, channel) = queue(&url, &topic).await;
    let mut batch: Vec<_> = (0..200).map(|number| order(&topic, number)).collect();
    batch.insert(50, order(&unique("nowhere"), 0));
    batch.insert(100, Envelope::empty("NoTopic"));
    batch.insert(150, order(&topic, 0).with_header("long", "x".repeat(5_000)));
    let results = adapter(AmqpOptions { max_bytes: 4_000, ..at(&url) }).deliver_batch(&batch).await;
    assert_refused(results[50].as_ref().unwrap_err(), "is bound to routing key 'nowhere");
    assert_refused(results[100].as_ref().unwrap_err(), "the envelope has no topic");
    assert_refused(results[150].as_ref().unwrap_err(), "over max_bytes of 4000");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 200);
    for (sent, _) in batch.iter().zip(&results).filter(|(_, result)| result.is_ok()) {
        let message = next(&channel, &topic).await.unwrap();
        assert_eq!(read(&message.delivery.data).id(), sent.id());
    }
    assert!(next(&channel, &topic).await.is_none());
    delete(&channel, &topic).await;
}

#[tokio::test]
async fn what_leads_nowhere_is_an_error_unless_that_is_wanted() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let envelope = order(&unique("t"), 1);
    assert_refused(&adapter(at(&url)).deliver(&envelope).await.unwrap_err(), "no queue at");
    let careless = adapter(AmqpOptions { mandatory: false, ..at(&url) });
    assert!(careless.deliver(&envelope).await.is_ok());
    let exchange = unique("x");
    let lost = adapter(AmqpOptions { exchange: exchange.clone(), ..at(&url) });
    for _ in 0..2 {
        // The broker closes the channel after this; the next delivery gets another.
        assert_refused(&lost.deliver(&envelope).await.unwrap_err(), "NOT_FOUND - no exchange");
    }
}

#[tokio::test]
async fn a_server_that_was_away_is_used_again_without_help() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let topic = unique("t");
    let (_connection, channel) = queue(&url, &topic).await;
    let mut proxy = Proxy::to(address(&url)).await;
    let through = url.replace(&address(&url), &format!("127.0.0.1:{}", proxy.port()));
    let options = AmqpOptions { timeout: Duration::from_secs(2), ..at(&through) };
    let sent = survives_an_outage(&adapter(options), &mut proxy, &topic).await;
    let mut arrived = Vec::new();
    while let Some(message) = next(&channel, &topic).await {
        arrived.push(read(&message.delivery.data).id());
    }
    assert!(sent.iter().all(|envelope| arrived.contains(&envelope.id())));
    delete(&channel, &topic).await;
}

#[tokio::test]
async fn a_wrong_login_is_refused_for_good_and_shows_no_password() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let options = at(&format!("amqp://nobody:hunter2@{}/%2f", address(&url)));
    let adapter = adapter(options.clone());
    assert_refused(&adapter.deliver(&order("a.b", 1)).await.unwrap_err(), "refused the login");
    assert_eq!(adapter.destination(), address(&url));
    assert!(!format!("{options:?}{}", serde_json::to_string(&options).unwrap()).contains("hunter2"));
    let missing = at(&url.replace("/%2f", &format!("/{}", unique("v"))));
    let error = AmqpAdapter::new(missing).unwrap().deliver(&order("a.b", 1)).await.unwrap_err();
    assert_refused(&error, "refused the virtual host");
}

#[tokio::test]
async fn it_speaks_tls_with_whom_it_trusts_only() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let topic = unique("t");
    let (_connection, channel) = queue(&url, &topic).await;
    let plain = address(&url);
    speaks_tls(&plain, &topic, Opening::Nothing, |place, tls| {
        let url = url.replace(&plain, place).replace("amqp://", "amqps://");
        Box::new(adapter(AmqpOptions { tls, ..at(&url) }))
    })
    .await;
    delete(&channel, &topic).await;
}

#[tokio::test]
async fn a_handshake_that_is_given_up_leaves_nothing_behind() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqps://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let options = AmqpOptions { timeout: Duration::from_millis(200), ..at(&url) };
    let error = adapter(options).deliver(&order("a.b", 1)).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let (mut stream, _) = silent.accept().await.unwrap();
    let mut heard = Vec::new();
    soon("the end", tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard)).await.unwrap();
    assert_eq!(heard[0], 22, "it began a handshake");
}

#[test]
fn what_is_wrong_with_tls_is_named() {
    names_what_is_wrong_with_tls("amqp://u:hunter2@h", "amqps://u:hunter2@h", |url, tls| {
        AmqpAdapter::new(AmqpOptions { tls, ..at(url) })
    });
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    gives_up_in_time(|port, timeout| {
        let options = AmqpOptions { timeout, ..at(&format!("amqp://127.0.0.1:{port}")) };
        Box::new(adapter(options))
    })
    .await;
}

/// A queue, which is read until it is empty.
struct Queue {
    name: String,
    channel: Channel,
    read: Mutex<Vec<Arrival>>,
}

#[async_trait::async_trait]
impl Destination for Queue {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let mut arrived = self.read.lock().await;
        while let Some(message) = next(&self.channel, &self.name).await {
            arrived.push(Arrival::from(&read(&message.delivery.data)));
        }
        arrived.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_the_public_suite() {
    let Some(url) = server("DISPATCH_AMQP_URL") else { return };
    let topic = unique("s");
    let (_connection, channel) = queue(&url, &topic).await;
    let destination = Queue { name: topic.clone(), channel: channel.clone(), read: Mutex::default() };
    let adapter = adapter(AmqpOptions { max_bytes: 8 << 20, ..at(&url) });
    passes_the_suite(adapter, &topic, structured(), destination).await;
    delete(&channel, &topic).await;
}
