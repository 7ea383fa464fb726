use super::super::{Topic, TopicError};

/// Why a text is not a [`TopicPattern`](super::TopicPattern).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The text is empty.
    #[error("a pattern must not be empty: use '**' to match every topic")]
    Empty,
    /// The text is longer than [`Topic::MAX_BYTES`].
    #[error("a pattern of {bytes} bytes is too long: use at most {}", Topic::MAX_BYTES)]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// There are more than [`Topic::MAX_SEGMENTS`] segments.
    #[error("a pattern of {segments} segments is too deep: use at most {}", Topic::MAX_SEGMENTS)]
    TooManySegments {
        /// Number of segments.
        segments: usize,
    },
    /// A segment is empty: two dots in a row, or one at an end.
    #[error("segment {segment} of the pattern is empty: remove the dot or write '*' for any one segment")]
    EmptySegment {
        /// Position of the segment, from 1.
        segment: usize,
    },
    /// White space or a control character.
    #[error(
        "character {character:?} in segment {segment} of the pattern is not allowed: \
         remove white space and control characters"
    )]
    ForbiddenCharacter {
        /// The character.
        character: char,
        /// Position of the segment, from 1.
        segment: usize,
    },
    /// Two `**` stand next to each other.
    #[error(
        "segment {segment} of the pattern repeats the '**' before it: one '**' is enough, remove the other"
    )]
    RepeatedRest {
        /// Position of the second `**`, from 1.
        segment: usize,
    },
    /// `**` shares its segment with other characters.
    #[error(
        "segment {segment} '{text}' of the pattern mixes '**' with other characters: \
         use '*' inside a segment, or make '**' a segment of its own"
    )]
    GluedRest {
        /// Position of the segment, from 1.
        segment: usize,
        /// The segment, cut after 40 characters.
        text: String,
    },
}

impl PatternError {
    /// Says of a pattern what [`Topic`] found wrong with its text.
    pub(super) fn from_topic(error: &TopicError, text: &str) -> Self {
        match *error {
            TopicError::Empty => Self::Empty,
            TopicError::TooLong { bytes } => Self::TooLong { bytes },
            TopicError::TooManySegments { segments } => Self::TooManySegments { segments },
            TopicError::EmptySegment { segment } => Self::EmptySegment { segment },
            TopicError::ForbiddenCharacter { character, byte } => {
                let before = text.as_bytes().iter().take(byte).filter(|byte| **byte == b'.').count();
                Self::ForbiddenCharacter { character, segment: before + 1 }
            }
        }
    }
}
