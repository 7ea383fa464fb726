use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::{Envelope, Payload};
use crate::log::Offset;
use crate::messenger::{MessageType, Name};
use crate::policy::{Failure, History};
use crate::queue::{Attempt, MessageState, StoredBody, StoredMessage};
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
    /// subscription, `exhausted`; of a background message, `exhausted`, `unrecoverable`, `unreadable` or `expired`.
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
    /// In the background.
    Message {
        /// The transport that has it.
        transport: String,
        /// The queue that it is in.
        queue: Name,
        /// Its id in the transport.
        message_id: Uuid,
        /// What it is; absent if it cannot be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_type: Option<MessageType>,
        /// How often it had been replayed.
        series: u32,
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

    /// The dead letter of a background message that has failed, or that has expired and is kept; `None` of any other.
    ///
    /// - Its id follows from the message and the series of its attempts: it is the same whenever it is made, and another
    ///   one once the message has failed again after a replay.
    /// - The envelope is the one that the handlers got last. Of a message that cannot be read it holds what is stored, as
    ///   bytes.
    /// - `kind` is `exhausted` if its retries were used up, `unrecoverable` if trying again could not have helped,
    ///   `unreadable`, or `expired`.
    #[must_use]
    pub fn of_message(transport: &str, stored: &StoredMessage) -> Option<Self> {
        let is_expired = match stored.state {
            MessageState::Failed => false,
            MessageState::Expired => true,
            _ => return None,
        };
        let of_series = |attempt: &&Attempt| attempt.series == stored.series;
        let first = stored.history.as_slice().iter().find(of_series);
        let last = stored.history.last().filter(of_series);
        let settled_at = stored.settled_at.unwrap_or(stored.due_at);
        let error = |attempt: Option<&Attempt>| match attempt {
            Some(attempt) => attempt.error.clone(),
            None => "its time to live was over before anybody had begun with it".to_owned(),
        };
        let ended = |attempt: &Attempt| attempt.started_at.checked_add(attempt.ran.unwrap_or_default());
        let (kind, envelope) = match &stored.body {
            StoredBody::Unreadable(body) => {
                let payload = Payload::bytes(body.clone(), "application/octet-stream");
                let envelope = Envelope::made(stored.id, stored.due_at, payload);
                ("unreadable", envelope.with_message_type("Unreadable"))
            }
            StoredBody::Message(message) => {
                let kind = match last {
                    _ if is_expired => "expired",
                    Some(attempt) if attempt.unrecoverable => "unrecoverable",
                    _ => "exhausted",
                };
                let envelope = message.to_envelope_of(stored.attempts, stored.claim);
                let made = message.carried.is_none().then(|| message.dispatched_at()).flatten();
                (kind, made.into_iter().fold(envelope, Envelope::with_created_at))
            }
        };
        Some(Self {
            id: Uuid::new_v5(&stored.id, format!("message/{transport}/{}", stored.series).as_bytes()),
            envelope,
            origin: DeadLetterOrigin::Message {
                transport: transport.to_owned(),
                queue: stored.queue.clone(),
                message_id: stored.id,
                message_type: stored.message().map(|message| message.message_type.clone()),
                series: stored.series,
            },
            kind: kind.to_owned(),
            last_error: error(last),
            history: History {
                attempts: stored.attempts,
                first_error: error(first),
                first_failed_at: first.and_then(ended).unwrap_or(settled_at),
                last_failed_at: settled_at,
            },
        })
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

    /// The label of the destination, or the name of the subscription or transport, that it was meant for.
    #[must_use]
    pub fn destination(&self) -> &str {
        match &self.origin {
            DeadLetterOrigin::Delivery { destination, .. } => destination,
            DeadLetterOrigin::Dispatcher { dispatcher } => dispatcher,
            DeadLetterOrigin::Subscription { subscription, .. } => subscription,
            DeadLetterOrigin::Message { transport, .. } => transport,
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
    use crate::messenger::{DispatchOptions, Message, MessengerConfig};
    use crate::queue::{AttemptHistory, WorkerId};

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

    /// A message that has failed twice in its second series.
    fn failed_message() -> StoredMessage {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let message = Message::new("SendMail", &serde_json::json!({ "to": "ann" })).unwrap();
        let routing = MessengerConfig::default().check().unwrap();
        let ids = std::cell::Cell::new(0_u128);
        let id = || Uuid::from_u128(ids.replace(ids.get() + 1));
        let planned = routing.plan(&message, &DispatchOptions::default(), now, id).unwrap().remove(0);
        let mut stored = StoredMessage::new(Arc::new(planned), MessageState::Failed);
        (stored.series, stored.attempts, stored.claim) = (1, 2, 9);
        stored.settled_at = Some(now + Duration::from_secs(60));
        for (series, number) in [(0, 1), (1, 1), (1, 2)] {
            stored.history.push(Attempt {
                series,
                number,
                worker: WorkerId::new("one"),
                started_at: now + Duration::from_secs(u64::from(10 * series + number)),
                waited: Duration::ZERO,
                ran: Some(Duration::from_millis(500)),
                error: format!("mail: {series}.{number}"),
                unrecoverable: false,
            });
        }
        stored
    }

    #[test]
    fn a_failed_message_as_a_dead_letter() {
        let stored = failed_message();
        let letter = DeadLetter::of_message("mails", &stored).unwrap();
        let again = DeadLetter::of_message("mails", &stored).unwrap();
        let shown = serde_json::to_value(&letter).unwrap();
        assert_eq!(shown, serde_json::to_value(&again).unwrap(), "it is the same, whenever it is made");
        insta::assert_json_snapshot!(shown);
        let read: Envelope =
            serde_json::from_str(&serde_json::to_string(&letter.to_envelope()).unwrap()).unwrap();
        let back = DeadLetter::from_envelope(&read).unwrap();
        assert_eq!((back.destination(), &back.origin), ("mails", &letter.origin));
        assert_eq!(back.envelope.id(), stored.id);

        let mut replayed = stored.clone();
        replayed.series = 2;
        let other = DeadLetter::of_message("mails", &replayed).unwrap();
        assert_ne!(other.id, letter.id, "it has failed once more");
        assert_ne!(DeadLetter::of_message("others", &stored).unwrap().id, letter.id);
    }

    #[test]
    fn the_kind_says_why_a_message_has_failed() {
        let kind = |stored: &StoredMessage| DeadLetter::of_message("mails", stored).map(|letter| letter.kind);
        let stored = failed_message();
        assert_eq!(kind(&stored).as_deref(), Some("exhausted"));

        let mut helpless = stored.clone();
        let last = Attempt { unrecoverable: true, ..stored.history.last().unwrap().clone() };
        helpless.history.push(last);
        assert_eq!(kind(&helpless).as_deref(), Some("unrecoverable"));

        let mut unreadable = stored.clone();
        unreadable.body = StoredBody::Unreadable("{ no JSON".into());
        let letter = DeadLetter::of_message("mails", &unreadable).unwrap();
        assert_eq!((&*letter.kind, letter.envelope.id()), ("unreadable", stored.id));
        let (body, _) = letter.envelope.raw_payload().to_bytes().unwrap();
        assert_eq!(&*body, b"{ no JSON", "nothing of it is lost");

        let mut expired = stored.clone();
        (expired.state, expired.history) = (MessageState::Expired, AttemptHistory::default());
        let letter = DeadLetter::of_message("mails", &expired).unwrap();
        assert_eq!(
            (&*letter.kind, &*letter.last_error),
            ("expired", "its time to live was over before anybody had begun with it")
        );

        let open = MessageState::ALL.into_iter().filter(|state| {
            let stored = StoredMessage { state: *state, ..stored.clone() };
            kind(&stored).is_some()
        });
        assert_eq!(open.collect::<Vec<_>>(), [MessageState::Expired, MessageState::Failed]);
    }
}
