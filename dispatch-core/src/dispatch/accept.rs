//! Whether an envelope goes to the routes, and what is said if it does not.
//!
//! The checks, in this order; the first that fails is the answer, and none behind it is made:
//!
//! 1. The text is a topic. A [`Topic`] is proof of it, so an interceptor never sees anything else.
//! 2. Interceptors let the envelope through. They see it with its topic and may change it, but not where it goes.
//! 3. It has made at most `max_hops` hops: this is where a loop of outputs ends.
//! 4. The topic names a category.
//! 5. The envelope claims no other category.
//! 6. A dispatcher takes it; this the table decides, once the others have passed.
//!
//! An envelope is not looked at before the interceptors have seen it, because they may mend it.

use std::time::Duration;

use super::path::Path;
use super::result::Failure;
use super::{DispatchResult, DispatchStatus, Subject};
use crate::envelope::Envelope;
use crate::error::ErrorCode;
use crate::ids::MessageType;
use crate::topic::{Category, Topic, TopicError};

/// Why an envelope that was dispatched is not routed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRouted {
    /// An interceptor filtered it out, for this reason, which is not sanitised: the result is
    /// [`Skipped`](DispatchStatus::Skipped).
    Filtered(String),
    /// An interceptor refused it, for this reason, which is not sanitised: there is no result, the caller gets
    /// an error with [`ErrorCode::Rejected`].
    Rejected(String),
    /// It cannot be routed: the result says so.
    Unroutable(Unroutable),
}

/// Why no dispatcher can see an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unroutable {
    /// What should be a topic is none.
    InvalidTopic(TopicError),
    /// It has led to itself again and again.
    TooManyHops {
        /// The hops it has made.
        hops: u16,
        /// The most that are allowed.
        max_hops: u16,
    },
    /// The topic names no category.
    NoCategory,
    /// The envelope claims another category than the topic names.
    CategoryMismatch {
        /// What the envelope claims.
        claimed: Category,
        /// What the topic names.
        category: Category,
    },
    /// No dispatcher takes it.
    NoDispatcher,
}

/// Decides about a dispatched envelope as far as it can be decided without the table: the checks 2 to 5.
/// Returns the category to route by. The envelope has the topic afterwards, whatever `intercept` did to it.
///
/// # Errors
/// [`NotRouted`] says why it is not routed.
pub fn accept(
    topic: &Topic,
    envelope: &mut Envelope,
    max_hops: u16,
    intercept: Option<impl FnOnce(&mut Envelope) -> Result<(), NotRouted>>,
) -> Result<Category, NotRouted> {
    envelope.set_topic(topic);
    if let Some(intercept) = intercept {
        let intercepted = intercept(envelope);
        envelope.set_topic(topic);
        intercepted?;
    }
    let unroutable = if envelope.hops() > max_hops {
        Unroutable::TooManyHops { hops: envelope.hops(), max_hops }
    } else {
        match (topic.category(), envelope.category()) {
            (None, _) => Unroutable::NoCategory,
            (Some(category), Some(claimed)) if claimed != category => {
                Unroutable::CategoryMismatch { claimed, category }
            }
            (Some(category), _) => return Ok(category),
        }
    };
    Err(NotRouted::Unroutable(unroutable))
}

impl Unroutable {
    /// The category by which it is counted, before a table was asked.
    #[must_use]
    pub const fn category(&self) -> Option<Category> {
        match self {
            Self::CategoryMismatch { category, .. } => Some(*category),
            _ => None,
        }
    }

    /// Whether the envelope's own category contradicts the topic's.
    #[must_use]
    pub const fn is_category_mismatch(&self) -> bool {
        matches!(self, Self::CategoryMismatch { .. })
    }

    /// How the dispatch ends.
    #[must_use]
    pub const fn status(&self) -> DispatchStatus {
        match self {
            Self::NoDispatcher => DispatchStatus::NoDispatcher,
            _ => DispatchStatus::InvalidMessage,
        }
    }

    /// The code of its failure.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NoDispatcher => ErrorCode::ItemNotRegistered,
            _ => ErrorCode::ValidationError,
        }
    }

    /// What is said about it, where it should have gone.
    #[must_use]
    pub fn message(&self, path: &Path) -> String {
        let topic = path.topic_str();
        match self {
            Self::InvalidTopic(error) => format!("Invalid topic: {error}."),
            Self::TooManyHops { hops, max_hops } => format!(
                "Envelope has made {hops} hops, more than max_hops ({max_hops}): its outputs lead back to it."
            ),
            Self::NoCategory => format!(
                "Cannot infer message category from topic '{topic}'. Topic must contain an events, commands or intents segment."
            ),
            Self::CategoryMismatch { claimed, category } => format!(
                "Envelope category '{claimed}' does not match category '{category}' of topic '{topic}'."
            ),
            Self::NoDispatcher => {
                let category = path.category.map(Category::as_str).unwrap_or_default();
                let message_type = path.message_type.as_ref().map(MessageType::as_str).unwrap_or_default();
                format!(
                    "No dispatcher registered for category '{category}' and message type '{message_type}' matching topic '{topic}'."
                )
            }
        }
    }
}

impl DispatchResult {
    /// The result of a dispatch that no dispatcher can see.
    #[must_use]
    pub fn unroutable(subject: Subject, why: &Unroutable, duration: Duration) -> Self {
        let failure = Failure { code: why.code(), message: why.message(&subject.path) };
        Self::unhandled(subject, why.status(), failure, duration)
    }
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::dispatch::TopicText;
    use crate::envelope::Payload;

    type Nobody = fn(&mut Envelope) -> Result<(), NotRouted>;

    fn topic() -> impl Strategy<Value = Topic> {
        select(vec!["a.events", "a.b.commands.c", "a.intents", "a", "a.event.b", "a.cmd.evt"])
            .prop_map(|text| Topic::new(text).unwrap())
    }

    fn category() -> impl Strategy<Value = Category> {
        select(Category::ALL.to_vec())
    }

    /// What an interceptor may do to an envelope, and how it may end.
    #[derive(Debug, Clone)]
    struct Change {
        topic: Option<Topic>,
        category: Option<Category>,
        hops: Option<u16>,
        stop: Option<NotRouted>,
    }

    fn change() -> impl Strategy<Value = Change> {
        let stop = select(vec![NotRouted::Filtered("f".into()), NotRouted::Rejected("r".into())]);
        (of(topic()), of(category()), of(0u16..5), prop_oneof![3 => Just(None), 1 => stop.prop_map(Some)])
            .prop_map(|(topic, category, hops, stop)| Change { topic, category, hops, stop })
    }

    fn apply(change: &Change, envelope: &mut Envelope) -> Result<(), NotRouted> {
        let mut changed = envelope.clone();
        if let Some(topic) = &change.topic {
            changed.set_topic(topic);
        }
        if let Some(category) = change.category {
            changed = changed.with_category(category);
        }
        if let Some(hops) = change.hops {
            changed = changed.with_hops(hops);
        }
        *envelope = changed;
        change.stop.clone().map_or(Ok(()), Err)
    }

    proptest! {
        /// Every reason there is, in the documented order; the first one wins.
        #[test]
        fn the_first_reason_of_a_naive_list_is_the_answer(
            topic in topic(),
            claimed in of(category()),
            hops in 0u16..5,
            max_hops in 0u16..5,
            change in change(),
        ) {
            let mut envelope = Envelope::new(Payload::Empty).with_hops(hops);
            if let Some(claimed) = claimed {
                envelope = envelope.with_category(claimed);
            }
            let mut calls = 0;
            let accepted = accept(&topic, &mut envelope, max_hops, Some(|envelope: &mut Envelope| {
                calls += 1;
                assert_eq!(envelope.topic(), Some(&topic), "an interceptor sees the topic");
                apply(&change, envelope)
            }));

            let (claimed, hops) = (change.category.or(claimed), change.hops.unwrap_or(hops));
            let mut reasons = Vec::new();
            reasons.extend(change.stop.clone());
            if hops > max_hops {
                reasons.push(NotRouted::Unroutable(Unroutable::TooManyHops { hops, max_hops }));
            }
            match topic.category() {
                None => reasons.push(NotRouted::Unroutable(Unroutable::NoCategory)),
                Some(category) if claimed.is_some_and(|claimed| claimed != category) => {
                    let claimed = claimed.unwrap();
                    reasons.push(NotRouted::Unroutable(Unroutable::CategoryMismatch { claimed, category }));
                }
                Some(_) => {}
            }
            prop_assert_eq!(calls, 1);
            prop_assert_eq!(envelope.topic(), Some(&topic), "nobody but the caller says where it goes");
            match reasons.into_iter().next() {
                Some(first) => prop_assert_eq!(accepted, Err(first)),
                None => prop_assert_eq!(accepted.ok(), topic.category()),
            }
        }

        /// What is accepted is what neither loops nor contradicts itself.
        #[test]
        fn what_is_accepted_has_the_category_of_its_topic(
            topic in topic(), claimed in category(), hops in any::<u16>(), max_hops in any::<u16>(),
        ) {
            let mut envelope = Envelope::new(Payload::Empty).with_hops(hops).with_category(claimed);
            let accepted = accept(&topic, &mut envelope, max_hops, None::<Nobody>).is_ok();
            prop_assert_eq!(accepted, hops <= max_hops && topic.category() == Some(claimed));
        }
    }

    #[test]
    fn every_reason_has_its_status_code_and_text() {
        let path = |topic: &str, category| Path {
            topic: Topic::new(topic).map_or_else(|_| TopicText::refused(topic), TopicText::Valid),
            category,
            message_type: MessageType::new("OrderPlaced"),
            legs: Box::default(),
        };
        let event = Some(Category::Event);
        let (claimed, category) = (Category::Intent, Category::Event);
        let cases = [
            (Unroutable::InvalidTopic(Topic::new("a..b").unwrap_err()), path("a..b", None)),
            (Unroutable::TooManyHops { hops: 17, max_hops: 16 }, path("a.events", None)),
            (Unroutable::NoCategory, path("shop.order", None)),
            (Unroutable::CategoryMismatch { claimed, category }, path("a.events", event)),
            (Unroutable::NoDispatcher, path("a.events", event)),
        ];
        let lines: Vec<_> = cases
            .iter()
            .map(|(why, path)| format!("{} {} {}", why.status(), why.code(), why.message(path)))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        invalid_message VALIDATION_ERROR Invalid topic: segment 2 of the topic is empty: remove the doubled, leading or trailing dot.
        invalid_message VALIDATION_ERROR Envelope has made 17 hops, more than max_hops (16): its outputs lead back to it.
        invalid_message VALIDATION_ERROR Cannot infer message category from topic 'shop.order'. Topic must contain an events, commands or intents segment.
        invalid_message VALIDATION_ERROR Envelope category 'intent' does not match category 'event' of topic 'a.events'.
        no_dispatcher ITEM_NOT_REGISTERED No dispatcher registered for category 'event' and message type 'OrderPlaced' matching topic 'a.events'.
        ");
    }
}
