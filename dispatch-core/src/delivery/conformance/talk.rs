use serde_json::json;

use super::{Arrival, Suite, Verdict};
use crate::delivery::{DeliveryError, Receipt};
use crate::envelope::{Envelope, Payload};

/// What the checks say to an adapter and its destination, and what they hear.
pub(super) struct Talk {
    pub(super) suite: Suite,
    /// Every text that the adapter has made.
    pub(super) heard: Vec<String>,
    /// Arrivals that belong to checks before this one.
    seen: usize,
    number: u64,
}

/// In a header of every envelope: no error may repeat it.
pub(super) const PLANTED: &str = "planted-7c1f-conformance";

/// Nothing can be read back.
pub(super) const BLIND: Verdict = Verdict::Skipped("there is no destination to look at");
/// The feature is not promised.
pub(super) const NOT_PROMISED: Verdict = Verdict::Skipped("not promised");

impl Talk {
    pub(super) fn new(suite: Suite) -> Self {
        Self { suite, heard: Vec::new(), seen: 0, number: 0 }
    }

    /// An envelope unlike all others.
    pub(super) fn envelope(&mut self) -> Envelope {
        self.number += 1;
        self.carrying(json!({ "conformance": self.number }))
    }

    /// An envelope around a payload.
    pub(super) fn carrying(&self, payload: impl Into<Payload>) -> Envelope {
        let envelope = Envelope::new(payload)
            .with_message_type("ConformanceCheck")
            .with_source("conformance")
            .with_header("x-conformance", PLANTED)
            .with_metadata("conformance", PLANTED);
        match &self.suite.topic {
            Some(topic) => envelope.with_topic(topic),
            None => envelope,
        }
    }

    /// So many envelopes.
    pub(super) fn envelopes(&mut self, count: usize) -> Vec<Envelope> {
        (0..count).map(|_| self.envelope()).collect()
    }

    /// Whether there is a destination to look at.
    pub(super) const fn can_look(&self) -> bool {
        self.suite.destination.is_some()
    }

    /// From here on, only what arrives later counts.
    pub(super) async fn mark(&mut self) {
        if let Some(destination) = &self.suite.destination {
            self.seen = destination.arrived(0).await.len();
        }
    }

    pub(super) async fn deliver(&mut self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let result = self.suite.adapter.deliver(envelope).await;
        self.hear(&result);
        result
    }

    pub(super) async fn deliver_batch(
        &mut self,
        envelopes: &[Envelope],
    ) -> Vec<Result<Receipt, DeliveryError>> {
        let results = self.suite.adapter.deliver_batch(envelopes).await;
        results.iter().for_each(|result| self.hear(result));
        results
    }

    /// Keeps every text of an answer.
    pub(super) fn hear(&mut self, result: &Result<Receipt, DeliveryError>) {
        self.heard.push(format!("{result:?}"));
        if let Err(error) = result {
            self.heard.push(error.to_string());
        }
    }

    /// What has arrived since the mark, once `expected` envelopes have had their chance.
    pub(super) async fn arrivals(&self, expected: usize) -> Vec<Arrival> {
        let Some(destination) = &self.suite.destination else {
            return Vec::new();
        };
        let at_least = if self.suite.features.acknowledges { 0 } else { self.seen + expected };
        destination.arrived(at_least).await.into_iter().skip(self.seen).collect()
    }

    /// Positions of the envelopes that have arrived since the mark, in the order of arrival.
    pub(super) async fn landed(&self, envelopes: &[Envelope]) -> Vec<usize> {
        let mut landed: Vec<usize> = Vec::new();
        for arrival in self.arrivals(envelopes.len()).await {
            let fits = |(_, envelope): &(usize, &Envelope)| arrival.may_be(envelope);
            // Two envelopes may look the same: the one that has not landed goes first.
            let mut all = envelopes.iter().enumerate();
            let fresh = all.clone().find(|each| fits(each) && !landed.contains(&each.0));
            landed.extend(fresh.or_else(|| all.find(fits)).map(|(position, _)| position));
        }
        landed
    }

    /// The positions, of those of `count` envelopes, that have not landed.
    pub(super) fn missing(landed: &[usize], count: usize) -> Vec<usize> {
        (0..count).filter(|position| !landed.contains(position)).collect()
    }
}
