use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A time zone by its name in the IANA database, such as `Europe/Berlin`.
///
/// The database is that of the system, or the one in this library where the system has none.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use dispatch_core::schedule::Zone;
///
/// let tokyo: Zone = "Asia/Tokyo".parse()?;
/// assert_eq!(tokyo.write(UNIX_EPOCH + Duration::from_secs(60)), "1970-01-01T09:01:00+09:00");
/// assert_eq!(Zone::default().write(UNIX_EPOCH), "1970-01-01T00:00:00Z");
/// assert!("Mars/Olympus".parse::<Zone>().is_err());
/// # Ok::<(), dispatch_core::schedule::ZoneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// There is no time zone of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time zone '{name}' is unknown: use a name of the IANA database, such as UTC or Europe/Berlin")]
pub struct ZoneError {
    /// The name given, shortened.
    pub name: String,
}

impl Zone {
    /// A time as people in the zone write it, with its offset: RFC 3339. A time outside the years -9999 to 9999 is written
    /// as the nearest one inside.
    #[must_use]
    pub fn write(&self, time: SystemTime) -> String {
        let local = instant(time).to_zoned(self.0.clone());
        if local.offset() == Offset::UTC {
            local.timestamp().to_string()
        } else {
            local.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
        }
    }

    pub(super) const fn inner(&self) -> &TimeZone {
        &self.0
    }
}

/// A time as the calendar knows it.
pub(super) fn instant(time: SystemTime) -> Timestamp {
    let outside = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(outside)
}

impl Default for Zone {
    /// UTC.
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(name: &str) -> Result<Self, ZoneError> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::default());
        }
        TimeZone::get(name).map(Self).map_err(|_| ZoneError { name: name.chars().take(40).collect() })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
