//! Signed webhooks of 1 KiB to a server in another process: with every policy, and with the bare HTTP client.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dispatch_adapters::Delivery;
use dispatch_adapters::http::{AddressGuard, PoolOptions};
use dispatch_adapters::model::policy::{BreakerConfig, RetryPolicy};
use dispatch_adapters::model::{Adapter, Envelope};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as TokioReader};
use tokio::net::{TcpListener, TcpStream};

use super::runtime;
use crate::compare::cli::Options;
use crate::compare::measure::{cpu_time, median};
use crate::compare::report::{Report, Row, Target};

const IN_FLIGHT: usize = 256;

/// CPU and wall nanoseconds of a delivery: ours, and theirs.
type Pair = ((f64, f64), (f64, f64));

/// Another process that answers every request with 200.
struct Receiver {
    process: Child,
    url: String,
}

impl Receiver {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut process = Command::new(program)
            .arg("receiver")
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started again");
        let mut url = String::new();
        let output = process.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut url).expect("it says where it listens");
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the other process does.
pub(crate) fn receive() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        println!("http://{}/hook", listener.local_addr().expect("it is bound"));
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(answer(connection));
        }
    });
}

/// Reads requests with a content length and answers each with 200.
async fn answer(connection: TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = TokioReader::new(connection);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if connection.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        body.resize(length, 0);
        connection.read_exact(&mut body).await?;
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
    }
}

fn envelope() -> Envelope {
    Envelope::json("OrderPlaced", json!({"id": 7, "note": "x".repeat(1_000)})).with_source("/shop")
}

/// CPU and wall nanoseconds of each of `count` deliveries.
fn ours(url: &str, count: usize) -> (f64, f64) {
    runtime().block_on(async {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("it is not empty");
        let pool =
            PoolOptions { size: IN_FLIGHT, guard: Some(AddressGuard::off()), ..PoolOptions::default() };
        let delivery = Delivery::to(Webhook::new(WebhookOptions::new(url, secret).with_pool(pool)))
            .retry(RetryPolicy::default())
            .circuit_breaker(BreakerConfig::default())
            .max_in_flight(IN_FLIGHT)
            .start()
            .expect("the options are valid");
        let one = || async {
            delivery.deliver(&envelope()).await.expect("the receiver takes everything");
        };
        timed(count, one).await
    })
}

/// The same requests from the HTTP client alone; their signature is a constant.
fn bare(url: &str, count: usize) -> (f64, f64) {
    runtime().block_on(async {
        // This program has no other use for TLS; the second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            reqwest::Client::builder().no_proxy().build().expect("a client without TLS can be built");
        let one = || async {
            let envelope = envelope();
            let (body, _) = envelope.raw_payload().to_bytes().expect("it is JSON");
            let answer = client
                .post(url)
                .header("content-type", "application/cloudevents+json")
                .header("webhook-id", envelope.id().to_string())
                .header("webhook-timestamp", "1700000000")
                .header("webhook-signature", "v1,ilok+pi55bLhTKXnXJ26MuTSlecNiOdaLHbw/hjqvDU=")
                .body(body)
                .send()
                .await
                .expect("the receiver answers");
            answer.bytes().await.expect("the receiver takes everything");
        };
        timed(count, one).await
    })
}

async fn timed<F: Future<Output = ()>>(count: usize, one: impl Fn() -> F) -> (f64, f64) {
    // The connections are made before the clock starts.
    stream::iter(0..IN_FLIGHT * 2).map(|_| one()).buffer_unordered(IN_FLIGHT).count().await;
    let (wall, cpu) = (Instant::now(), cpu_time());
    stream::iter(0..count).map(|_| one()).buffer_unordered(IN_FLIGHT).count().await;
    let cpu = cpu_time().saturating_sub(cpu).as_nanos() as f64;
    (cpu / count as f64, wall.elapsed().as_nanos() as f64 / count as f64)
}

pub(super) fn run(options: &Options, report: &Report) {
    const BENCH: &str = "deliver.webhook.50k";
    if !options.wants(BENCH) {
        return;
    }
    let receiver = Receiver::start();
    let (rounds, count) = if options.quick { (3, 5_000) } else { (options.rounds.unwrap_or(5), 50_000) };
    let mut pairs = Vec::new();
    for round in 0..rounds {
        // Whoever began the last round ends this one.
        let pair = if round % 2 == 0 {
            let ours = ours(&receiver.url, count);
            (ours, bare(&receiver.url, count))
        } else {
            let bare = bare(&receiver.url, count);
            (ours(&receiver.url, count), bare)
        };
        pairs.push(pair);
        std::thread::sleep(Duration::from_millis(50));
    }
    let middle = |pick: fn(&Pair) -> f64| median(pairs.iter().map(pick));
    report.print(&Row {
        bench: BENCH.to_owned(),
        cpu_ns: middle(|pair| pair.0.0),
        wall_ns: middle(|pair| pair.0.1),
        allocations: None,
        peer: Some(("reqwest", middle(|pair| pair.1.0), middle(|pair| pair.0.0 / pair.1.0))),
        target: Some(Target::AtLeast("rate_percent", 80.0)),
        extra: vec![("rate_percent", middle(|pair| 100.0 * pair.1.1 / pair.0.1))],
    });
}
