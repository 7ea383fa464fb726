use std::sync::Arc;

use super::talk::Talk;
use super::{Check, Destination, Features, Report, Verdict, batch, load, payloads, promises, size};
use crate::delivery::Adapter;
use crate::envelope::Envelope;
use crate::topic::Topic;

/// The checks, and all they need to know.
#[must_use = "a suite does nothing until it is run"]
pub struct Suite {
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) features: Features,
    pub(super) destination: Option<Arc<dyn Destination>>,
    pub(super) topic: Option<Topic>,
    pub(super) poison: Option<Envelope>,
    pub(super) secrets: Vec<String>,
    pub(super) shown: Vec<String>,
}

impl Suite {
    /// The topic of the suite's envelopes, unless another is given.
    pub const TOPIC: &str = "conformance.events";

    /// A suite for an adapter that is valid and whose destination works.
    pub fn new(adapter: Arc<dyn Adapter>) -> Self {
        Self {
            adapter,
            features: Features::default(),
            destination: None,
            topic: Topic::new(Self::TOPIC).ok(),
            poison: None,
            secrets: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Sets what the adapter promises.
    pub const fn with_features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }

    /// Reads this destination back.
    pub fn with_destination(mut self, destination: Arc<dyn Destination>) -> Self {
        self.destination = Some(destination);
        self
    }

    /// Sends envelopes on another topic.
    pub fn with_topic(mut self, topic: Topic) -> Self {
        self.topic = Some(topic);
        self
    }

    /// An envelope that the adapter or its destination refuses for good.
    pub fn with_poison(mut self, poison: Envelope) -> Self {
        self.poison = Some(poison);
        self
    }

    /// Secrets that the adapter was made with: none of them may be in a text it makes.
    pub fn with_secrets<S: Into<String>>(mut self, secrets: impl IntoIterator<Item = S>) -> Self {
        self.secrets.extend(secrets.into_iter().map(Into::into));
        self
    }

    /// A text that must not hold a secret, such as the `Debug` of the adapter and of its options.
    pub fn with_shown(mut self, text: impl Into<String>) -> Self {
        self.shown.push(text.into());
        self
    }

    /// Runs every check.
    pub async fn run(self) -> Report {
        let mut talk = Talk::new(self);
        let mut checks = Vec::new();
        let mut add = |name: &'static str, verdict: Verdict| checks.push(Check { name, verdict });
        let first_name = talk.suite.adapter.name().to_owned();

        add("validating again says the same", promises::validates(&mut talk));
        add("an empty payload is delivered", payloads::empty(&mut talk).await);
        add("a JSON payload is delivered", payloads::json(&mut talk).await);
        add("a bytes payload is delivered", payloads::bytes(&mut talk).await);
        add("a typed payload is delivered", payloads::typed(&mut talk).await);
        add("a payload that cannot be written is refused for good", payloads::unwritable(&mut talk).await);
        add("what is answered Ok has been taken", promises::taken(&mut talk).await);
        add("order is kept", promises::ordering(&mut talk).await);
        add("ids arrive", promises::ids(&mut talk).await);
        add("headers arrive", promises::headers(&mut talk).await);
        add("receipts have ids", promises::receipts(&mut talk).await);
        add("a repeated envelope arrives once", promises::idempotent(&mut talk).await);
        add("an empty batch has no results", batch::empty(&mut talk).await);
        add("a batch has one result per envelope", batch::complete(&mut talk).await);
        add("a batch keeps its order", batch::ordered(&mut talk).await);
        add("a batch tells which envelope was refused", batch::refusal_in_place(&mut talk).await);
        add("a refused envelope leaves the rest of its batch alone", batch::alone(&mut talk).await);
        add("what the destination refuses is an error for good", promises::poison(&mut talk).await);
        add("a large payload is delivered", size::large(&mut talk).await);
        add("a payload that is too large is refused for good", size::too_large(&mut talk).await);
        add("deliveries may run side by side", load::side_by_side(&mut talk).await);
        add("it works on after a dropped delivery", load::dropped(&mut talk).await);
        add("its health can be asked", promises::health(&mut talk).await);
        add("its name is not blank and does not change", promises::name(&talk, &first_name));
        // Last, since it reads everything that was said before.
        add("no text shows a secret", promises::secrets(&talk));
        Report { kind: "adapter", name: first_name, checks, not_proven: talk.suite.features.not_proven }
    }
}
