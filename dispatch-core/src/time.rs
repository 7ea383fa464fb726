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
