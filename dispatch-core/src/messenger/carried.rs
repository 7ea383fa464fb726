use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Message, MessageType, MessengerError, MessengerErrorCode, QueuedMessage};
use crate::envelope::Envelope;

/// What a message keeps of the envelope that was sent as one, so that handlers get that envelope again: its ids, times,
/// trace and hops, and a payload that is no JSON object.
///
/// ```
/// use dispatch_core::Envelope;
/// use dispatch_core::messenger::Carried;
///
/// let (message, _) = Carried::split(&Envelope::json("OrderPlaced", serde_json::json!({ "id": 7 })))?;
/// assert_eq!((message.message_type.as_str(), &message.payload["id"]), ("OrderPlaced", &7.into()));
/// assert!(Carried::split(&Envelope::empty("order placed")).is_err(), "a type has no blanks");
/// # Ok::<(), dispatch_core::messenger::MessengerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Carried(Map<String, Value>);

/// What is no part of it: a message has headers and metadata itself, and the topic that it is dispatched on says its
/// category.
const ELSEWHERE: [&str; 3] = ["headers", "metadata", "category"];

impl Carried {
    /// An envelope as a message, and what the message does not hold. The headers are not in it: send them as options.
    ///
    /// # Errors
    /// That its type is not one of messages, or that its payload refuses to be written; nothing of its content.
    pub fn split(envelope: &Envelope) -> Result<(Message, Self), MessengerError> {
        let message_type = MessageType::new(envelope.message_type_str())?;
        // What it fails with is the payload's own text, and may hold anything.
        let Ok(Value::Object(mut rest)) = serde_json::to_value(envelope) else {
            let problem =
                format!("the payload of '{message_type}' refuses to be written as JSON: send another");
            return Err(MessengerError::new(MessengerErrorCode::Serialization, problem));
        };
        let metadata = match rest.remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            _ => Map::new(),
        };
        for name in ELSEWHERE {
            rest.remove(name);
        }
        // An object can be edited, if it is where the payloads of messages are. An empty one has nothing to edit, and is
        // to be told from no payload.
        let payload = match rest.remove("payload") {
            Some(Value::Object(payload)) if !payload.is_empty() => payload,
            Some(other) => {
                rest.insert("payload".to_owned(), other);
                Map::new()
            }
            None => Map::new(),
        };
        Ok((Message { message_type, payload, metadata }, Self(rest)))
    }

    /// What is kept, as it is written.
    pub(super) const fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The envelope of a message, and the topic that it was on; without headers and metadata. `None` if another version
    /// has written it.
    pub(super) fn envelope(&self, message: &QueuedMessage) -> Option<(Envelope, Option<String>)> {
        let mut whole = self.0.clone();
        let topic = whole.remove("topic").and_then(|topic| topic.as_str().map(str::to_owned));
        if !message.payload.is_empty() {
            whole.remove("payload_base64");
            whole.remove("content_type");
            whole.insert("payload".to_owned(), Value::Object(message.payload.clone()));
        }
        let envelope: Envelope = serde_json::from_value(Value::Object(whole)).ok()?;
        let correlation_id = envelope.correlation_id().unwrap_or(message.correlation_id);
        Some((
            envelope.with_message_type(message.message_type.as_str()).with_correlation_id(correlation_id),
            topic,
        ))
    }
}

#[cfg(test)]
mod tests;
