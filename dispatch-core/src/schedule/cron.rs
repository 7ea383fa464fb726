use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::field::{DAY, Field, HOUR, MINUTE, MONTH, SECOND, WEEKDAY};
use super::zone::{Zone, instant};

/// A cron expression: minute, hour, day of month, month, day of week; with six fields the seconds come first.
///
/// - A field is `*`, a value, a range `a-b`, either of `*` and a range with a step `/n`, or a list of these.
/// - Months and days of the week have names of three letters, in any case; Sunday is 0 and 7.
/// - If day of month and day of week are both restricted, a day is due that is either.
/// - `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` stand for what they say.
/// - Ranges that wrap around, and steps from a single value (`5/15`), are refused: they mean different things elsewhere.
/// - An expression that is never due is refused.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use dispatch_core::schedule::{Cron, Zone};
///
/// let cron: Cron = "0 9 * * MON-FRI".parse()?;
/// let (after, zone) = (UNIX_EPOCH + Duration::from_secs(1_768_472_430), Zone::default());
/// assert_eq!(zone.write(after), "2026-01-15T10:20:30Z");
/// let next = cron.next_after(after, &zone).ok_or("never")?;
/// assert_eq!(zone.write(next), "2026-01-16T09:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    second: Field,
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// It has not five or six fields, and is no nickname.
    #[error(
        "a cron expression has 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds first, or is \
         one of @yearly, @monthly, @weekly, @daily and @hourly; this one has {fields}"
    )]
    Fields {
        /// How many it has.
        fields: usize,
    },
    /// One field cannot be read.
    #[error("{field} '{part}': {why}")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// The part of it that is wrong, shortened.
        part: String,
        /// What to do.
        why: String,
    },
    /// No day is ever due.
    #[error("no month of the expression has such a day, so it is never due")]
    Never,
}

impl Cron {
    /// Times that are looked at before it is given up: more than any gap between days that are due.
    const YEARS: i16 = 16;

    /// The first time after another, in a time zone; `None` only at the end of all times, in the year 9999.
    #[must_use]
    pub fn next_after(&self, after: SystemTime, zone: &Zone) -> Option<SystemTime> {
        self.next_instant(instant(after), zone.inner()).map(SystemTime::from)
    }

    fn next_instant(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut local = zone.to_datetime(after);
        loop {
            local = self.next_local(local)?;
            let ambiguous = zone.to_ambiguous_timestamp(local);
            let instant = match ambiguous.offset() {
                // What the clocks skip is due when they go on.
                AmbiguousOffset::Gap { .. } => zone.following(ambiguous.earlier().ok()?).next()?.timestamp(),
                _ => ambiguous.earlier().ok()?,
            };
            // The first of two equal local times may be over already.
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// The first local time after another that is due, whether the clocks show it or not.
    fn next_local(&self, after: DateTime) -> Option<DateTime> {
        let start =
            after.with().subsec_nanosecond(0).build().ok()?.checked_add(jiff::ToSpan::second(1)).ok()?;
        let (hour, minute, second) = (as_u8(start.hour()), as_u8(start.minute()), as_u8(start.second()));
        let today = start.date();
        if self.is_due(today)
            && let Some((hour, minute, second)) = self.time_from(hour, minute, second)
        {
            return at(today, hour, minute, second);
        }
        let day = self.next_day(today)?;
        at(day, self.hour.first(), self.minute.first(), self.second.first())
    }

    /// The first time of a day that is due and not before another.
    fn time_from(&self, hour: u8, minute: u8, second: u8) -> Option<(u8, u8, u8)> {
        let (first_minute, first_second) = (self.minute.first(), self.second.first());
        if self.hour.has(hour) {
            if self.minute.has(minute)
                && let Some(second) = self.second.next(second)
            {
                return Some((hour, minute, second));
            }
            if let Some(minute) = self.minute.next(minute + 1) {
                return Some((hour, minute, first_second));
            }
        }
        self.hour.next(hour + 1).map(|hour| (hour, first_minute, first_second))
    }

    /// The first day after another that is due.
    fn next_day(&self, after: Date) -> Option<Date> {
        let end = after.year().saturating_add(Self::YEARS);
        let mut day = after.tomorrow().ok()?;
        while day.year() <= end {
            if !self.month.has(as_u8(day.month())) {
                day = day.last_of_month().tomorrow().ok()?;
            } else if self.is_due(day) {
                return Some(day);
            } else {
                day = day.tomorrow().ok()?;
            }
        }
        None
    }

    fn is_due(&self, day: Date) -> bool {
        let of_month = self.day.has(as_u8(day.day()));
        let of_week = self.weekday.has(as_u8(day.weekday().to_sunday_zero_offset()));
        let day_is_due = match (self.day.is_free, self.weekday.is_free) {
            (false, false) => of_month || of_week,
            _ => of_month && of_week,
        };
        day_is_due && self.month.has(as_u8(day.month()))
    }

    /// Whether some day is due in some year.
    fn is_ever_due(&self) -> bool {
        let longest = |month| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        !self.weekday.is_free || self.month.values().any(|month| self.day.first() <= longest(month))
    }
}

fn at(day: Date, hour: u8, minute: u8, second: u8) -> Option<DateTime> {
    let [hour, minute, second] = [hour, minute, second].map(|part| i8::try_from(part).unwrap_or(i8::MAX));
    Some(day.to_datetime(jiff::civil::Time::new(hour, minute, second, 0).ok()?))
}

/// Parts of dates and times are never negative.
fn as_u8(part: i8) -> u8 {
    u8::try_from(part).unwrap_or(0)
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let written = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<_> = written.split_ascii_whitespace().collect();
        let (second, rest) = match fields.as_slice() {
            [second, rest @ ..] if rest.len() == 5 => (Field::parse(second, &SECOND)?, rest),
            rest => (Field::only(0), rest),
        };
        let [minute, hour, day, month, weekday] = rest else {
            return Err(CronError::Fields { fields: fields.len() });
        };
        let cron = Self {
            text: text.trim().to_owned(),
            second,
            minute: Field::parse(minute, &MINUTE)?,
            hour: Field::parse(hour, &HOUR)?,
            day: Field::parse(day, &DAY)?,
            month: Field::parse(month, &MONTH)?,
            weekday: Field::parse(weekday, &WEEKDAY)?.with_one_sunday(),
        };
        if cron.is_ever_due() { Ok(cron) } else { Err(CronError::Never) }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
