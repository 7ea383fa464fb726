use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Exhausted, Guarantee, Start, SubscriptionType};
use crate::config::millis;
use crate::error::{ErrorCode, Problem};
use crate::policy::{Jitter, RateLimit, RetryPolicy};
use crate::topic::TopicPattern;

/// How a subscription works.
///
/// ```
/// use dispatch_core::subscription::{SubscriptionConfig, SubscriptionType};
///
/// let config = SubscriptionConfig::new("billing", "shop.*.events")
///     .of_type(SubscriptionType::Shared)
///     .with_window(64);
/// assert!(config.problems().is_empty());
/// assert!(SubscriptionConfig::new("", "shop.**").with_window(0).problems().len() == 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionConfig {
    /// Its name; the same name is the same subscription, also after a restart.
    pub name: String,
    /// The topic, or a pattern of topics; those that come later are picked up.
    pub topic: String,
    /// Who of the consumers gets a message.
    #[serde(rename = "type", default)]
    pub kind: SubscriptionType,
    /// Whether messages that were not acknowledged come again.
    #[serde(default)]
    pub guarantee: Guarantee,
    /// Where it begins if it has no cursor yet.
    #[serde(default)]
    pub start: Start,
    /// Most messages that may be unacknowledged at a time; 1 is strictly one after the other.
    #[serde(default = "one")]
    pub window: u32,
    /// How long a consumer may take to acknowledge; in milliseconds where it is serialised.
    #[serde(rename = "ack_timeout_ms", with = "millis", default = "thirty_seconds")]
    pub ack_timeout: Duration,
    /// How often, and after which delays, a message that failed comes again.
    #[serde(default = "redelivery")]
    pub retry: RetryPolicy,
    /// What becomes of a message whose retries are used up; what its type says, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<Exhausted>,
    /// Longest time for which acknowledged messages may be missing from the saved cursor.
    #[serde(rename = "cursor_interval_ms", with = "millis", default = "five_seconds")]
    pub cursor_interval: Duration,
    /// Most messages in so much time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateLimit>,
    /// Most bytes of payload a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Most messages that may wait for their time, or behind another one of their key. Over it nothing more is read.
    #[serde(default = "max_aside")]
    pub max_aside: usize,
    /// At most once: how many messages a consumer may have before it, so that it counts as full.
    ///
    /// At least once: how many deliveries a consumer may have left unanswered when their time was over; with as many it
    /// gets nothing more until it answers one.
    #[serde(default = "capacity")]
    pub capacity: u32,
    /// Most consumers; 0 sets no limit. Of an exclusive subscription it is 1 anyway.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_consumers: usize,
}

const fn is_zero(number: &usize) -> bool {
    *number == 0
}

const fn one() -> u32 {
    1
}

const fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

const fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

const fn max_aside() -> usize {
    100_000
}

const fn capacity() -> u32 {
    1024
}

/// 3 retries after 1 s, 2 s and 4 s, not random; nobody else asks, so there is no share of traffic to keep.
fn redelivery() -> RetryPolicy {
    RetryPolicy::default().with_jitter(Jitter::None).without_budget()
}

impl SubscriptionConfig {
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 200;

    /// An exclusive at-least-once subscription to a topic or pattern, with a window of 1.
    #[must_use]
    pub fn new(name: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            topic: topic.into(),
            kind: SubscriptionType::default(),
            guarantee: Guarantee::default(),
            start: Start::default(),
            window: one(),
            ack_timeout: thirty_seconds(),
            retry: redelivery(),
            exhausted: None,
            cursor_interval: five_seconds(),
            rate: None,
            bytes_per_second: None,
            max_aside: max_aside(),
            capacity: capacity(),
            max_consumers: 0,
        }
    }

    /// Sets who of the consumers gets a message.
    #[must_use]
    pub const fn of_type(mut self, kind: SubscriptionType) -> Self {
        self.kind = kind;
        self
    }

    /// Sets whether messages come again.
    #[must_use]
    pub const fn with_guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// Sets where it begins.
    #[must_use]
    pub const fn starting_at(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets how many messages may be unacknowledged at a time.
    #[must_use]
    pub const fn with_window(mut self, window: u32) -> Self {
        self.window = window;
        self
    }

    /// Sets how long a consumer may take.
    #[must_use]
    pub const fn with_ack_timeout(mut self, ack_timeout: Duration) -> Self {
        self.ack_timeout = ack_timeout;
        self
    }

    /// Sets how often, and after which delays, a message that failed comes again.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets what becomes of a message whose retries are used up.
    #[must_use]
    pub const fn when_exhausted(mut self, exhausted: Exhausted) -> Self {
        self.exhausted = Some(exhausted);
        self
    }

    /// Sets how often the cursor is saved.
    #[must_use]
    pub const fn with_cursor_interval(mut self, cursor_interval: Duration) -> Self {
        self.cursor_interval = cursor_interval;
        self
    }

    /// Limits how many messages are delivered in so much time.
    #[must_use]
    pub const fn with_rate(mut self, rate: RateLimit) -> Self {
        self.rate = Some(rate);
        self
    }

    /// What becomes of a message whose retries are used up.
    #[must_use]
    pub fn exhausted(&self) -> Exhausted {
        self.exhausted.unwrap_or(Exhausted::default_for(self.kind))
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let name = self.name.as_str();
        let mut add = |text: String| {
            let text = format!("subscription '{name}': {text}");
            problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        };
        if name.trim().is_empty() {
            add("the name is blank: give it one".to_owned());
        } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            add("the name has white space or control characters: use letters, digits, '-', '_' and '.'"
                .to_owned());
        }
        if name.len() > Self::MAX_NAME {
            add(format!("the name has {} bytes: use at most {}", name.len(), Self::MAX_NAME));
        }
        if let Err(error) = self.topic.parse::<TopicPattern>() {
            add(format!("topic '{}': {error}", self.topic));
        }
        if self.window == 0 {
            add("window is 0, so nothing would ever be delivered: use at least 1".to_owned());
        }
        if self.ack_timeout.is_zero() {
            add("ack_timeout is 0: use at least 1 ms".to_owned());
        }
        if self.max_aside == 0 {
            add("max_aside is 0: use at least 1".to_owned());
        }
        if self.capacity == 0 {
            add("capacity is 0, so every consumer would be full: use at least 1".to_owned());
        }
        if self.bytes_per_second == Some(0) {
            add("bytes_per_second is 0: use at least 1, or leave it out".to_owned());
        }
        let of_policies =
            self.retry.problems().into_iter().chain(self.rate.iter().flat_map(RateLimit::problems));
        for problem in of_policies {
            add(problem.message().to_owned());
        }
        problems
    }

    /// What is wrong with it as a continuation of a subscription that is stored under this name.
    ///
    /// # Errors
    /// A text that says what differs. Type, guarantee and topic stay as they are; everything else may change.
    pub fn check_reopening(&self, stored: &Self) -> Result<(), String> {
        let differs = |what: &str, is: &dyn std::fmt::Display, was: &dyn std::fmt::Display| {
            let name = &self.name;
            Err(format!(
                "subscription '{name}' exists with {what} '{was}', not '{is}': open it with that one, use another \
                 name, or unsubscribe it first"
            ))
        };
        if self.kind != stored.kind {
            return differs("type", &self.kind, &stored.kind);
        }
        if self.guarantee != stored.guarantee {
            return differs("guarantee", &self.guarantee, &stored.guarantee);
        }
        if self.topic != stored.topic {
            return differs("topic", &self.topic, &stored.topic);
        }
        Ok(())
    }

    /// What is wrong with it as another request for a subscription that is open.
    ///
    /// # Errors
    /// A text that names everything that differs. The window may, as it may change at any time, and so may the start,
    /// which means nothing any more.
    pub fn check_joining(&self, open: &Self) -> Result<(), String> {
        self.check_reopening(open)?;
        let members = [
            ("ack_timeout", self.ack_timeout == open.ack_timeout),
            ("retry", self.retry == open.retry),
            ("exhausted", self.exhausted() == open.exhausted()),
            ("cursor_interval", self.cursor_interval == open.cursor_interval),
            ("rate", self.rate == open.rate),
            ("bytes_per_second", self.bytes_per_second == open.bytes_per_second),
            ("max_aside", self.max_aside == open.max_aside),
            ("capacity", self.capacity == open.capacity),
            ("max_consumers", self.max_consumers == open.max_consumers),
        ];
        let other: Vec<_> = members.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
        if other.is_empty() { Ok(()) } else { Err(self.is_open_with(&other.join(", "))) }
    }

    /// The text of a conflict with a subscription that is open with something else.
    #[must_use]
    pub fn is_open_with(&self, other: &str) -> String {
        let name = &self.name;
        format!("subscription '{name}' is open with another {other}: open it with the same, or stop it first")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let mut config =
            SubscriptionConfig::new("a b", "shop..events").with_window(0).with_ack_timeout(Duration::ZERO);
        config.max_aside = 0;
        config.capacity = 0;
        config.bytes_per_second = Some(0);
        config.rate = Some(RateLimit::per_second(0));
        config.retry.multiplier = 0.5;
        let problems: Vec<_> = config.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"));
    }

    #[test]
    fn a_name_is_opened_again_with_the_same_type_only() {
        let stored = SubscriptionConfig::new("billing", "shop.**");
        assert!(stored.clone().with_window(9).check_reopening(&stored).is_ok());
        let other = stored.clone().of_type(SubscriptionType::Shared).check_reopening(&stored).unwrap_err();
        insta::assert_snapshot!(other, @"subscription 'billing' exists with type 'exclusive', not 'shared': open it with that one, use another name, or unsubscribe it first");
    }

    #[test]
    fn one_that_is_open_is_joined_with_the_same_configuration_only_and_everything_else_is_named() {
        let open = SubscriptionConfig::new("billing", "shop.**");
        let mut same = open.clone().with_window(9).starting_at(Start::Earliest);
        same.exhausted = Some(Exhausted::default_for(open.kind));
        assert_eq!(same.check_joining(&open), Ok(()));
        let mut other = open
            .clone()
            .with_ack_timeout(Duration::from_secs(1))
            .with_retry(RetryPolicy::default())
            .when_exhausted(Exhausted::Drop)
            .with_cursor_interval(Duration::from_secs(1))
            .with_rate(RateLimit::per_second(1));
        (other.bytes_per_second, other.max_aside, other.capacity, other.max_consumers) = (Some(1), 1, 1, 1);
        insta::assert_snapshot!(other.check_joining(&open).unwrap_err(), @"subscription 'billing' is open with another ack_timeout, retry, exhausted, cursor_interval, rate, bytes_per_second, max_aside, capacity, max_consumers: open it with the same, or stop it first");
        let other = open.clone().of_type(SubscriptionType::Shared).check_joining(&open);
        assert_eq!(other, open.clone().of_type(SubscriptionType::Shared).check_reopening(&open));
    }

    #[test]
    fn it_is_read_from_json_with_defaults_and_unknown_fields_are_refused() {
        let read: SubscriptionConfig = serde_json::from_str(r#"{"name": "b", "topic": "shop.**"}"#).unwrap();
        assert_eq!(read, SubscriptionConfig::new("b", "shop.**"));
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<SubscriptionConfig>(&text).unwrap(), read);
        assert!(
            serde_json::from_str::<SubscriptionConfig>(r#"{"name": "b", "topic": "t", "windows": 1}"#)
                .is_err()
        );
    }
}
