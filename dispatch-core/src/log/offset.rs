use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The place of a record in the log of its topic: 0, 1, 2 … without gaps, and never given twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(u64);

impl Offset {
    /// The place of the first record.
    pub const ZERO: Self = Self(0);

    /// A place.
    #[must_use]
    pub const fn new(offset: u64) -> Self {
        Self(offset)
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The place so many further on.
    #[must_use]
    pub const fn plus(self, records: u64) -> Self {
        Self(self.0.saturating_add(records))
    }

    /// How many records lie between an earlier place and this one; 0 if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The places of so many records from here on.
    pub fn range(self, records: u64) -> impl Iterator<Item = Self> {
        let Range { start, end } = self.0..self.plus(records).0;
        (start..end).map(Self)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
