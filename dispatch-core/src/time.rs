//! Wall time on its way in and out: the clock of the engine, and RFC 3339 in JSON.

use std::time::SystemTime;

/// Where wall time comes from, so that a run can be replayed.
pub trait Clock: Send + Sync + 'static {
    /// The wall time now.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Whether RFC 3339 can say a time: one in the years -9999 to 9999.
#[must_use]
pub fn is_writable(time: SystemTime) -> bool {
    jiff::Timestamp::try_from(time).is_ok()
}

/// RFC 3339 with as many fraction digits as needed, for `#[serde(with = "rfc3339")]`.
pub mod rfc3339 {
    use std::time::SystemTime;

    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    /// Writes a time.
    ///
    /// # Errors
    /// If the time is outside the years -9999 to 9999.
    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        let timestamp = Timestamp::try_from(*time).map_err(ser::Error::custom)?;
        serializer.collect_str(&timestamp)
    }

    /// Reads a time.
    ///
    /// # Errors
    /// If the text is not an RFC 3339 time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse::<Timestamp>().map(SystemTime::from).map_err(de::Error::custom)
    }
}

/// RFC 3339 in UTC with milliseconds, for `#[serde(with = "rfc3339_millis")]`: what is finer is cut off.
pub mod rfc3339_millis {
    use std::time::SystemTime;

    use serde::Serializer;

    pub use super::rfc3339::deserialize;

    /// Writes a time; one outside the years -9999 to 9999 as the nearest one inside.
    ///
    /// # Errors
    /// Never by itself.
    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::millis_text(*time))
    }
}

/// An optional time as [`rfc3339_millis`], for `#[serde(with = "optional_millis")]`.
pub(crate) mod optional_millis {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super::rfc3339_millis")] SystemTime);

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Time).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(time)| time))
    }
}

/// RFC 3339 in UTC with milliseconds; a time outside the years -9999 to 9999 is written as the nearest one inside.
pub(crate) fn millis_text(time: SystemTime) -> String {
    let outside = if time < SystemTime::UNIX_EPOCH { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    format!("{:.3}", jiff::Timestamp::try_from(time).unwrap_or(outside))
}
