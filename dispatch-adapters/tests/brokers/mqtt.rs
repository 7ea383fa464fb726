//! MQTT 5. Needs `DISPATCH_MQTT_URL`.

use std::time::Duration;

use dispatch_adapters::model::delivery::conformance::{Arrival, Destination};
use dispatch_adapters::model::{Adapter, Envelope};
use dispatch_adapters::mqtt::{MqttAdapter, MqttOptions, QualityOfService};
use dispatch_adapters::wire::Form;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, Publish, QoS};
use tokio::sync::Mutex;

use crate::support::{
    Ending, MARKER, Opening, Proxy, address, assert_refused, assert_same, gives_up_in_time, marker,
    names_what_is_wrong_with_tls, order, passes_the_suite, read, server, soon, speaks_tls, structured,
    structured_body, survives_an_outage, unique,
};

fn adapter(options: MqttOptions) -> MqttAdapter {
    MqttAdapter::new(options).unwrap()
}

fn at(url: &str) -> MqttOptions {
    MqttOptions { url: url.into(), ..MqttOptions::default() }
}

/// A subscriber; its client has to live as long.
async fn subscribed(url: &str, filter: &str) -> (AsyncClient, EventLoop) {
    let address = address(url);
    let (host, port) = address.split_once(':').unwrap();
    let mut settings = rumqttc::MqttOptions::new(unique("reader"), (host, port.parse().unwrap()));
    settings.set_unlimited_incoming_packet_size();
    let (client, mut events) = AsyncClient::builder(settings).capacity(10).build();
    client.subscribe(filter, QoS::ExactlyOnce).await.unwrap();
    let acknowledged =
        async { while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::SubAck(_))) {} };
    soon("a subscription", acknowledged).await;
    (client, events)
}

async fn received(events: &mut EventLoop) -> Publish {
    let wait = async {
        loop {
            if let Event::Incoming(Incoming::Publish(message)) = events.poll().await.unwrap() {
                return message;
            }
        }
    };
    soon("a message", wait).await
}

#[tokio::test]
async fn an_envelope_arrives_whole_at_every_quality_of_service() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    for qos in [QualityOfService::AtMostOnce, QualityOfService::AtLeastOnce, QualityOfService::ExactlyOnce] {
        let topic = unique("t");
        let (_client, mut events) = subscribed(&url, &format!("{topic}/orders")).await;
        let sent = order(&format!("{topic}.orders"), 1);
        adapter(MqttOptions { qos, ..at(&url) }).deliver(&sent).await.unwrap();
        let message = received(&mut events).await;
        assert_same(&read(&message.payload), &sent);
        assert_eq!(message.qos as u8, u8::from(qos));
        let properties = message.properties.unwrap();
        assert_eq!(properties.content_type.as_deref(), Some("application/cloudevents+json"));
        assert_eq!(properties.user_properties, [("id".to_owned(), sent.id().to_string())]);
    }
}

#[tokio::test]
async fn in_the_binary_form_the_payload_is_the_message_and_the_rest_is_properties() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    let topic = unique("t");
    let (_client, mut events) = subscribed(&url, &format!("{topic}/#")).await;
    let options =
        MqttOptions { topic: format!("{topic}/{{type}}").parse().unwrap(), form: Form::Binary, ..at(&url) };
    let sent = Envelope::bytes("Signed", "abc", "text/plain").with_header("tenant", "blue");
    adapter(options.clone()).deliver(&sent).await.unwrap();
    let message = received(&mut events).await;
    assert_eq!((&*message.payload, &*message.topic), (&b"abc"[..], format!("{topic}/Signed").as_bytes()));
    let properties = message.properties.unwrap();
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    for (name, value) in [("id", &*sent.id().to_string()), ("type", "Signed"), ("tenant", "blue")] {
        let found = properties.user_properties.iter().find(|(found, _)| found == name);
        assert_eq!(found.unwrap().1, value, "{name}");
    }
    let long = sent.with_header("long", "x".repeat(70_000));
    assert_refused(&adapter(options).deliver(&long).await.unwrap_err(), "MQTT takes at most 65535");
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_answers_for_each_envelope() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    let topic = unique("t");
    let (_client, mut events) = subscribed(&url, &topic).await;
    let mut batch: Vec<_> = (0..200).map(|number| order(&topic, number)).collect();
    batch.insert(100, Envelope::empty("NoTopic"));
    batch.insert(150, order(&topic, 0).with_header("long", "x".repeat(5_000)));
    let adapter = adapter(MqttOptions { max_bytes: 4_000, ..at(&url) });
    let deliver = adapter.deliver_batch(&batch);
    let read_all = async {
        let mut ids = Vec::new();
        while ids.len() < 200 {
            ids.push(read(&received(&mut events).await.payload).id());
        }
        ids
    };
    let (results, arrived) = tokio::join!(deliver, read_all);
    assert_refused(results[100].as_ref().unwrap_err(), "the envelope has no topic");
    assert_refused(results[150].as_ref().unwrap_err(), "over max_bytes of 4000");
    let taken = batch.iter().zip(&results).filter(|(_, result)| result.is_ok());
    assert_eq!(arrived, taken.map(|(envelope, _)| envelope.id()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_retained_reaches_those_who_come_later() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    let topic = unique("t");
    let sent = order(&topic, 1);
    adapter(MqttOptions { retain: true, ..at(&url) }).deliver(&sent).await.unwrap();
    let (client, mut events) = subscribed(&url, &topic).await;
    let message = received(&mut events).await;
    assert!(message.retain && read(&message.payload).id() == sent.id());
    let nothing = rumqttc::PublishOptions::new(QoS::AtLeastOnce).retain(true);
    let removed = client.publish_tracked(topic, "", nothing).await.unwrap();
    let remove = async {
        tokio::select! {
            done = removed.wait_async() => drop(done.unwrap()),
            () = async { while events.poll().await.is_ok() {} } => panic!("the connection broke"),
        }
    };
    soon("the removal", remove).await;
}

#[tokio::test]
async fn a_topic_with_a_wildcard_is_refused() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    for topic in ["a/+", "#"] {
        let adapter = adapter(MqttOptions { topic: topic.parse().unwrap(), ..at(&url) });
        assert_refused(&adapter.deliver(&Envelope::empty("X")).await.unwrap_err(), "is not a topic of MQTT");
    }
}

#[tokio::test]
async fn a_server_that_was_away_is_used_again_without_help() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    for qos in [QualityOfService::AtLeastOnce, QualityOfService::ExactlyOnce] {
        let topic = unique("t");
        let (_client, mut events) = subscribed(&url, &topic).await;
        let mut proxy = Proxy::to(address(&url)).await;
        let through = format!("mqtt://127.0.0.1:{}", proxy.port());
        let options = MqttOptions { timeout: Duration::from_secs(2), qos, ..at(&through) };
        let sent = survives_an_outage(&adapter(options), &mut proxy, &topic).await;
        let mut wanted = sent.iter().map(Envelope::id).peekable();
        while let Some(id) = wanted.peek() {
            // At-least-once: one that failed may have arrived.
            if read(&received(&mut events).await.payload).id() == *id {
                wanted.next();
            }
        }
    }
}

/// Plays a broker that answers CONNECT with these bytes; what it was sent.
async fn broker(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut packet = vec![0; 4096];
        let length = stream.read(&mut packet).await.unwrap();
        packet.truncate(length);
        stream.write_all(answer).await.unwrap();
        // Open until the client has had enough.
        let _ = stream.read(&mut [0; 4096]).await;
        packet
    });
    (port, asked)
}

#[tokio::test]
async fn a_wrong_login_is_refused_for_good_and_shows_no_password() {
    let (port, asked) = broker(&[0x20, 3, 0, 0x86, 0]).await;
    let options = at(&format!("mqtt://app:hunter2%21@127.0.0.1:{port}"));
    let adapter = adapter(options.clone());
    assert_refused(&adapter.deliver(&order("a.b", 1)).await.unwrap_err(), "refused the login");
    let sent = asked.await.unwrap();
    assert!(sent.windows(8).any(|part| part == b"hunter2!"), "the password is decoded and sent");
    assert_eq!(adapter.destination(), format!("127.0.0.1:{port}"));
    assert!(!format!("{options:?}{}", serde_json::to_string(&options).unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn it_speaks_tls_with_whom_it_trusts_only() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    speaks_tls(&address(&url), &unique("t"), Opening::Nothing, |place, tls| {
        Box::new(adapter(MqttOptions { tls, ..at(&format!("mqtts://{place}")) }))
    })
    .await;
}

#[tokio::test]
async fn settings_of_tls_of_ones_own_stand_for_those_of_the_options() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    let ending = Ending::before(&address(&url), "localhost", Opening::Nothing).await;
    let secure = at(&format!("mqtts://localhost:{}", ending.port));
    let adapter = MqttAdapter::with_tls(secure, std::sync::Arc::new(ending.client())).unwrap();
    adapter.deliver(&order(&unique("t"), 1)).await.unwrap();
    let unasked = MqttAdapter::with_tls(at("mqtt://h"), std::sync::Arc::new(ending.client()))
        .err()
        .unwrap()
        .to_string();
    assert!(unasked.contains("write it as mqtts://host:port"), "{unasked}");
}

#[test]
fn what_is_wrong_with_tls_is_named() {
    names_what_is_wrong_with_tls("mqtt://u:hunter2@h", "mqtts://u:hunter2@h", |url, tls| {
        MqttAdapter::new(MqttOptions { tls, ..at(url) })
    });
}

#[tokio::test]
async fn the_limits_of_the_broker_are_kept() {
    // Maximum packet size of 200.
    let (port, _asked) = broker(&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 200]).await;
    let error = adapter(at(&format!("mqtt://127.0.0.1:{port}"))).deliver(&order("a.b", 1)).await.unwrap_err();
    assert_refused(&error, "takes at most 200");
    // Maximum QoS of 0.
    let (port, _asked) = broker(&[0x20, 5, 0, 0, 2, 0x24, 0]).await;
    let error = adapter(at(&format!("mqtt://127.0.0.1:{port}"))).deliver(&order("a.b", 1)).await.unwrap_err();
    assert_refused(&error, "takes no message of qos 1");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    gives_up_in_time(|port, timeout| {
        let options = MqttOptions { timeout, ..at(&format!("mqtt://127.0.0.1:{port}")) };
        Box::new(adapter(options))
    })
    .await;
}

/// A subscriber, which reads up to a marker of its own.
struct Reader {
    topic: String,
    client: AsyncClient,
    events: Mutex<(EventLoop, Vec<Arrival>)>,
}

#[async_trait::async_trait]
impl Destination for Reader {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let (events, arrived) = &mut *self.events.lock().await;
        let marker = structured_body(&marker(&self.topic));
        let options = rumqttc::PublishOptions::new(QoS::AtLeastOnce);
        self.client.publish(&*self.topic, marker, options).await.unwrap();
        loop {
            let envelope = read(&received(events).await.payload);
            if envelope.message_type_str() == MARKER {
                return arrived.clone();
            }
            arrived.push(Arrival::from(&envelope));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_the_public_suite() {
    let Some(url) = server("DISPATCH_MQTT_URL") else { return };
    let topic = unique("s");
    let (client, events) = subscribed(&url, &topic).await;
    let destination = Reader { topic: topic.clone(), client, events: Mutex::new((events, Vec::new())) };
    let adapter = adapter(MqttOptions { max_bytes: 8 << 20, ..at(&url) });
    passes_the_suite(adapter, &topic, structured(), destination).await;
}
