use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of message a topic carries.
///
/// The category is read off the topic: the first of the keywords `events`, `commands`, `intents`, `evt`,
/// `cmd`, `intent`, in that order, that is present as a whole segment. See [`Category::of_topic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Something that happened; any number of dispatchers may react.
    Event,
    /// Something that shall be done.
    Command,
    /// Something that somebody would like; an orchestrator decides.
    Intent,
}

/// The keywords in the order in which they decide.
const KEYWORDS: [(&str, Category); 6] = [
    ("events", Category::Event),
    ("commands", Category::Command),
    ("intents", Category::Intent),
    ("evt", Category::Event),
    ("cmd", Category::Command),
    ("intent", Category::Intent),
];

impl Category {
    /// Every category, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Event, Self::Command, Self::Intent];

    /// Reads the category off a topic, or `None` if no keyword is a whole segment of it.
    ///
    /// Only ASCII case is folded, and a topic of one segment has no category.
    ///
    /// ```
    /// use dispatch_core::Category;
    ///
    /// assert_eq!(Category::of_topic("shop.order.events.v1"), Some(Category::Event));
    /// assert_eq!(Category::of_topic("a.intents.events"), Some(Category::Event));
    /// assert_eq!(Category::of_topic("a.evt.commands.b"), Some(Category::Command));
    /// assert_eq!(Category::of_topic("dev.user-events.v1"), None);
    /// assert_eq!(Category::of_topic("events"), None);
    /// ```
    #[must_use]
    pub fn of_topic(topic: &str) -> Option<Self> {
        let mut best = KEYWORDS.len();
        let mut segments = 0;
        for segment in topic.split('.') {
            segments += 1;
            // The keywords are 3 to 8 bytes long; most segments are told apart by that alone.
            if (3..=8).contains(&segment.len())
                && let Some(rank) =
                    KEYWORDS[..best].iter().position(|(word, _)| segment.eq_ignore_ascii_case(word))
            {
                best = rank;
            }
        }
        if segments < 2 { None } else { KEYWORDS.get(best).map(|(_, category)| *category) }
    }

    /// The name used in JSON, logs and metric labels: `event`, `command` or `intent`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Command => "command",
            Self::Intent => "intent",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not the name of a category.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown category '{0}': use event, command or intent")]
pub struct UnknownCategory(String);

impl FromStr for Category {
    type Err = UnknownCategory;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownCategory(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyword_order_decides_not_position() {
        assert_eq!(Category::of_topic("a.commands.events.b"), Some(Category::Event));
        assert_eq!(Category::of_topic("a.evt.intents"), Some(Category::Intent));
        assert_eq!(Category::of_topic("intent.cmd"), Some(Category::Command));
    }

    #[test]
    fn singular_and_partial_words_do_not_count() {
        for topic in ["a.event.b", "a.command.b", "a.preevents.b", "a.eventsx", "", "."] {
            assert_eq!(Category::of_topic(topic), None, "{topic}");
        }
    }

    #[test]
    fn names_round_trip() {
        for category in Category::ALL {
            assert_eq!(category.to_string().parse(), Ok(category));
        }
        assert!("news".parse::<Category>().is_err());
    }
}
