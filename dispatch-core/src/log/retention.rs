//! What may be trimmed.
//!
//! - What any of the limits asks to go goes.
//! - Nothing at or past the lowest cursor goes, and nothing of a topic that a subscription has no cursor in yet, unless
//!   that is forced.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Claims, LogBounds, LogError, Offset, TopicLog};
use crate::topic::Topic;

/// How long records are kept. Nothing set keeps them for ever.
///
/// ```
/// use dispatch_core::log::Retention;
///
/// let retention: Retention = serde_json::from_str(r#"{"max_records": 1000, "max_age_secs": 86400}"#)?;
/// assert!(!retention.force);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Records older than this may go.
    #[serde(rename = "max_age_secs", with = "optional_secs", skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// More bytes than these, as the log counts them: the oldest may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// More records than these: the oldest may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_records: Option<u64>,
    /// Also what a subscription has not passed yet. It starts at the oldest record then, and counts the gap.
    pub force: bool,
}

/// How much a topic holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicUsage {
    /// Records.
    pub records: u64,
    /// Bytes of the stored entries, without the store's own overhead.
    pub bytes: u64,
}

impl Retention {
    /// Whether anything is ever trimmed.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.max_age.is_some() || self.max_bytes.is_some() || self.max_records.is_some()
    }

    /// The offset below which records may go: the highest that a limit asks for, held back by the floor.
    #[must_use]
    pub fn below(
        &self,
        bounds: LogBounds,
        young: Option<Offset>,
        light: Option<Offset>,
        floor: Option<Offset>,
    ) -> Offset {
        let few = self.max_records.map(|most| Offset::new(bounds.head.get().saturating_sub(most)));
        let wanted = [young, light, few].into_iter().flatten().max().unwrap_or(bounds.oldest);
        let allowed = match floor {
            Some(floor) if !self.force => wanted.min(floor),
            _ => wanted,
        };
        allowed.clamp(bounds.oldest, bounds.head)
    }

    /// Trims a topic; how many records went.
    ///
    /// # Errors
    /// [`LogError`] of the log; what was trimmed by then stays trimmed.
    pub async fn apply(&self, log: &dyn TopicLog, topic: &Topic, now: SystemTime) -> Result<u64, LogError> {
        if !self.is_limited() {
            return Ok(0);
        }
        self.apply_beside(&Claims::of(log).await?, log, topic, now).await
    }

    /// The same for one of many topics, with what subscriptions claim looked up before.
    ///
    /// # Errors
    /// Like [`apply`](Self::apply).
    pub async fn apply_beside(
        &self,
        claims: &Claims,
        log: &dyn TopicLog,
        topic: &Topic,
        now: SystemTime,
    ) -> Result<u64, LogError> {
        if !self.is_limited() || (!self.force && claims.has(topic)) {
            return Ok(0);
        }
        let bounds = log.bounds(topic).await?;
        let young = match self.max_age.and_then(|age| now.checked_sub(age)) {
            Some(since) => Some(log.offset_at(topic, since).await?),
            None => None,
        };
        let light = match self.max_bytes {
            Some(bytes) => Some(log.offset_keeping(topic, bytes).await?),
            None => None,
        };
        let below = self.below(bounds, young, light, log.floor(topic).await?);
        if below <= bounds.oldest {
            return Ok(0);
        }
        let after = log.trim(topic, below).await?;
        Ok(after.oldest.since(bounds.oldest))
    }
}

/// A duration that may be absent, in seconds.
mod optional_secs {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|value| value.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(oldest: u64, head: u64) -> LogBounds {
        LogBounds { oldest: Offset::new(oldest), head: Offset::new(head) }
    }

    fn at(offset: u64) -> Option<Offset> {
        Some(Offset::new(offset))
    }

    #[test]
    fn any_limit_lets_records_go_and_the_lowest_cursor_holds_them() {
        let ten = Retention { max_records: Some(10), ..Retention::default() };
        assert_eq!(ten.below(bounds(0, 100), None, None, None), Offset::new(90));
        assert_eq!(ten.below(bounds(0, 100), at(95), at(20), None), Offset::new(95));
        assert_eq!(ten.below(bounds(0, 100), at(95), None, at(40)), Offset::new(40));
        assert_eq!(ten.below(bounds(50, 100), None, None, at(40)), Offset::new(50), "it never goes back");
        let forced = Retention { force: true, ..ten };
        assert_eq!(forced.below(bounds(0, 100), None, None, at(40)), Offset::new(90));
        assert_eq!(forced.below(bounds(0, 5), None, None, None), Offset::new(0));
    }
}
