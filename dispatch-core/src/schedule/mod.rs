//! When something is due again: cron expressions in time zones.
//!
//! A [`Cron`] is a plain value that is asked for the next time after another. It has no clock, so what it says can be tested
//! and replayed.
//!
//! # Changes of clocks
//! - A local time that a zone skips is due at the first instant after the gap.
//! - A local time that occurs twice is due once, the first time.

mod cron;
mod field;
mod zone;

pub use cron::{Cron, CronError};
pub use zone::{Zone, ZoneError};

#[cfg(test)]
mod tests;
