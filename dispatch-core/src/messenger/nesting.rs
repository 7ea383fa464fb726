use serde_json::{Map, Value};

use super::QueuedMessage;
use crate::queue::QueueError;

impl QueuedMessage {
    /// How many objects and arrays of a payload, or of metadata, may be in each other; the payload itself is the first.
    ///
    /// Readers of JSON go 127 levels deep, and the message around them is one. What is deeper could be written and never
    /// be read back.
    pub const DEEPEST: usize = 126;

    /// Whether the message could be read back once it was written.
    ///
    /// # Errors
    /// [`QueueError::TooDeep`].
    pub fn check_nesting(&self) -> Result<(), QueueError> {
        Self::check_payload(&self.payload)?;
        check(&self.metadata, "metadata")?;
        self.carried.as_ref().map_or(Ok(()), |carried| check(carried.members(), "payload"))
    }

    /// Whether a message with this payload could be read back.
    ///
    /// # Errors
    /// [`QueueError::TooDeep`].
    pub fn check_payload(payload: &Map<String, Value>) -> Result<(), QueueError> {
        check(payload, "payload")
    }
}

pub(super) fn check(members: &Map<String, Value>, part: &'static str) -> Result<(), QueueError> {
    if object_fits(members, QueuedMessage::DEEPEST) { Ok(()) } else { Err(QueueError::TooDeep { part }) }
}

/// It looks no deeper than the limit, so it ends whatever it is given.
fn object_fits(members: &Map<String, Value>, levels: usize) -> bool {
    levels.checked_sub(1).is_some_and(|below| members.values().all(|value| fits(value, below)))
}

fn fits(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(members) => object_fits(members, levels),
        Value::Array(items) => {
            levels.checked_sub(1).is_some_and(|below| items.iter().all(|item| fits(item, below)))
        }
        _ => true,
    }
}
