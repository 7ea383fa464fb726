use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dispatch_adapters::model::delivery::conformance::{Arrival, Destination};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Payload, Receipt, Topic};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

/// An envelope with a topic.
pub(crate) fn envelope(message_type: &str) -> Envelope {
    Envelope::json(message_type, serde_json::json!({ "id": 7 })).with_topic(&topic("shop.order.events"))
}

pub(crate) fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("no"))
    }
}

/// An envelope whose payload does not let itself be written.
pub(crate) fn unwritable() -> Envelope {
    Envelope::new(Payload::typed(Unwritable)).with_topic(&topic("shop.order.events"))
}

/// A writer whose bytes can be read back.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What lines of JSON say has arrived.
pub(crate) fn arrivals(lines: &str) -> Vec<Arrival> {
    let envelopes = lines.lines().map(|line| serde_json::from_str::<Envelope>(line).unwrap());
    envelopes.map(|envelope| Arrival::from(&envelope)).collect()
}

#[async_trait]
impl Destination for Paper {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        arrivals(&self.text())
    }
}

/// An adapter that keeps what it is given.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<Envelope>>>);

impl Memory {
    pub(crate) fn push(&self, envelope: &Envelope) {
        self.0.lock().unwrap().push(envelope.clone());
    }

    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Adapter for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.push(envelope);
        Ok(Receipt::with_id(envelope.id().to_string()))
    }
}

#[async_trait]
impl Destination for Memory {
    /// Lets others run, who may have something on its way.
    async fn arrived(&self, at_least: usize) -> Vec<Arrival> {
        for _ in 0..1000 {
            if self.envelopes().len() >= at_least {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.envelopes().iter().map(Arrival::from).collect()
    }
}
