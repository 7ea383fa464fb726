use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{MessageType, MessengerError, MessengerErrorCode};

/// What is to be done in the background.
///
/// ```
/// use dispatch_core::messenger::Message;
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct SendMail { to: String }
///
/// let message = Message::new("SendMail", &SendMail { to: "ann@example.com".into() })?.with_metadata("user", 7);
/// assert_eq!(message.payload["to"], "ann@example.com");
/// assert!(Message::new("SendMail", &[1, 2]).is_err(), "a payload is an object");
/// # Ok::<(), dispatch_core::messenger::MessengerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What it is.
    #[serde(rename = "type")]
    pub message_type: MessageType,
    /// What it says: a JSON object.
    pub payload: Map<String, Value>,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Message {
    /// A message of a type, with a value that is written as a JSON object.
    ///
    /// # Errors
    /// That the type is not valid, or that the payload is not an object or cannot be written.
    pub fn new(message_type: &str, payload: &impl Serialize) -> Result<Self, MessengerError> {
        let message_type = MessageType::new(message_type)?;
        // What it fails with is the payload's own text, and may hold anything.
        let Ok(Value::Object(payload)) = serde_json::to_value(payload) else {
            let problem = format!(
                "the payload of '{message_type}' is not written as a JSON object: give a struct or a map"
            );
            return Err(MessengerError::new(MessengerErrorCode::MessageValidation, problem));
        };
        Ok(Self { message_type, payload, metadata: Map::new() })
    }

    /// Adds metadata.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Reads a message from JSON.
    ///
    /// # Errors
    /// What is wrong with it, without anything of its payload.
    pub fn from_value(value: &Value) -> Result<Self, MessengerError> {
        let mut problems = Vec::new();
        let empty = Map::new();
        let members = value.as_object().unwrap_or_else(|| {
            problems.push("a message is an object with type and payload".to_owned());
            &empty
        });
        for name in members.keys().filter(|name| !["type", "payload", "metadata"].contains(&name.as_str())) {
            problems.push(format!(
                "'{}' is no part of a message: use type, payload and metadata",
                super::name::shown(name)
            ));
        }
        let message_type = match members.get("type").and_then(Value::as_str) {
            Some(text) => {
                MessageType::new(text).map_err(|error| problems.extend_from_slice(error.problems())).ok()
            }
            None => {
                problems.push("type is missing: give the message type as a text".to_owned());
                None
            }
        };
        let payload = members.get("payload").and_then(Value::as_object);
        if payload.is_none() {
            problems.push("payload is missing or no object: give a JSON object".to_owned());
        }
        let metadata = members.get("metadata").map(Value::as_object);
        if metadata == Some(None) {
            problems.push("metadata is no object: give a JSON object, or leave it out".to_owned());
        }
        MessengerError::check(MessengerErrorCode::MessageValidation, problems)?;
        match (message_type, payload) {
            (Some(message_type), Some(payload)) => {
                let metadata = metadata.flatten().cloned().unwrap_or_default();
                Ok(Self { message_type, payload: payload.clone(), metadata })
            }
            _ => {
                Err(MessengerError::new(MessengerErrorCode::MessageValidation, "type or payload is missing"))
            }
        }
    }
}
