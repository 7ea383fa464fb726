use std::sync::Arc;

use super::outcome::Leg;
use crate::ids::MessageType;
use crate::topic::{Category, Topic};

/// The topic of a result: valid, or the text that was refused, shortened to the length of a topic.
#[derive(Debug, Clone)]
pub enum TopicText {
    /// A topic.
    Valid(Topic),
    /// Not a topic.
    Refused(Arc<str>),
}

impl TopicText {
    /// Keeps a refused text, shortened if it is longer than a topic may be.
    #[must_use]
    pub fn refused(text: &str) -> Self {
        if text.len() <= Topic::MAX_BYTES {
            return Self::Refused(text.into());
        }
        let starts = text.char_indices().map(|(start, _)| start);
        let end = starts.take_while(|start| *start <= Topic::MAX_BYTES).last().unwrap_or(0);
        Self::Refused(format!("{}...", &text[..end]).into())
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Valid(topic) => topic.as_str(),
            Self::Refused(text) => text,
        }
    }
}

/// Where an envelope goes: decided once for a topic and a message type, shared by every dispatch that goes
/// the same way.
#[derive(Debug, Clone)]
pub struct Path {
    /// The topic.
    pub topic: TopicText,
    /// The category of the topic.
    pub category: Option<Category>,
    /// The message type.
    pub message_type: Option<MessageType>,
    /// The chosen dispatchers in rank order.
    pub legs: Box<[Leg]>,
}

impl Path {
    /// The topic as text.
    #[must_use]
    pub fn topic_str(&self) -> &str {
        self.topic.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_refused_topic_is_shortened() {
        let text = TopicText::refused(&"é".repeat(40_000));
        assert_eq!(text.as_str().len(), Topic::MAX_BYTES + 3);
    }
}
