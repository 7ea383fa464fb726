//! The `time` of an event: its text as it was given, and the instant that it means.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::DateTime;

use super::CloudEventError;
use super::error::shorten;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventTime {
    text: String,
    instant: SystemTime,
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

impl EventTime {
    /// Reads RFC 3339. Digits after the ninth are kept in the text and have no meaning; a leap second means the
    /// second before.
    pub(super) fn parse(text: String) -> Result<Self, CloudEventError> {
        match instant(&text) {
            Some(instant) => Ok(Self { text, instant }),
            None => Err(CloudEventError::Time { text: shorten(&text) }),
        }
    }

    /// A time in UTC with as many fraction digits as needed; `None` outside the years 0000 to 9999.
    pub(super) fn of(instant: SystemTime) -> Option<Self> {
        let since_epoch = match instant.duration_since(UNIX_EPOCH) {
            Ok(after) => SignedDuration::try_from(after).ok()?,
            Err(before) => {
                SignedDuration::ZERO.checked_sub(SignedDuration::try_from(before.duration()).ok()?)?
            }
        };
        let time = EPOCH.checked_add(since_epoch).ok()?;
        (time.year() >= 0).then(|| Self { text: format!("{time}Z"), instant })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn instant(&self) -> SystemTime {
        self.instant
    }
}

fn instant(text: &str) -> Option<SystemTime> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let fields: [u8; 19] = date_time.as_bytes().try_into().ok()?;
    let shape = fields.iter().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'T' => byte.eq_ignore_ascii_case(&b'T'),
        other => byte == other,
    });
    if !shape {
        return None;
    }
    let (year, month, day) = (date_time.get(..4)?, date_time.get(5..7)?, date_time.get(8..10)?);
    let (hour, minute, second) = (date_time.get(11..13)?, date_time.get(14..16)?, date_time.get(17..19)?);
    let second: i8 = second.parse().ok()?;
    if second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(rest)?;
    let local = DateTime::new(
        year.parse().ok()?,
        month.parse().ok()?,
        day.parse().ok()?,
        hour.parse().ok()?,
        minute.parse().ok()?,
        second.min(59),
        nanos,
    );
    let since_epoch = local.ok()?.duration_since(EPOCH).checked_sub(offset(zone)?)?;
    if since_epoch.is_negative() {
        UNIX_EPOCH.checked_sub(since_epoch.unsigned_abs())
    } else {
        UNIX_EPOCH.checked_add(since_epoch.unsigned_abs())
    }
}

/// Nanoseconds of a fraction, if there is one, and what follows it.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let zone = digits.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let digits = digits.strip_suffix(zone)?;
    if digits.is_empty() {
        return None;
    }
    let nanos = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some((nanos.fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0')), zone))
}

fn offset(zone: &str) -> Option<SignedDuration> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(SignedDuration::ZERO);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let two = |text: &str, most: i64| {
        let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number <= most)
    };
    Some(SignedDuration::from_secs(sign * (two(hours, 23)? * 3600 + two(minutes, 59)? * 60)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(text: &str) -> Option<SystemTime> {
        EventTime::parse(text.to_owned()).ok().map(|time| time.instant())
    }

    #[test]
    fn an_offset_means_the_same_instant() {
        let instant = UNIX_EPOCH + Duration::new(1_000_000_000, 120_000_000);
        for text in ["2001-09-09T01:46:40.12Z", "2001-09-09t01:46:40.120z", "2001-09-09T03:16:40.12+01:30"] {
            assert_eq!(parsed(text), Some(instant), "{text}");
        }
        assert_eq!(EventTime::of(instant).unwrap().text(), "2001-09-09T01:46:40.12Z");
    }

    #[test]
    fn the_first_and_the_last_instant_round_trip() {
        for text in
            ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"]
        {
            assert_eq!(EventTime::of(parsed(text).unwrap()).unwrap().text(), text);
        }
        for text in ["0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
            assert_eq!(EventTime::of(parsed(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_and_long_fractions_are_read() {
        assert_eq!(parsed("2016-12-31T23:59:60Z"), parsed("2016-12-31T23:59:59Z"));
        assert_eq!(parsed("2016-12-31T00:00:00.1234567899Z"), parsed("2016-12-31T00:00:00.123456789Z"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "now",
            "2016-12-31",
            "2016-12-31 00:00:00Z",
            "2016-12-31T00:00:00",
            "2016-13-01T00:00:00Z",
            "2015-02-29T00:00:00Z",
            "2016-12-31T24:00:00Z",
            "2016-12-31T00:00:61Z",
            "2016-12-31T00:00:00.Z",
            "2016-12-31T00:00:00+1:00",
            "2016-12-31T00:00:00+24:00",
            "2016-12-31T00:00:00+-1:00",
            "2016-12-31T00:00:0\u{e9}Z",
            "+2016-12-31T00:00:00Z",
            "2016-12-31T00:00:00Zz",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
