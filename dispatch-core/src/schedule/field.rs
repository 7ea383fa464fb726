//! One field of a cron expression: which of its values are due.

use super::CronError;

/// A set of small numbers, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    bits: u64,
    /// Whether the expression said `*`, with or without a step.
    pub(super) is_free: bool,
}

/// What a field is called, and what it may hold.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) least: u8,
    pub(super) most: u8,
    /// Words for the values, from the least on.
    pub(super) words: &'static [&'static str],
}

pub(super) const SECOND: Shape = Shape { name: "second", least: 0, most: 59, words: &[] };
pub(super) const MINUTE: Shape = Shape { name: "minute", least: 0, most: 59, words: &[] };
pub(super) const HOUR: Shape = Shape { name: "hour", least: 0, most: 23, words: &[] };
pub(super) const DAY: Shape = Shape { name: "day of month", least: 1, most: 31, words: &[] };
pub(super) const MONTH: Shape = Shape {
    name: "month",
    least: 1,
    most: 12,
    words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// Sunday is 0 and 7.
pub(super) const WEEKDAY: Shape = Shape {
    name: "day of week",
    least: 0,
    most: 7,
    words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

impl Field {
    /// The one value that a field without an entry has.
    pub(super) const fn only(value: u8) -> Self {
        Self { bits: 1 << value, is_free: false }
    }

    /// Reads a list of values, ranges and steps.
    pub(super) fn parse(text: &str, shape: &Shape) -> Result<Self, CronError> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= shape.part(part)?;
        }
        Ok(Self { bits, is_free: text.starts_with('*') && !text.contains(',') })
    }

    /// With Sunday as 0 alone.
    pub(super) const fn with_one_sunday(self) -> Self {
        let sunday = self.bits >> 7 & 1;
        Self { bits: self.bits & 0x7f | sunday, ..self }
    }

    pub(super) const fn has(self, value: u8) -> bool {
        value < 64 && self.bits >> value & 1 == 1
    }

    /// The least value that is due.
    pub(super) const fn first(self) -> u8 {
        #[expect(clippy::cast_possible_truncation, reason = "64 at most")]
        let zeros = self.bits.trailing_zeros() as u8;
        zeros
    }

    /// The least value that is due and at least `from`.
    pub(super) fn next(self, from: u8) -> Option<u8> {
        let rest = self.bits.checked_shr(u32::from(from)).unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, reason = "64 at most")]
        (rest != 0).then(|| from + rest.trailing_zeros() as u8)
    }

    pub(super) fn values(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |value| self.has(*value))
    }
}

impl Shape {
    /// One value, range, or either with a step.
    fn part(&self, part: &str) -> Result<u64, CronError> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step, part)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.last()),
            Some((from, to)) => (self.value(from, part)?, self.value(to, part)?),
            None if step.is_some() => {
                let why = format!("write {range}-{} for every so many from there on", self.most);
                return Err(self.refuse(part, &why));
            }
            None => {
                let value = self.value(range, part)?;
                (value, value)
            }
        };
        if from > to {
            return Err(self.refuse(part, "a range goes from a smaller value to a larger one"));
        }
        let due = (from..=to).step_by(usize::from(step.unwrap_or(1)));
        Ok(due.fold(0, |bits, value| bits | 1 << value))
    }

    /// The last value of `*`: a week has one Sunday.
    const fn last(&self) -> u8 {
        if self.words.len() == 7 { 6 } else { self.most }
    }

    fn value(&self, text: &str, part: &str) -> Result<u8, CronError> {
        if let Some(place) = self.words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
            return Ok(self.least + u8::try_from(place).unwrap_or(0));
        }
        number(text)
            .filter(|value| (self.least..=self.most).contains(value))
            .ok_or_else(|| self.refuse(part, &format!("use {} to {}", self.least, self.most)))
    }

    fn step(&self, text: &str, part: &str) -> Result<u8, CronError> {
        let step = number(text).filter(|step| *step > 0);
        step.ok_or_else(|| self.refuse(part, "a step is a number of at least 1"))
    }

    fn refuse(&self, part: &str, why: &str) -> CronError {
        CronError::Field { field: self.name, part: part.chars().take(40).collect(), why: why.to_owned() }
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
