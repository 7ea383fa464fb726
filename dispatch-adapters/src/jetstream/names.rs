//! What streams and subjects are called.
//!
//! ```text
//!   stream  PREFIX-t-TOPIC   subject PREFIX.t.TOPIC          records of a topic; heads go to PREFIX.h.TOPIC
//!   stream  PREFIX-state     subject PREFIX.s.d.SUB          how a subscription was opened
//!                                    PREFIX.s.c.SUB.TOPIC    its cursor in a topic
//!                                    PREFIX.s.p.SUB.ID       what it has parked
//! ```
//!
//! A topic may be longer than the name of a stream and have characters that no subject may have, so `TOPIC` and `SUB`
//! are the first 160 bits of the SHA-256 of the name. The name itself is kept beside it and compared.

use std::fmt::Write as _;

use dispatch_core::Topic;
use dispatch_core::uuid::Uuid;
use sha2::{Digest as _, Sha256};

/// What stands for a name.
pub(super) fn digest(name: &str) -> String {
    let mut text = String::with_capacity(40);
    for byte in Sha256::digest(name.as_bytes()).iter().take(20) {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The names of a log.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn topic_stream(&self, topic: &Topic) -> String {
        format!("{}-t-{}", self.prefix, digest(topic.as_str()))
    }

    pub(super) fn topic_subject(&self, topic: &Topic) -> String {
        format!("{}.t.{}", self.prefix, digest(topic.as_str()))
    }

    pub(super) fn topic_subjects(&self) -> String {
        format!("{}.t.*", self.prefix)
    }

    pub(super) fn head(&self, topic: &Topic) -> String {
        format!("{}.h.{}", self.prefix, digest(topic.as_str()))
    }

    pub(super) fn heads(&self) -> String {
        format!("{}.h.*", self.prefix)
    }

    pub(super) fn state_stream(&self) -> String {
        format!("{}-state", self.prefix)
    }

    pub(super) fn state_subjects(&self) -> String {
        format!("{}.s.>", self.prefix)
    }

    pub(super) fn definition(&self, subscription: &str) -> String {
        format!("{}.s.d.{}", self.prefix, digest(subscription))
    }

    pub(super) fn definitions(&self) -> String {
        format!("{}.s.d.*", self.prefix)
    }

    pub(super) fn cursor(&self, subscription: &str, topic: &Topic) -> String {
        format!("{}.s.c.{}.{}", self.prefix, digest(subscription), digest(topic.as_str()))
    }

    pub(super) fn cursors_of(&self, subscription: &str) -> String {
        format!("{}.s.c.{}.*", self.prefix, digest(subscription))
    }

    pub(super) fn cursors_in(&self, topic: &Topic) -> String {
        format!("{}.s.c.*.{}", self.prefix, digest(topic.as_str()))
    }

    pub(super) fn parked(&self, subscription: &str, id: Uuid) -> String {
        format!("{}.s.p.{}.{}", self.prefix, digest(subscription), id.simple())
    }

    pub(super) fn parked_of(&self, subscription: &str) -> String {
        format!("{}.s.p.{}.*", self.prefix, digest(subscription))
    }
}

/// What comes after the last dot of a subject.
pub(super) fn last_part(subject: &str) -> &str {
    subject.rsplit_once('.').map_or(subject, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_what_it_was() {
        let names = Names::new("dispatch");
        let topic: Topic = "shop.order.events".parse().unwrap();
        assert_eq!(names.topic_stream(&topic), "dispatch-t-4ff88f793d1c2e084ba0bf17d05221dbefd053a8");
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_legal_part_of_a_subject_and_another_name_another(a: String, b: String) {
            prop_assert_eq!(digest(&a).len(), 40);
            prop_assert!(digest(&a).chars().all(|c| c.is_ascii_hexdigit()));
            prop_assert_eq!(a == b, digest(&a) == digest(&b));
        }
    }
}
