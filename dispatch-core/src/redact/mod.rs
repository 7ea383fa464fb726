//! Keeps secrets out of error texts: what is stored, logged, returned or dead-lettered goes through a
//! [`Sanitizer`] first.
//!
//! - A text is searched whole, in lower case, before anything is cut off; one hit anywhere hides all of it.
//! - Patterns are plain substrings, also inside a word: `author` is hidden because of `auth`. That hides too
//!   much rather than too little.
//! - A URL with user information (`scheme://user@host`, with or without a password) is sensitive whatever its
//!   scheme.
//! - The time is linear in the length of the text, whatever the patterns.

mod patterns;
mod sanitizer;
#[cfg(test)]
mod tests;
mod userinfo;

pub use patterns::BUILT_IN;
pub use sanitizer::{Sanitizer, SensitivePatternError};

/// What stands in place of a sensitive text.
pub const REDACTED: &str = "[REDACTED - potentially sensitive data]";

/// How many characters (not bytes) of a text are kept.
pub const MAX_CHARS: usize = 500;

/// What follows a text that was cut off.
pub const TRUNCATED: &str = "... [truncated]";
