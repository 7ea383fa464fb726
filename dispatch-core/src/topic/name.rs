use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Category;

/// A validated topic: segments separated by dots.
///
/// 1 to [`Topic::MAX_BYTES`] bytes of UTF-8 in 1 to [`Topic::MAX_SEGMENTS`] segments; no segment is empty and
/// none holds white space or a control character. Case is kept but has no meaning for [`Category`] and
/// [`TopicPattern`](super::TopicPattern): both fold ASCII letters.
///
/// The category and a hash of the text are computed once, when the topic is made; a clone is one reference
/// count. Two topics are equal if their texts are, byte by byte.
///
/// ```
/// use dispatch_core::{Category, Topic};
///
/// let topic: Topic = "shop.order.events.v1".parse()?;
/// assert_eq!(topic.category(), Some(Category::Event));
/// assert_eq!(topic.segments().count(), 4);
/// assert!("shop..events".parse::<Topic>().is_err());
/// # Ok::<(), dispatch_core::TopicError>(())
/// ```
#[derive(Clone)]
pub struct Topic {
    text: Arc<str>,
    hash: u32,
    category: Option<Category>,
}

impl Topic {
    /// The longest topic, in bytes.
    pub const MAX_BYTES: usize = 1024;
    /// The most segments of a topic.
    pub const MAX_SEGMENTS: usize = 64;

    /// Validates a text and makes a topic of it.
    ///
    /// # Errors
    /// A [`TopicError`] that names what is wrong and where.
    pub fn new(text: impl AsRef<str>) -> Result<Self, TopicError> {
        let text = text.as_ref();
        check(text)?;
        Ok(Self { text: Arc::from(text), hash: hash(text), category: Category::of_topic(text) })
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The category that the segments name, if any.
    #[must_use]
    pub const fn category(&self) -> Option<Category> {
        self.category
    }

    /// The segments in order.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('.')
    }

    /// Whether both are one allocation, which tells most equal topics apart from others without a look at
    /// their text.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }

    /// A hash of the text, the same in every process. It is not keyed: use it where the number of probes is
    /// bounded, not in an unbounded table that strangers can fill.
    #[must_use]
    pub const fn hash32(&self) -> u32 {
        self.hash
    }
}

/// FNV-1a over 8 bytes at a time, finished with a multiply-and-fold.
fn hash(text: &str) -> u32 {
    const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = text.len() as u64 ^ 0xCBF2_9CE4_8422_2325;
    let (words, tail) = text.as_bytes().as_chunks::<8>();
    for word in words {
        state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME).rotate_left(29);
    }
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    state = (state ^ u64::from_le_bytes(last)).wrapping_mul(PRIME);
    (state ^ (state >> 32)) as u32
}

pub(super) fn check(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > Topic::MAX_BYTES {
        return Err(TopicError::TooLong { bytes: text.len() });
    }
    let mut segments = 0;
    for segment in text.split('.') {
        segments += 1;
        if segment.is_empty() {
            return Err(TopicError::EmptySegment { segment: segments });
        }
    }
    if segments > Topic::MAX_SEGMENTS {
        return Err(TopicError::TooManySegments { segments });
    }
    match text.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control()) {
        Some((byte, character)) => Err(TopicError::ForbiddenCharacter { character, byte }),
        None => Ok(()),
    }
}

/// Why a text is not a [`Topic`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The text is empty.
    #[error("a topic must not be empty: give 1 to 64 segments separated by dots, as in 'shop.order.events'")]
    Empty,
    /// The text is longer than [`Topic::MAX_BYTES`].
    #[error("a topic of {bytes} bytes is too long: use at most 1024")]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// There are more than [`Topic::MAX_SEGMENTS`] segments.
    #[error("a topic of {segments} segments is too deep: use at most 64")]
    TooManySegments {
        /// Number of segments.
        segments: usize,
    },
    /// A segment is empty: two dots in a row, or one at an end.
    #[error("segment {segment} of the topic is empty: remove the doubled, leading or trailing dot")]
    EmptySegment {
        /// Position of the segment, from 1.
        segment: usize,
    },
    /// White space or a control character.
    #[error(
        "character {character:?} at byte {byte} is not allowed in a topic: remove white space and control characters"
    )]
    ForbiddenCharacter {
        /// The character.
        character: char,
        /// Where it begins, in bytes from 0.
        byte: usize,
    },
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || (self.hash == other.hash && self.text == other.text)
    }
}

impl Eq for Topic {}

impl PartialOrd for Topic {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Topic {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Topic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl std::borrow::Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Topic {
    type Error = TopicError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl Serialize for Topic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive() {
        assert!(Topic::new("a".repeat(1024)).is_ok());
        assert_eq!(Topic::new("a".repeat(1025)).unwrap_err(), TopicError::TooLong { bytes: 1025 });
        assert!(Topic::new(["a"; 64].join(".")).is_ok());
        assert_eq!(
            Topic::new(["a"; 65].join(".")).unwrap_err(),
            TopicError::TooManySegments { segments: 65 }
        );
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(Topic::new("a..b").unwrap_err(), TopicError::EmptySegment { segment: 2 });
        assert_eq!(Topic::new("a.").unwrap_err(), TopicError::EmptySegment { segment: 2 });
        assert_eq!(
            Topic::new("a.b\0").unwrap_err(),
            TopicError::ForbiddenCharacter { character: '\0', byte: 3 }
        );
    }

    #[test]
    fn equality_is_by_text() {
        let (a, b) = (Topic::new("x.events").unwrap(), Topic::new("x.events").unwrap());
        assert_eq!(a, b);
        assert!(!a.same(&b));
        assert_eq!(a.hash32(), b.hash32());
        assert_ne!(a, Topic::new("X.events").unwrap());
    }

    #[test]
    fn serde_refuses_what_new_refuses() {
        assert_eq!(serde_json::from_str::<Topic>("\"a.b\"").unwrap().as_str(), "a.b");
        assert!(serde_json::from_str::<Topic>("\"a..b\"").is_err());
    }
}
