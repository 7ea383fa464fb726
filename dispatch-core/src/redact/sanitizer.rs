use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;

use super::patterns::{BUILT_IN, fold};
use super::userinfo::UserInfo;
use super::{MAX_CHARS, REDACTED, TRUNCATED};

/// Hides error texts that look sensitive and shortens the rest.
///
/// Built once; a clone is one reference count, and so is [`Sanitizer::new`] after the first.
///
/// ```
/// use dispatch_core::redact::Sanitizer;
///
/// let sanitizer = Sanitizer::new();
/// assert_eq!(sanitizer.sanitize("IoError", "disk is full"), "IoError: disk is full");
/// assert_eq!(
///     sanitizer.sanitize("IoError", "cannot open https://joe@example.org/x"),
///     "IoError: [REDACTED - potentially sensitive data]",
/// );
/// ```
#[derive(Clone)]
pub struct Sanitizer {
    automaton: Arc<DFA>,
    start: StateID,
}

/// The table of the built-in patterns, the same for everybody.
static BUILT_IN_ONLY: LazyLock<Sanitizer> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the patterns are constant and a test builds them")]
    Sanitizer::build(BUILT_IN).expect("a few hundred states fit into any automaton")
});

impl Sanitizer {
    /// A sanitizer with the [built-in patterns](BUILT_IN).
    #[must_use]
    pub fn new() -> Self {
        BUILT_IN_ONLY.clone()
    }

    /// A sanitizer with patterns of the user beside the built-in ones.
    ///
    /// A pattern is a plain substring; case has no meaning. It may itself be a secret: it is never printed.
    ///
    /// # Errors
    /// [`SensitivePatternError`] if a pattern is blank, or if they are too many.
    ///
    /// ```
    /// use dispatch_core::redact::Sanitizer;
    ///
    /// let sanitizer = Sanitizer::with_patterns(["tenant-"])?;
    /// assert!(sanitizer.is_sensitive("no such Tenant-7"));
    /// assert!(sanitizer.is_sensitive("wrong password"));
    /// # Ok::<(), dispatch_core::redact::SensitivePatternError>(())
    /// ```
    pub fn with_patterns<P: AsRef<str>>(
        patterns: impl IntoIterator<Item = P>,
    ) -> Result<Self, SensitivePatternError> {
        let mut all: Vec<String> = BUILT_IN.iter().map(|pattern| (*pattern).to_owned()).collect();
        for (index, pattern) in patterns.into_iter().enumerate() {
            let pattern = pattern.as_ref();
            if pattern.trim().is_empty() {
                return Err(SensitivePatternError::Blank { position: index + 1 });
            }
            all.push(pattern.chars().flat_map(fold).collect());
        }
        Self::build(&all)
    }

    fn build<P: AsRef<[u8]>>(patterns: &[P]) -> Result<Self, SensitivePatternError> {
        let automaton = DFA::new(patterns).map_err(|_| SensitivePatternError::TooMany)?;
        #[expect(clippy::expect_used, reason = "the unanchored start is what is built by default")]
        let start = automaton.start_state(Anchored::No).expect("an automaton has an unanchored start");
        Ok(Self { automaton: Arc::new(automaton), start })
    }

    /// `<error_type>: <text>`, where the text is what [`sanitize_text`](Self::sanitize_text) makes of the
    /// message.
    ///
    /// Only the message is searched: an error may well be called `AuthError`.
    #[must_use]
    pub fn sanitize(&self, error_type: &str, message: &str) -> String {
        let (text, end) = self.visible(message);
        [error_type, ": ", text, end].concat()
    }

    /// The text itself, its first [`MAX_CHARS`] characters and [`TRUNCATED`] if it is longer, or [`REDACTED`]
    /// if it is sensitive.
    #[must_use]
    pub fn sanitize_text(&self, text: &str) -> String {
        let (text, end) = self.visible(text);
        [text, end].concat()
    }

    /// Whether a pattern, or a URL with user information, is anywhere in the text.
    #[must_use]
    pub fn is_sensitive(&self, text: &str) -> bool {
        self.scan(text, |_, _| {})
    }

    /// What may be seen of a text, and what follows it.
    fn visible<'a>(&self, text: &'a str) -> (&'a str, &'static str) {
        let mut shown = text;
        let sensitive = self.scan(text, |position, byte| {
            if position == MAX_CHARS {
                // The byte is where a character of the text begins.
                shown = text.get(..byte).unwrap_or_default();
            }
        });
        match sensitive {
            true => (REDACTED, ""),
            false if shown.len() < text.len() => (shown, TRUNCATED),
            false => (shown, ""),
        }
    }

    /// Reads the text up to the first hit; `visit` is told the number and the first byte of each character.
    fn scan(&self, text: &str, mut visit: impl FnMut(usize, usize)) -> bool {
        let mut state = self.start;
        let mut userinfo = UserInfo::default();
        let hit = text.char_indices().enumerate().try_for_each(|(position, (byte, character))| {
            visit(position, byte);
            if userinfo.step(character) {
                return ControlFlow::Break(());
            }
            if character.is_ascii() {
                return self.step(&mut state, character.to_ascii_lowercase() as u8);
            }
            let mut buffer = [0; 4];
            fold(character).try_for_each(|lower| {
                lower.encode_utf8(&mut buffer).bytes().try_for_each(|byte| self.step(&mut state, byte))
            })
        });
        hit.is_break()
    }

    /// Feeds one byte to the automaton; breaks at the end of a pattern.
    fn step(&self, state: &mut StateID, byte: u8) -> ControlFlow<()> {
        *state = self.automaton.next_state(Anchored::No, *state, byte);
        if self.automaton.is_special(*state) && self.automaton.is_match(*state) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Default for Sanitizer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sanitizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sanitizer").field("patterns", &self.automaton.patterns_len()).finish_non_exhaustive()
    }
}

/// Why a list of patterns was refused; it never shows a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SensitivePatternError {
    /// A pattern is empty or white space, and would hide every text.
    #[error("sensitive pattern {position} is blank: remove it or write what shall be hidden")]
    Blank {
        /// Position in the list, from 1.
        position: usize,
    },
    /// The patterns together are too long.
    #[error("the sensitive patterns are too many: give fewer or shorter ones")]
    TooMany,
}
