mod error;
mod glob;
mod part;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::error::PatternError;
pub(crate) use self::glob::Glob;
pub(crate) use self::part::{Part, Parts};
use super::{Topic, name};

/// A validated pattern that matches [`Topic`]s.
///
/// A pattern has the limits of a topic and segments like it; wildcards have a meaning of their own:
///
/// | segment | matches |
/// |---|---|
/// | `order` | this segment; ASCII letters in any case |
/// | `*` | exactly one segment |
/// | `**` | any number of segments, none included; anywhere in the pattern, more than once |
/// | `user-*`, `v?` | one segment, `*` standing for any run of characters and `?` for exactly one |
///
/// All other characters stand for themselves; there is no escape character. `**` does not mix with other
/// characters in a segment, and two `**` do not stand next to each other. Two patterns are equal if their texts
/// are, byte by byte. A clone is one or two reference counts.
///
/// Matching never backtracks exponentially: each segment of the pattern meets each segment of the topic at most
/// once. To match one topic against many patterns use a [`Matcher`](crate::matcher::Matcher).
///
/// ```
/// use dispatch_core::{Topic, TopicPattern};
///
/// let pattern: TopicPattern = "shop.**.events.v?".parse()?;
/// assert!(pattern.matches(&Topic::new("shop.eu.order.events.v1")?));
/// assert!(pattern.matches(&Topic::new("Shop.Events.V2")?));
/// assert!(!pattern.matches(&Topic::new("shop.order.events")?));
///
/// let error = TopicPattern::new("shop.a**").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "segment 2 'a**' of the pattern mixes '**' with other characters: \
///      use '*' inside a segment, or make '**' a segment of its own"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TopicPattern {
    text: Arc<str>,
    /// One for each segment that is a glob, in order; `None` if there is none.
    globs: Option<Arc<[Glob]>>,
}

impl TopicPattern {
    /// Validates a text and compiles it.
    ///
    /// # Errors
    /// A [`PatternError`] that names the segment and its position, and says what to do.
    pub fn new(text: impl AsRef<str>) -> Result<Self, PatternError> {
        let text = text.as_ref();
        name::check(text).map_err(|error| PatternError::from_topic(&error, text))?;
        let mut after_rest = false;
        for (index, segment) in text.split('.').enumerate() {
            let is_rest = segment == "**";
            if is_rest && after_rest {
                return Err(PatternError::RepeatedRest { segment: index + 1 });
            }
            if !is_rest && segment.contains("**") {
                let text = segment.chars().take(40).collect();
                return Err(PatternError::GluedRest { segment: index + 1, text });
            }
            after_rest = is_rest;
        }
        let globs: Vec<Glob> =
            text.split('.').filter(|segment| part::is_glob(segment)).map(Glob::new).collect();
        Ok(Self { text: Arc::from(text), globs: (!globs.is_empty()).then(|| Arc::from(globs)) })
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches the topic.
    ///
    /// ```
    /// use dispatch_core::{Topic, TopicPattern};
    ///
    /// let pattern = TopicPattern::new("user-*.**")?;
    /// assert!(pattern.matches(&Topic::new("user-1")?));
    /// assert!(!pattern.matches(&Topic::new("users.created")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        self.parts().matches(topic.as_str().split('.'))
    }

    /// Whether the text is a valid topic and the pattern matches it: what is no topic matches nothing, not even
    /// `**`.
    ///
    /// ```
    /// use dispatch_core::TopicPattern;
    ///
    /// let pattern = TopicPattern::new("**")?;
    /// assert!(pattern.matches_str("shop.order"));
    /// assert!(!pattern.matches_str("shop..order"));
    /// # Ok::<(), dispatch_core::PatternError>(())
    /// ```
    #[must_use]
    pub fn matches_str(&self, topic: &str) -> bool {
        name::check(topic).is_ok() && self.parts().matches(topic.split('.'))
    }

    /// Whether there is no wildcard, so that the pattern matches one topic only (in any ASCII case).
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.text.contains(['*', '?'])
    }

    /// The segments, compiled.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts::new(&self.text, self.globs.as_deref().unwrap_or_default())
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicPattern {}

impl PartialOrd for TopicPattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TopicPattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for TopicPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl AsRef<str> for TopicPattern {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for TopicPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<&str> for TopicPattern {
    type Error = PatternError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl Serialize for TopicPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TopicPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
