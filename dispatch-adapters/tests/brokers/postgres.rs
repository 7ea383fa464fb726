//! Notifications of PostgreSQL. Needs `DISPATCH_POSTGRES_URL`.

use std::time::Duration;

use dispatch_adapters::model::delivery::conformance::{Arrival, Destination, Features};
use dispatch_adapters::model::{Adapter, Envelope};
use dispatch_adapters::postgres::{PostgresAdapter, PostgresOptions};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls, Notification};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    MARKER, Opening, Proxy, address, assert_refused, gives_up_in_time, names_what_is_wrong_with_tls, order,
    passes_the_suite, server, soon, speaks_tls, structured, survives_an_outage, unique,
};

fn adapter(options: PostgresOptions) -> PostgresAdapter {
    PostgresAdapter::new(options).unwrap()
}

fn at(url: &str) -> PostgresOptions {
    PostgresOptions { url: url.into(), ..PostgresOptions::default() }
}

/// Listens on a channel; the client has to live as long.
async fn listening(url: &str, channel: &str) -> (Client, UnboundedReceiver<Notification>) {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message
                && sender.send(notification).is_err()
            {
                return;
            }
        }
    });
    client.batch_execute(&format!("LISTEN \"{channel}\"")).await.unwrap();
    (client, receiver)
}

async fn received(notifications: &mut UnboundedReceiver<Notification>) -> Value {
    let notification = soon("a notification", notifications.recv()).await.unwrap();
    serde_json::from_str(notification.payload()).unwrap()
}

#[tokio::test]
async fn whoever_listens_is_told_what_the_envelope_is() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let topic = format!("{}.Orders", unique("t"));
    let (_client, mut notifications) = listening(&url, &topic).await;
    let sent = order(&topic, 1);
    adapter(at(&url)).deliver(&sent).await.unwrap();
    let expected = json!({
        "id": sent.id(), "type": "OrderPlaced", "topic": topic, "key": "customer-7",
        "correlation_id": sent.correlation_id(),
    });
    assert_eq!(received(&mut notifications).await, expected);
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_answers_for_each_envelope() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let topic = unique("t");
    let (_client, mut notifications) = listening(&url, &topic).await;
    let mut batch: Vec<_> = (0..200).map(|number| order(&topic, number)).collect();
    batch.insert(100, Envelope::empty("NoTopic"));
    batch.insert(150, order(&topic, 0).with_key("k".repeat(8_000)));
    let results = adapter(at(&url)).deliver_batch(&batch).await;
    assert_refused(results[100].as_ref().unwrap_err(), "the envelope has no topic");
    assert_refused(results[150].as_ref().unwrap_err(), "PostgreSQL takes at most 7999");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 200);
    for (sent, _) in batch.iter().zip(&results).filter(|(_, result)| result.is_ok()) {
        assert_eq!(received(&mut notifications).await["id"], json!(sent.id()));
    }
}

#[tokio::test]
async fn the_longest_notification_and_the_longest_channel_are_taken() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let channel = format!("{}{}", unique("c"), "x".repeat(30));
    assert_eq!(channel.len(), 63);
    let (_client, mut notifications) = listening(&url, &channel).await;
    let options = PostgresOptions { channel: channel.parse().unwrap(), ..at(&url) };
    let envelope = Envelope::empty("X");
    let bare = json!({ "id": envelope.id(), "type": "X", "key": "" }).to_string().len();
    let longest = envelope.clone().with_key("k".repeat(7_999 - bare));
    adapter(options.clone()).deliver(&longest).await.unwrap();
    assert_eq!(received(&mut notifications).await.to_string().len(), 7_999);
    let longer = envelope.with_key("k".repeat(8_000 - bare));
    assert_refused(&adapter(options).deliver(&longer).await.unwrap_err(), "the notification has 8000 bytes");
}

#[tokio::test]
async fn a_name_that_is_not_one_of_a_channel_is_refused() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let adapter = adapter(PostgresOptions { channel: "{key}".parse().unwrap(), ..at(&url) });
    for name in ["", "a\nb", "a\0b", &"x".repeat(64)] {
        let envelope = Envelope::empty("X").with_key(name);
        assert_refused(&adapter.deliver(&envelope).await.unwrap_err(), "is not the name of a channel");
    }
    let odd = unique("'; DROP TABLE x; --");
    let (_client, mut notifications) = listening(&url, &odd).await;
    adapter.deliver(&Envelope::empty("X").with_key(odd)).await.unwrap();
    assert_eq!(received(&mut notifications).await["type"], "X");
}

#[tokio::test]
async fn a_server_that_was_away_is_used_again_without_help() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let topic = unique("t");
    let (_client, mut notifications) = listening(&url, &topic).await;
    let mut proxy = Proxy::to(address(&url)).await;
    let through = url.replace(&address(&url), &format!("127.0.0.1:{}", proxy.port()));
    let options = PostgresOptions { timeout: Duration::from_secs(2), ..at(&through) };
    let sent = survives_an_outage(&adapter(options), &mut proxy, &topic).await;
    let mut wanted = sent.iter().map(|envelope| json!(envelope.id())).peekable();
    while let Some(id) = wanted.peek() {
        // At-least-once: one that failed may have arrived.
        if received(&mut notifications).await["id"] == *id {
            wanted.next();
        }
    }
}

#[tokio::test]
async fn a_wrong_login_is_refused_for_good_and_shows_no_password() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let options = at(&format!("postgres://nobody_here:hunter2@{}/postgres", address(&url)));
    let adapter = adapter(options.clone());
    assert_refused(&adapter.deliver(&order("a.b", 1)).await.unwrap_err(), "refused the login");
    assert_eq!(adapter.destination(), address(&url));
    assert!(!format!("{options:?}{}", serde_json::to_string(&options).unwrap()).contains("hunter2"));
    let (place, _) = url.rsplit_once('/').unwrap();
    let missing = PostgresAdapter::new(at(&format!("{place}/{}", unique("d")))).unwrap();
    assert_refused(&missing.deliver(&order("a.b", 1)).await.unwrap_err(), "has no such database");
}

#[tokio::test]
async fn it_speaks_tls_with_whom_it_trusts_only() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let (url, plain) = (url.split('?').next().unwrap(), address(&url));
    speaks_tls(&plain, &unique("t"), Opening::Postgres, |place, tls| {
        let url = format!("{}?sslmode=require", url.replace(&plain, place));
        Box::new(adapter(PostgresOptions { tls, ..at(&url) }))
    })
    .await;
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_if_tls_is_wanted() {
    let (port, asked) = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 8];
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(b"N").await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            rest
        });
        (port, asked)
    };
    let adapter = adapter(at(&format!("postgres://u:hunter2@127.0.0.1:{port}/db?sslmode=require")));
    let error = adapter.deliver(&order("a.b", 1)).await.unwrap_err();
    assert!(error.message().contains("does not speak TLS"), "{error:?}");
    assert!(asked.await.unwrap().is_empty(), "neither user nor password is sent");
}

#[test]
fn what_is_wrong_with_tls_is_named() {
    let secure = "postgres://u:hunter2@h/db?sslmode=require";
    names_what_is_wrong_with_tls("postgres://u:hunter2@h/db", secure, |url, tls| {
        PostgresAdapter::new(PostgresOptions { tls, ..at(url) })
    });
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    gives_up_in_time(|port, timeout| {
        let options = PostgresOptions { timeout, ..at(&format!("postgres://user@127.0.0.1:{port}")) };
        Box::new(adapter(options))
    })
    .await;
}

/// A listener, which reads up to a marker of its own.
struct Listener {
    channel: String,
    client: Client,
    notifications: Mutex<(UnboundedReceiver<Notification>, Vec<Arrival>)>,
}

#[async_trait::async_trait]
impl Destination for Listener {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let (notifications, arrived) = &mut *self.notifications.lock().await;
        let marker = format!(r#"NOTIFY "{}", '{{"type": "{MARKER}"}}'"#, self.channel);
        self.client.batch_execute(&marker).await.unwrap();
        loop {
            let reference = received(notifications).await;
            if reference["type"] == MARKER {
                return arrived.clone();
            }
            arrived.push(Arrival::with_id(reference["id"].as_str().unwrap().parse().unwrap()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_the_public_suite() {
    let Some(url) = server("DISPATCH_POSTGRES_URL") else { return };
    let channel = unique("s");
    let (client, notifications) = listening(&url, &channel).await;
    let notifications = Mutex::new((notifications, Vec::new()));
    let destination = Listener { channel: channel.clone(), client, notifications };
    // It tells which envelope it is, not what is in it.
    let features = Features { headers: false, bodies: false, ..structured() };
    passes_the_suite(adapter(at(&url)), &channel, features, destination).await;
}
