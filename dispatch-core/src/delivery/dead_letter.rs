use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Envelope;
use crate::log::Offset;
use crate::policy::{Failure, History};
use crate::topic::Topic;

/// What failed for good, with all it takes to look into it and to try it again.
///
/// There is one kind of dead letter for deliveries, subscriptions and background messages. It travels as the typed
/// payload of an envelope ([`to_envelope`](Self::to_envelope)), so every adapter can take it.
///
/// Error texts are sanitised. The envelope is the original one, whole: whoever may read dead letters may read what
/// was to be delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Id of the dead letter; the same every time its own delivery is tried.
    pub id: Uuid,
    /// What could not be delivered.
    pub envelope: Envelope,
    /// Where it failed.
    pub origin: DeadLetterOrigin,
    /// What may still be done, as [`DeliveryErrorKind::as_str`](super::DeliveryErrorKind::as_str) says it; of a
    /// subscription, `exhausted`.
    pub kind: String,
    /// What the last attempt failed with.
    pub last_error: String,
    /// What was tried, and since when.
    #[serde(flatten)]
    pub history: History,
}

/// Where something failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadLetterOrigin {
    /// On its way to a destination.
    Delivery {
        /// Name of the adapter.
        adapter: String,
        /// Label of the destination.
        destination: String,
    },
    /// In a dispatcher.
    Dispatcher {
        /// Its id.
        dispatcher: String,
    },
    /// In a subscription.
    Subscription {
        /// Name of the subscription.
        subscription: String,
        /// The topic that it was published on.
        topic: Topic,
        /// Its place in that topic.
        offset: Offset,
    },
}

impl DeadLetter {
    /// The header that marks an envelope as one that holds a dead letter; its value is the dead letter's id.
    ///
    /// What carries it is never dead-lettered again.
    pub const HEADER: &str = "x-dead-letter";
    /// The topic of envelopes that hold dead letters.
    pub const TOPIC: &str = "dead_letters.events";

    /// The dead letter of an envelope that was not delivered, or not handled, and failed at `now`.
    #[must_use]
    pub fn of_failure(
        id: Uuid,
        envelope: Envelope,
        origin: DeadLetterOrigin,
        error: &impl Failure,
        now: SystemTime,
    ) -> Self {
        let history = error.history().cloned().unwrap_or_else(|| History {
            // What was refused was not tried.
            attempts: u32::from(error.refusal().is_none()),
            first_error: error.text(),
            first_failed_at: now,
            last_failed_at: now,
        });
        let (kind, last_error) = (error.kind().as_str().to_owned(), error.text());
        Self { id, envelope, origin, kind, last_error, history }
    }

    /// The dead letter of a message whose retries in a subscription are used up.
    ///
    /// Its id follows from the subscription and the place of the message, so that one that is kept twice, because a
    /// crash came between keeping it and passing it, is the same.
    #[must_use]
    pub fn of_subscription(
        subscription: &str,
        topic: &Topic,
        offset: Offset,
        envelope: Envelope,
        last_error: impl Into<String>,
        history: History,
    ) -> Self {
        let place = format!("{subscription}/{topic}/{offset}");
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, place.as_bytes());
        let origin = DeadLetterOrigin::Subscription {
            subscription: subscription.to_owned(),
            topic: topic.clone(),
            offset,
        };
        Self { id, envelope, origin, kind: "exhausted".to_owned(), last_error: last_error.into(), history }
    }

    /// An envelope that holds this dead letter and can be delivered.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        let mut envelope = Envelope::typed(self.clone())
            .with_id(self.id)
            .with_created_at(self.history.last_failed_at)
            .with_header(Self::HEADER, self.id.to_string())
            .with_causation_id(self.envelope.id());
        if let Some(correlation_id) = self.envelope.correlation_id() {
            envelope = envelope.with_correlation_id(correlation_id);
        }
        if let Some(trace) = self.envelope.trace() {
            envelope = envelope.with_trace(trace);
        }
        match Self::TOPIC.parse::<Topic>() {
            Ok(topic) => envelope.with_topic(&topic),
            Err(_) => envelope,
        }
    }

    /// The dead letter that an envelope holds, wherever it has been in between.
    ///
    /// ```
    /// use dispatch_core::{DeadLetter, Envelope};
    ///
    /// assert!(DeadLetter::from_envelope(&Envelope::empty("OrderPlaced")).is_none());
    /// ```
    #[must_use]
    pub fn from_envelope(envelope: &Envelope) -> Option<Arc<Self>> {
        let held = Self::is_in(envelope).then(|| envelope.raw_payload().decode::<Self>());
        held.and_then(Result::ok)
    }

    /// The label of the destination, or the name of the subscription, that it was meant for.
    #[must_use]
    pub fn destination(&self) -> &str {
        match &self.origin {
            DeadLetterOrigin::Delivery { destination, .. } => destination,
            DeadLetterOrigin::Dispatcher { dispatcher } => dispatcher,
            DeadLetterOrigin::Subscription { subscription, .. } => subscription,
        }
    }

    /// Whether an envelope holds a dead letter.
    #[must_use]
    pub fn is_in(envelope: &Envelope) -> bool {
        envelope.headers().get(Self::HEADER).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::DeliveryError;
    use super::*;

    #[test]
    fn a_dead_letter_survives_its_journey() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let origin = DeadLetterOrigin::Delivery {
            adapter: "webhook".into(),
            destination: "https://example.com/".into(),
        };
        let original = Envelope::json("OrderPlaced", serde_json::json!({"id": 7})).with_created_at(now);
        let error = DeliveryError::permanent("the answer was 400");
        let letter = DeadLetter::of_failure(Uuid::from_u128(7), original.clone(), origin, &error, now);
        let carried = letter.to_envelope();
        assert!(DeadLetter::is_in(&carried) && !DeadLetter::is_in(&original));
        let json = serde_json::to_string(&carried).unwrap();
        let read: Envelope = serde_json::from_str(&json).unwrap();
        assert!(DeadLetter::is_in(&read));
        let back = DeadLetter::from_envelope(&read).unwrap();
        assert_eq!((back.envelope.id(), back.destination()), (original.id(), "https://example.com/"));
        assert_eq!(back.history.attempts, 1);
        let shown = serde_json::to_value(&letter).unwrap();
        insta::assert_json_snapshot!(shown, { ".envelope" => "[envelope]" }, @r#"
        {
          "attempts": 1,
          "envelope": "[envelope]",
          "first_error": "the answer was 400",
          "first_failed_at": "2023-11-14T22:13:20Z",
          "id": "00000000-0000-0000-0000-000000000007",
          "kind": "permanent",
          "last_error": "the answer was 400",
          "last_failed_at": "2023-11-14T22:13:20Z",
          "origin": {
            "adapter": "webhook",
            "destination": "https://example.com/",
            "part": "delivery"
          }
        }
        "#);
    }
}
