//! A process that works until it is stopped, and says which attempts it begins and ends.
//!
//! It is this very test binary, told by a variable what to do.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use dispatch_adapters::async_trait;
use dispatch_adapters::messenger::{self, WorkerConfig, Workers};
use dispatch_adapters::model::queue::Attempt;
use dispatch_adapters::model::{Adapter, DeadLetter, DeliveryError, Receipt};
use dispatch_adapters::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The variable that makes this binary a worker.
pub(crate) const ORDER: &str = "DISPATCH_QUEUE_WORKER";

/// What a worker is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) folder: PathBuf,
    /// The configuration of the messenger.
    pub(crate) config: String,
    /// Its handler says that it is done, and does it afterwards.
    pub(crate) too_early: bool,
}

/// What a worker says, a line each.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Said {
    Ready,
    Begun(Uuid),
    Ended(Uuid),
    /// The dead-letter target was told of a failed message.
    Told(Uuid),
}

impl Said {
    /// Written at once: what was said before a kill was heard.
    fn say(self) {
        let line = format!("{}\n", serde_json::to_string(&self).unwrap());
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// How long a lease is: what is lost with a worker is handled again after that.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// Messages that fail for good, and those whose first attempt fails.
pub(crate) fn fails(number: u64) -> bool {
    number.is_multiple_of(10)
}

/// A dead-letter target that says what it is told.
struct Says;

#[async_trait]
impl Adapter for Says {
    fn name(&self) -> &str {
        "says"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let letter = DeadLetter::from_envelope(envelope).unwrap();
        Said::Told(letter.envelope.id()).say();
        Ok(Receipt::taken())
    }
}

/// Not a test: what a worker does.
#[test]
fn worker() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&order).unwrap();
    // The test framework has begun a line.
    std::io::stdout().lock().write_all(b"\n").unwrap();
    let is_clean = actix::System::new().block_on(work(order));
    std::process::exit(i32::from(!is_clean));
}

async fn work(order: Order) -> bool {
    let opener = messenger::builder(&order.folder).config(super::trial::config(&order.config));
    let messenger = opener.dead_letters(Says).open().await.unwrap();
    let too_early = order.too_early;
    let handler = on_command("work").concurrency(100).run(move |envelope: Envelope| async move {
        let (id, number) =
            (envelope.id(), envelope.raw_payload().to_json().unwrap()["number"].as_u64().unwrap());
        Said::Begun(id).say();
        let work = async move {
            tokio::time::sleep(Duration::from_millis(number % 23)).await;
            Said::Ended(id).say();
        };
        if too_early {
            actix::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                work.await;
            });
        } else {
            work.await;
        }
        if fails(number) { Err(DispatcherError::msg("it never works").unrecoverable()) } else { Ok(()) }
    });
    let route = Route::new("work", "messenger.**", Category::Command, "work");
    let engine = Engine::builder().dispatcher(handler).route(route).freeze().unwrap();
    let config = WorkerConfig { lease: LEASE, concurrency: 8, prefetch: 4, ..WorkerConfig::default() };
    let worker = messenger.work(&engine, config).unwrap();
    Said::Ready.say();
    let report = Workers::new().with(worker).run_until_signal(Duration::from_secs(10)).await.unwrap();
    messenger.close().await.unwrap();
    report.is_clean()
}

/// Whether an attempt was lost with its worker.
pub(crate) fn was_lost(attempt: &Attempt) -> bool {
    attempt.error == Attempt::LOST
}
