use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::name::checked_text;
use super::{MessageType, MessengerError, MessengerErrorCode, Name};

checked_text! {
    /// What makes two sends of a message one: 1 to 255 characters, unique for a transport within a window of time.
    ///
    /// `Debug` does not show it, and there is no `Display`: it may well hold what a customer is known by.
    IdempotencyKey
}

impl IdempotencyKey {
    /// The longest key, in characters.
    pub const MAX: usize = 255;

    pub(super) fn problem(text: &str) -> Option<String> {
        let length = text.chars().count();
        let is_valid = (1..=Self::MAX).contains(&length);
        (!is_valid).then(|| format!("idempotency_key has {length} characters: use 1 to {}", Self::MAX))
    }

    /// The key of what a message says: of its type, its payload, its transport and its queue, whatever the order of the
    /// payload's members.
    #[must_use]
    pub fn of_content(
        message_type: &MessageType,
        payload: &Map<String, Value>,
        transport: &Name,
        queue: &Name,
    ) -> Self {
        let mut hash = Sha256::new();
        for part in [message_type.as_str(), transport.as_str(), queue.as_str()] {
            part_of(&mut hash, part.as_bytes());
        }
        object(&mut hash, payload);
        let digest = hash.finalize();
        let mut text = String::from("auto-");
        for byte in digest {
            text.extend([byte >> 4, byte & 0xf].map(|half| char::from_digit(half.into(), 16).unwrap_or('0')));
        }
        Self(text.into())
    }
}

/// A part with its length before it, so that no two lists of parts are written alike.
fn part_of(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(bytes);
}

fn object(hash: &mut Sha256, members: &Map<String, Value>) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    hash.update(b"{");
    for (name, value) in sorted {
        part_of(hash, name.as_bytes());
        self::value(hash, value);
    }
    hash.update(b"}");
}

fn value(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(members) => object(hash, members),
        Value::Array(items) => {
            hash.update(b"[");
            items.iter().for_each(|item| self::value(hash, item));
            hash.update(b"]");
        }
        Value::String(text) => {
            hash.update(b"s");
            part_of(hash, text.as_bytes());
        }
        // Null, booleans and numbers have one spelling each.
        other => part_of(hash, other.to_string().as_bytes()),
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}
