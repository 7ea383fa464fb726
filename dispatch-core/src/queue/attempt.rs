use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::WorkerId;

/// One attempt to handle a message that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 0 before the message was ever replayed, 1 after the first replay, and so on.
    #[serde(default)]
    pub series: u32,
    /// Its number in the series; the first is 1.
    pub number: u32,
    /// Who made it.
    pub worker: WorkerId,
    /// When it began.
    #[serde(with = "crate::time::rfc3339_millis")]
    pub started_at: SystemTime,
    /// How long the message had been due by then, in milliseconds where it is serialised.
    #[serde(rename = "waited_ms", with = "crate::config::millis")]
    pub waited: Duration,
    /// How long it ran, in milliseconds where it is serialised; unknown if its worker was lost.
    #[serde(
        default,
        rename = "ran_ms",
        skip_serializing_if = "Option::is_none",
        with = "crate::config::optional_millis"
    )]
    pub ran: Option<Duration>,
    /// What it failed with, sanitised.
    pub error: String,
    /// Whether trying again could not have helped, whatever the policy: it was the last one for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecoverable: bool,
}

impl Attempt {
    /// What stands for the error of an attempt whose lease ran out.
    pub const LOST: &str = "the lease ran out: the worker stopped, hung, or lost its connection";
}

/// The attempts of a message, oldest first: the first ones and the newest, if there were more than are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptHistory(Vec<Attempt>);

impl AttemptHistory {
    /// Most attempts that are kept.
    pub const MAX: usize = 32;
    /// How many of them are the first ones.
    pub const FIRST: usize = 4;

    /// Adds the newest attempt, and forgets one from the middle if there are too many.
    pub fn push(&mut self, attempt: Attempt) {
        if self.0.len() >= Self::MAX {
            self.0.remove(Self::FIRST);
        }
        self.0.push(attempt);
    }

    /// What is kept, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Attempt] {
        &self.0
    }

    /// The newest attempt.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        self.0.last()
    }
}

/// What errors have in common whose texts differ in numbers and ids only.
///
/// ```
/// use dispatch_core::queue::ErrorGroup;
///
/// let group = ErrorGroup::of("order 4711 is gone after 30 s");
/// assert_eq!(group.as_str(), "order # is gone after # s");
/// assert_eq!(group, ErrorGroup::of("order 9 is gone after 5 s"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorGroup(String);

impl ErrorGroup {
    /// Most characters of a group.
    pub const MAX: usize = 120;

    /// The group of an error text: its words, with `#` for every word that has a digit.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let is_part = |c: char| c.is_alphanumeric() || c == '-';
        let mut group = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(c.len_utf8()));
            // A word with a digit is a number, an id, an address, a time.
            group.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
            rest = after;
        }
        Self(group.chars().take(Self::MAX).collect())
    }

    /// A group as it was stored.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
