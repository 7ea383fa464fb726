use dispatch_core::Problem;
use serde::{Deserialize, Serialize};

use crate::config::Fields;

/// The options of a [`ConsoleAdapter`](super::ConsoleAdapter).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleOptions {
    /// Where to write; standard output.
    pub stream: ConsoleStream,
    /// What to write; JSON.
    pub format: ConsoleFormat,
    /// Whether compact and pretty text has colours; on a terminal, unless `NO_COLOR` is set.
    pub colours: Colours,
}

/// A standard stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleStream {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

/// How an envelope is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleFormat {
    /// One line of JSON, which reads back as an envelope.
    #[default]
    Json,
    /// One line of time, topic, type, id and payload.
    Compact,
    /// A heading, and the envelope as indented JSON.
    Pretty,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colours {
    /// On a terminal, unless `NO_COLOR` is set to anything.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colours {
    pub(super) const fn wanted(self, terminal: bool, no_color: bool) -> bool {
        match self {
            Self::Auto => terminal && !no_color,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl ConsoleOptions {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Reads it from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            stream: fields.choice("stream", &["stdout", "stderr"]),
            format: fields.choice("format", &["json", "compact", "pretty"]),
            colours: fields.choice("colours", &["auto", "always", "never"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        assert!(Colours::Auto.wanted(true, false));
        assert!(!Colours::Auto.wanted(true, true));
        assert!(!Colours::Auto.wanted(false, false));
        assert!(Colours::Always.wanted(false, true));
        assert!(!Colours::Never.wanted(true, false));
    }
}
