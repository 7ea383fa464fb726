use crate::topic::{PatternError, Topic, TopicPattern};

/// The topics of a subscription.
///
/// One without wildcards has one topic, letter by letter; a pattern matches in any case, as everywhere.
///
/// ```
/// use dispatch_core::Topic;
/// use dispatch_core::subscription::Scope;
///
/// let (one, many) = (Scope::of("shop.order.events")?, Scope::of("shop.*.events")?);
/// let (small, large): (Topic, Topic) = ("shop.order.events".parse()?, "Shop.Order.Events".parse()?);
/// assert!(one.has(&small) && !one.has(&large), "topics with other letters are other topics");
/// assert!(many.has(&small) && many.has(&large));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Scope {
    /// This one.
    Topic(Topic),
    /// All that match, those that come later too.
    Pattern(TopicPattern),
}

impl Scope {
    /// What a topic or pattern stands for.
    ///
    /// # Errors
    /// [`PatternError`] if it is neither.
    pub fn of(text: &str) -> Result<Self, PatternError> {
        let pattern = text.parse::<TopicPattern>()?;
        match text.parse::<Topic>() {
            Ok(topic) if pattern.is_literal() => Ok(Self::Topic(topic)),
            _ => Ok(Self::Pattern(pattern)),
        }
    }

    /// Whether a topic is among them.
    #[must_use]
    pub fn has(&self, topic: &Topic) -> bool {
        match self {
            Self::Topic(own) => own == topic,
            Self::Pattern(pattern) => pattern.matches(topic),
        }
    }
}
