use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use dispatch_core::delivery::conformance::{Arrival, Destination, Features};
use dispatch_core::{
    Adapter, DeliveryError, Envelope, ErrorCode, Headers, Health, HealthStatus, Payload, Problem, Receipt,
};
use uuid::Uuid;

/// What the adapter must not show.
pub(crate) const SECRET: &str = "hunter2";

const MAX: usize = 4096;

/// What the adapter promises, which is everything.
pub(crate) fn features() -> Features {
    Features { max_size: Some(MAX), ..Features::all() }
}

/// What the destination refuses.
pub(crate) fn poison() -> Envelope {
    Envelope::empty("Poison")
}

/// A way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BlankName,
    ValidatesOnce,
    RefusesEmpty,
    ChangesJson,
    RefusesBytes,
    RefusesTyped,
    RetriesUnwritable,
    SaysOkTooSoon,
    Reverses,
    LosesIds,
    LosesHeaders,
    SameReceipt,
    TakesTwice,
    AnswersEmptyBatch,
    ForgetsAResult,
    ReversesBatches,
    ShiftsResults,
    FailsWholeBatch,
    RetriesPoison,
    RefusesLarge,
    TakesTooLarge,
    OneAtATime,
    StuckAfterDrop,
    Sick,
    ShowsSecret,
}

impl Fault {
    /// Every fault, and a check that it fails.
    pub(crate) const ALL: [(Self, &str); 25] = [
        (Self::BlankName, "its name is not blank and does not change"),
        (Self::ValidatesOnce, "validating again says the same"),
        (Self::RefusesEmpty, "an empty payload is delivered"),
        (Self::ChangesJson, "a JSON payload is delivered"),
        (Self::RefusesBytes, "a bytes payload is delivered"),
        (Self::RefusesTyped, "a typed payload is delivered"),
        (Self::RetriesUnwritable, "a payload that cannot be written is refused for good"),
        (Self::SaysOkTooSoon, "what is answered Ok has been taken"),
        (Self::Reverses, "order is kept"),
        (Self::LosesIds, "ids arrive"),
        (Self::LosesHeaders, "headers arrive"),
        (Self::SameReceipt, "receipts have ids"),
        (Self::TakesTwice, "a repeated envelope arrives once"),
        (Self::AnswersEmptyBatch, "an empty batch has no results"),
        (Self::ForgetsAResult, "a batch has one result per envelope"),
        (Self::ReversesBatches, "a batch keeps its order"),
        (Self::ShiftsResults, "a batch tells which envelope was refused"),
        (Self::FailsWholeBatch, "a refused envelope leaves the rest of its batch alone"),
        (Self::RetriesPoison, "what the destination refuses is an error for good"),
        (Self::RefusesLarge, "a large payload is delivered"),
        (Self::TakesTooLarge, "a payload that is too large is refused for good"),
        (Self::OneAtATime, "deliveries may run side by side"),
        (Self::StuckAfterDrop, "it works on after a dropped delivery"),
        (Self::Sick, "its health can be asked"),
        (Self::ShowsSecret, "no text shows a secret"),
    ];
}

/// An adapter to a list, sound but for its faults.
pub(crate) struct Sound {
    faults: Vec<Fault>,
    arrived: Arc<Mutex<Vec<Arrival>>>,
    seen: Mutex<BTreeSet<Uuid>>,
    validated: AtomicBool,
    busy: AtomicUsize,
}

struct List(Arc<Mutex<Vec<Arrival>>>);

#[async_trait]
impl Destination for List {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        self.0.lock().unwrap().clone()
    }
}

impl Sound {
    pub(crate) fn with(faults: &[Fault]) -> Self {
        Self {
            faults: faults.to_vec(),
            arrived: Arc::default(),
            seen: Mutex::default(),
            validated: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
        }
    }

    pub(crate) fn destination(&self) -> Arc<dyn Destination> {
        Arc::new(List(Arc::clone(&self.arrived)))
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    fn refuse(&self, envelope: &Envelope) -> Result<(), DeliveryError> {
        let secret = if self.has(Fault::ShowsSecret) { SECRET } else { "" };
        let refused = |what: &str| Err(DeliveryError::permanent(format!("{what} refused {secret}")));
        if envelope.message_type_str() == "Poison" {
            return match self.has(Fault::RetriesPoison) {
                true => Err(DeliveryError::retry("poison refused")),
                false => refused("poison"),
            };
        }
        let size = match envelope.raw_payload().to_bytes() {
            Ok((body, _)) => body.len(),
            Err(_) if self.has(Fault::RetriesUnwritable) => return Err(DeliveryError::retry("unwritable")),
            Err(_) => return refused("unwritable"),
        };
        match envelope.raw_payload() {
            Payload::Empty if self.has(Fault::RefusesEmpty) => return refused("empty"),
            Payload::Bytes { .. } if self.has(Fault::RefusesBytes) => return refused("bytes"),
            Payload::Typed(_) if self.has(Fault::RefusesTyped) => return refused("typed"),
            _ => {}
        }
        let too_large = size > MAX && !self.has(Fault::TakesTooLarge);
        if too_large || (size == MAX && self.has(Fault::RefusesLarge)) {
            return refused("too large");
        }
        Ok(())
    }

    fn arrive(&self, envelope: &Envelope) {
        let mut arrival = Arrival::from(envelope);
        let fresh = self.seen.lock().unwrap().insert(envelope.id());
        if !fresh && !self.has(Fault::TakesTwice) {
            return;
        }
        if self.has(Fault::ChangesJson) && matches!(envelope.raw_payload(), Payload::Json(_)) {
            arrival.body = Some("{}".into());
        }
        if self.has(Fault::LosesIds) {
            arrival.id = None;
        }
        if self.has(Fault::LosesHeaders) {
            arrival.headers = Some(Headers::default());
        }
        let mut list = self.arrived.lock().unwrap();
        // One in ten overtakes the one before it.
        let overtakes = self.has(Fault::Reverses) && list.len() % 10 == 9;
        let place = list.len() - usize::from(overtakes);
        list.insert(place, arrival);
    }
}

/// Lets others go first, once.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| match std::mem::replace(&mut paused, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[async_trait]
impl Adapter for Sound {
    fn name(&self) -> &str {
        if self.has(Fault::BlankName) { " " } else { "sound" }
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        match self.validated.swap(true, SeqCst) && self.has(Fault::ValidatesOnce) {
            true => Err(vec![Problem::new(ErrorCode::InvalidState, "validated already")]),
            false => Ok(()),
        }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let busy = self.busy.fetch_add(1, SeqCst) > 0;
        if busy && self.has(Fault::OneAtATime) {
            self.busy.fetch_sub(1, SeqCst);
            return Err(DeliveryError::retry("busy"));
        }
        pause().await;
        if !self.has(Fault::StuckAfterDrop) {
            self.busy.store(0, SeqCst);
        } else if busy && self.busy.load(SeqCst) > 8 {
            return Err(DeliveryError::retry("stuck"));
        } else {
            self.busy.fetch_sub(1, SeqCst);
        }
        self.refuse(envelope)?;
        if !self.has(Fault::SaysOkTooSoon) {
            self.arrive(envelope);
        }
        let id = if self.has(Fault::SameReceipt) { Uuid::nil() } else { envelope.id() };
        Ok(Receipt::with_id(id.to_string()))
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let mut results = Vec::new();
        let mut order: Vec<_> = envelopes.iter().collect();
        if self.has(Fault::ReversesBatches) {
            order.reverse();
        }
        for envelope in order {
            results.push(self.deliver(envelope).await);
        }
        if self.has(Fault::AnswersEmptyBatch) && results.is_empty() {
            results.push(Ok(Receipt::taken()));
        }
        if self.has(Fault::ForgetsAResult) {
            results.pop();
        }
        if self.has(Fault::ShiftsResults) && !results.is_empty() {
            results.rotate_left(1);
        }
        if self.has(Fault::FailsWholeBatch) && results.iter().any(Result::is_err) {
            return envelopes
                .iter()
                .map(|_| Err(DeliveryError::permanent("the batch was refused")))
                .collect();
        }
        results
    }

    async fn health(&self) -> Health {
        let status = if self.has(Fault::Sick) { HealthStatus::Unhealthy } else { HealthStatus::Healthy };
        Health { status, ..Health::default() }
    }
}

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sound").field("faults", &self.faults).finish_non_exhaustive()
    }
}
