//! How fast work may go on: the generic cell rate algorithm.
//!
//! - In no window of length `w` do more than `burst + floor(w / interval)` pass, where `interval = per / events`.
//! - A refusal says when to come again; it costs nothing.
//! - A reservation passes later instead: the order in which they were made is the order in which they are due.
//! - The state is one word: the time at which the cell will be empty.

mod gcra;
mod keys;
#[cfg(test)]
mod tests;

pub use gcra::{RateCell, RateLimit};
pub use keys::KeyRates;
