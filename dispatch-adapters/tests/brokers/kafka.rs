//! Kafka, against the mock cluster of librdkafka: real sockets and the real protocol, in this process.
//!
//! What that does not prove is listed in [`NOT_PROVEN`]; the errors that go with it are injected here.

use std::time::Duration;

use dispatch_adapters::kafka::{KafkaAcks, KafkaAdapter, KafkaOptions};
use dispatch_adapters::model::delivery::conformance::{Arrival, Destination, Features, Suite};
use dispatch_adapters::model::{Adapter, Envelope, HealthStatus};
use dispatch_adapters::wire::Form;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{Headers as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::support::{
    assert_refused, assert_same, deliver_until_taken, gives_up_in_time, order, read, soon, unique,
};

/// What a broker that is not real cannot show.
const NOT_PROVEN: &[&str] = &[
    "replication, and what a failover keeps",
    "what is on disk when a broker stops",
    "limits and permissions of brokers",
    "logins and TLS",
    "topics that are not made by themselves",
];

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> Cluster {
    MockCluster::new(1).unwrap()
}

fn at(cluster: &Cluster) -> KafkaOptions {
    KafkaOptions {
        brokers: cluster.bootstrap_servers().split(',').map(str::to_owned).collect(),
        ..KafkaOptions::default()
    }
}

fn adapter(options: KafkaOptions) -> KafkaAdapter {
    KafkaAdapter::new(options).unwrap()
}

/// Reads the one partition of a topic from its beginning.
fn reader(cluster: &Cluster, topic: &str) -> StreamConsumer {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", unique("g"))
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    consumer
}

/// Everything in the one partition of a topic, as far as `count`.
async fn written(cluster: &Cluster, topic: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer = reader(cluster, topic);
    let mut messages = Vec::new();
    while messages.len() < count {
        messages.push(soon("a message", consumer.recv()).await.unwrap().detach());
    }
    messages
}

fn header(message: &OwnedMessage, name: &str) -> String {
    let found = message.headers().unwrap().iter().find(|header| header.key == name);
    String::from_utf8(found.unwrap_or_else(|| panic!("no header {name}")).value.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn an_envelope_arrives_whole_under_its_key_for_each_kind_of_acks() {
    let cluster = cluster();
    for acks in [KafkaAcks::All, KafkaAcks::Leader, KafkaAcks::None] {
        let topic = unique("t");
        cluster.create_topic(&topic, 1, 1).unwrap();
        let sent = order(&topic, 1);
        let receipt = adapter(KafkaOptions { acks, ..at(&cluster) }).deliver(&sent).await.unwrap();
        let place = if acks == KafkaAcks::None { format!("{topic}/0") } else { format!("{topic}/0/0") };
        assert!(receipt.id.as_ref().unwrap().starts_with(&place), "{receipt:?}");
        let message = written(&cluster, &topic, 1).await.remove(0);
        assert_same(&read(message.payload().unwrap()), &sent);
        assert_eq!(message.key(), Some(&b"customer-7"[..]));
        assert_eq!(header(&message, "content-type"), "application/cloudevents+json");
        assert_eq!(header(&message, "id"), sent.id().to_string());
    }
}

#[tokio::test]
async fn in_the_binary_form_the_payload_is_the_message_and_the_rest_is_headers() {
    let (cluster, topic) = (cluster(), unique("t"));
    cluster.create_topic(&topic, 1, 1).unwrap();
    let options = KafkaOptions { form: Form::Binary, topic: topic.parse().unwrap(), ..at(&cluster) };
    let sent = Envelope::bytes("Signed", "abc", "text/plain").with_header("tenant", "blue");
    adapter(options).deliver(&sent).await.unwrap();
    let message = written(&cluster, &topic, 1).await.remove(0);
    assert_eq!((message.payload(), message.key()), (Some(&b"abc"[..]), None));
    for (name, value) in [
        ("ce_id", &*sent.id().to_string()),
        ("ce_type", "Signed"),
        ("content-type", "text/plain"),
        ("tenant", "blue"),
    ] {
        assert_eq!(header(&message, name), value, "{name}");
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_answers_for_each_envelope() {
    let (cluster, topic) = (cluster(), unique("t"));
    cluster.create_topic(&topic, 1, 1).unwrap();
    let mut batch: Vec<_> = (0..200).map(|number| order(&topic, number)).collect();
    batch.insert(100, Envelope::empty("NoTopic"));
    batch.insert(150, order(&topic, 0).with_header("long", "x".repeat(5_000)));
    batch.insert(160, order("no/topic", 0));
    let results = adapter(KafkaOptions { max_bytes: 4_000, ..at(&cluster) }).deliver_batch(&batch).await;
    assert_refused(results[100].as_ref().unwrap_err(), "the envelope has no topic");
    assert_refused(results[150].as_ref().unwrap_err(), "over max_bytes of 4000");
    assert_refused(results[160].as_ref().unwrap_err(), "is not a topic of Kafka");
    let taken: Vec<_> =
        batch.iter().zip(&results).filter_map(|(sent, result)| Some((sent, result.as_ref().ok()?))).collect();
    assert_eq!(taken.len(), 200);
    for (message, (sent, receipt)) in written(&cluster, &topic, 200).await.iter().zip(taken) {
        assert_eq!(read(message.payload().unwrap()).id(), sent.id());
        assert_eq!(receipt.id, Some(format!("{topic}/0/{}", message.offset())));
    }
}

#[tokio::test]
async fn what_a_broker_refuses_is_an_error_of_its_kind() {
    let cluster = cluster();
    let produce = RDKafkaApiKey::Produce;
    for (error, text) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "MessageSizeTooLarge"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "does not let this user write"),
    ] {
        // The client remembers for a while that it may not write to a topic.
        let topics = [unique("t"), unique("t")];
        for topic in &topics {
            cluster.create_topic(topic, 1, 1).unwrap();
        }
        cluster.request_errors(produce, &[error]);
        let adapter = adapter(KafkaOptions { acks: KafkaAcks::Leader, ..at(&cluster) });
        assert_refused(&adapter.deliver(&order(&topics[0], 1)).await.unwrap_err(), text);
        cluster.clear_request_errors(produce);
        adapter.deliver(&order(&topics[1], 1)).await.unwrap();
    }
    let topic = unique("t");
    cluster.topic_error(&topic, RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let error = adapter(at(&cluster)).deliver(&order(&topic, 1)).await.unwrap_err();
    assert_refused(&error, "has no such topic");
}

#[tokio::test]
async fn what_passes_is_tried_again_by_the_producer_and_stored_once() {
    let (cluster, topic) = (cluster(), unique("t"));
    cluster.create_topic(&topic, 1, 1).unwrap();
    let passing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    cluster.request_errors(RDKafkaApiKey::Produce, &[passing, passing]);
    let adapter = adapter(at(&cluster));
    let sent = [order(&topic, 1), order(&topic, 2)];
    for envelope in &sent {
        deliver_until_taken(&adapter, envelope).await;
    }
    let ids: Vec<_> = written(&cluster, &topic, 2)
        .await
        .iter()
        .map(|message| read(message.payload().unwrap()).id())
        .collect();
    assert_eq!(ids, sent.map(|envelope| envelope.id()));
}

#[tokio::test]
async fn brokers_that_were_away_are_used_again_without_help() {
    let (cluster, topic) = (cluster(), unique("t"));
    cluster.create_topic(&topic, 1, 1).unwrap();
    let adapter = adapter(KafkaOptions { timeout: Duration::from_secs(2), ..at(&cluster) });
    let sent = [order(&topic, 1), order(&topic, 2)];
    for envelope in &sent {
        cluster.broker_down(1).unwrap();
        let error = adapter.deliver(envelope).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);
        cluster.broker_up(1).unwrap();
        deliver_until_taken(&adapter, envelope).await;
        assert_eq!(adapter.health().await.status, HealthStatus::Healthy);
    }
    let ids: Vec<_> = written(&cluster, &topic, 2)
        .await
        .iter()
        .map(|message| read(message.payload().unwrap()).id())
        .collect();
    assert!(ids.contains(&sent[0].id()));
}

#[test]
fn a_password_is_never_shown() {
    let properties =
        [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN"), ("sasl.password", "hunter2")];
    let options = KafkaOptions { properties: properties.into_iter().collect(), ..KafkaOptions::default() };
    assert!(!format!("{options:?}{}", serde_json::to_string(&options).unwrap()).contains("hunter2"));
    assert_eq!(adapter(options).destination(), "127.0.0.1:9092");
    let properties = [("security.protocol", "hunter2")].into_iter().collect();
    let refused = KafkaAdapter::new(KafkaOptions { properties, ..KafkaOptions::default() }).err().unwrap();
    assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused}");
}

/// The one partition of a topic.
struct Partition {
    topic: String,
    consumer: StreamConsumer,
    read: tokio::sync::Mutex<Vec<Arrival>>,
}

#[async_trait::async_trait]
impl Destination for Partition {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let mut read = self.read.lock().await;
        let (_, end) = self.consumer.fetch_watermarks(&self.topic, 0, Duration::from_secs(5)).unwrap();
        while read.len() < usize::try_from(end).unwrap() {
            let message = soon("a message", self.consumer.recv()).await.unwrap().detach();
            read.push(Arrival::from(&crate::support::read(message.payload().unwrap())));
        }
        read.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_the_public_suite() {
    let (cluster, topic) = (cluster(), unique("s"));
    cluster.create_topic(&topic, 1, 1).unwrap();
    let adapter = adapter(KafkaOptions { max_bytes: 8 << 20, ..at(&cluster) });
    let suite = Suite::new(std::sync::Arc::new(adapter))
        .with_features(Features {
            idempotent: false,
            max_size: None,
            not_proven: NOT_PROVEN,
            ..Features::all()
        })
        .with_destination(std::sync::Arc::new(Partition {
            consumer: reader(&cluster, &topic),
            topic: topic.clone(),
            read: tokio::sync::Mutex::default(),
        }))
        .with_topic(topic.parse().unwrap())
        .with_poison(Envelope::empty("NoTopic"));
    let report = suite.run().await;
    report.assert();
    assert_eq!(report.not_proven(), NOT_PROVEN);
    println!("{report}");
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_given_up_in_time() {
    gives_up_in_time(|port, timeout| {
        let brokers = vec![format!("127.0.0.1:{port}")];
        Box::new(adapter(KafkaOptions { brokers, timeout, ..KafkaOptions::default() }))
    })
    .await;
}
