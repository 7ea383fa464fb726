//! Identifiers as types of their own, and the generator that makes new ones.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{Builder, Uuid};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name; what a valid one looks like is checked where it is registered.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.clone()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer).map(|name| Self(name.into()))
            }
        }
    };
}

name_type! {
    /// The id under which a dispatcher is registered.
    DispatcherId
}

name_type! {
    /// The id of a route.
    RouteId
}

/// The type of a message, such as `OrderPlaced`: what a route and a dispatcher may ask for.
///
/// A clone costs one reference count at most.
#[derive(Clone)]
pub struct MessageType(Name);

#[derive(Clone)]
enum Name {
    Static(&'static str),
    Shared(Arc<str>),
}

impl MessageType {
    /// Trims a text; `None` if nothing is left.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Option<Self> {
        let name = name.as_ref().trim();
        (!name.is_empty()).then(|| Self(Name::Shared(name.into())))
    }

    /// A type whose name is known when the program is compiled.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Name::Static(name))
    }

    /// The name as shared text.
    #[must_use]
    pub fn to_shared(&self) -> Arc<str> {
        match &self.0 {
            Name::Static(name) => Arc::from(*name),
            Name::Shared(name) => Arc::clone(name),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Shared(name) => name,
        }
    }
}

impl PartialEq for MessageType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for MessageType {}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for MessageType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MessageType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(name).ok_or_else(|| de::Error::custom("a message type must not be blank"))
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps the bytes; `None` if all are zero, which W3C Trace Context forbids.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }

            /// The bytes in network order.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidTraceId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let error = || InvalidTraceId { digits: 2 * $bytes };
                if text.len() != 2 * $bytes || !text.is_ascii() {
                    return Err(error());
                }
                let mut bytes = [0; $bytes];
                for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
                    let high = (digits[0] as char).to_digit(16).ok_or_else(error)?;
                    let low = (digits[1] as char).to_digit(16).ok_or_else(error)?;
                    *byte = (high * 16 + low) as u8;
                }
                Self::from_bytes(bytes).ok_or_else(error)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

hex_id! {
    /// Trace id of W3C Trace Context: 16 bytes, written as 32 hexadecimal digits.
    TraceId, 16
}

hex_id! {
    /// Span id of W3C Trace Context: 8 bytes, written as 16 hexadecimal digits.
    SpanId, 8
}

impl From<Uuid> for TraceId {
    /// The bits of a UUID as a trace id: unique where the UUID is.
    fn from(id: Uuid) -> Self {
        // Only the nil UUID is all zeros.
        if id.is_nil() { Self([1; 16]) } else { Self(id.into_bytes()) }
    }
}

/// The text is not an id of W3C Trace Context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a trace context id: give {digits} hexadecimal digits, not all of them zero")]
pub struct InvalidTraceId {
    digits: usize,
}

/// Makes ids from a seeded generator, so that a run can be replayed.
#[derive(Debug)]
pub struct IdGenerator {
    random: SmallRng,
    /// The last millisecond used and how many ids it has given.
    last: (u64, u16),
}

impl IdGenerator {
    /// A generator whose ids depend on the seed and on the times it is given.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), last: (0, 0) }
    }

    /// A UUID v7 for a time in milliseconds since the Unix epoch. Ids of one generator ascend while time
    /// does not go back, also inside a millisecond (up to 4,096 of them).
    pub fn uuid_v7(&mut self, unix_ms: u64) -> Uuid {
        let count = if self.last.0 == unix_ms { self.last.1.wrapping_add(1) & 0x0FFF } else { 0 };
        self.last = (unix_ms, count);
        let mut tail = [0; 10];
        tail[..2].copy_from_slice(&count.to_be_bytes());
        tail[2..].copy_from_slice(&self.random.next_u64().to_be_bytes());
        Builder::from_unix_timestamp_millis(unix_ms, &tail).into_uuid()
    }

    /// A random UUID v4.
    pub fn uuid_v4(&mut self) -> Uuid {
        Builder::from_random_bytes(self.sixteen()).into_uuid()
    }

    /// A new trace id.
    pub fn trace_id(&mut self) -> TraceId {
        let mut bytes = self.sixteen();
        bytes[15] |= 1;
        TraceId(bytes)
    }

    /// A new span id.
    pub fn span_id(&mut self) -> SpanId {
        SpanId((self.random.next_u64() | 1).to_be_bytes())
    }

    fn sixteen(&mut self) -> [u8; 16] {
        let (high, low) = (self.random.next_u64(), self.random.next_u64());
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v7_ids_of_one_millisecond_ascend() {
        let mut ids = IdGenerator::from_seed(7);
        let made: Vec<_> = (0..100).map(|_| ids.uuid_v7(1_700_000_000_000)).collect();
        assert!(made.is_sorted());
        assert_eq!(made[0].get_version_num(), 7);
        assert_eq!(made[0].get_timestamp().unwrap().to_unix().0, 1_700_000_000);
    }

    #[test]
    fn the_seed_decides() {
        let ids = |seed| {
            let mut ids = IdGenerator::from_seed(seed);
            (ids.uuid_v4(), ids.trace_id(), ids.span_id())
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
    }

    #[test]
    fn trace_ids_round_trip_and_refuse_zero() {
        let id = IdGenerator::from_seed(1).trace_id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("0".repeat(32).parse::<TraceId>().is_err());
        assert!("xyz".parse::<SpanId>().is_err());
    }

    #[test]
    fn a_message_type_is_trimmed_and_not_blank() {
        assert_eq!(MessageType::new("  a ").unwrap().as_str(), "a");
        assert_eq!(MessageType::new(" \t"), None);
        assert_eq!(MessageType::from_static("a"), MessageType::new("a").unwrap());
    }
}
