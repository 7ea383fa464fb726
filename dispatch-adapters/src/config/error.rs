use std::fmt;

use dispatch_core::Problem;

/// A configuration of targets was refused.
///
/// No part of it shows a value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// The text is not what it should be.
    Syntax {
        /// `TOML` or `JSON`.
        format: &'static str,
        /// Where, from 1.
        line: usize,
    },
    /// Everything that is wrong with the targets, sorted.
    Problems(Vec<Problem>),
}

impl TargetError {
    /// Sorts the problems; `Ok` if there are none.
    pub(super) fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self::Problems(problems)) }
    }

    /// Everything that is wrong with the targets; nothing if the text could not be read at all.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Problems(problems) => problems,
            Self::Syntax { .. } => &[],
        }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { format, line } => {
                write!(f, "configuration refused: line {line} is not valid {format}")
            }
            Self::Problems(problems) => {
                let s = if problems.len() == 1 { "" } else { "s" };
                write!(f, "configuration refused, {} problem{s}", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for TargetError {}
