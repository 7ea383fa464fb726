//! Segments as numbers.
//!
//! A pattern becomes a list of tokens, a topic a list of segment ids; a literal token *is* the id of its
//! segment, so that most comparisons are one comparison of numbers.

/// `*`: any one segment.
pub(super) const ANY: u32 = u32::MAX;
/// `**`: any number of segments.
pub(super) const REST: u32 = u32::MAX - 1;
/// The id of a segment that no pattern spells out. It equals no token.
pub(super) const UNKNOWN: u32 = u32::MAX - 2;
/// Set in the token of a glob; the other bits are its number.
const GLOB: u32 = 1 << 31;
/// Literals and globs have numbers below this one, so that the kinds of token do not overlap.
pub(super) const LIMIT: usize = (1 << 31) - 8;

/// The token of the glob with this number.
pub(super) const fn glob(number: u32) -> u32 {
    number | GLOB
}

/// The number of the glob, if the token is one.
pub(super) const fn glob_number(token: u32) -> Option<usize> {
    if token & GLOB != 0 && token < UNKNOWN { Some((token & !GLOB) as usize) } else { None }
}

/// Whether the token is a literal.
pub(super) const fn is_literal(token: u32) -> bool {
    token & GLOB == 0
}
