use wildmatch::WildMatch;

/// A segment with `*` or `?` among its characters, compiled.
///
/// Both sides are folded in ASCII before they are compared: `wildmatch` itself would fold all of Unicode.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    /// The folded text.
    text: Box<str>,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    /// `prefix*suffix`, where one of them or both may be empty: two comparisons of bytes, a third or less of what
    /// `wildmatch` takes. `star` is where the only wildcard stands.
    Affix { star: usize },
    /// Everything else.
    Wild { first_wildcard: usize, last_wildcard: usize, pattern: WildMatch },
}

impl Glob {
    /// Compiles a segment. Any text is a valid glob, one without wildcards matches itself.
    pub(crate) fn new(segment: &str) -> Self {
        let text = segment.to_ascii_lowercase().into_boxed_str();
        let mut wildcards = text.match_indices(['*', '?']);
        let shape = match (wildcards.next(), wildcards.next_back()) {
            (Some((star, "*")), None) => Shape::Affix { star },
            (first, last) => {
                let first_wildcard = first.map_or(text.len(), |(at, _)| at);
                let last_wildcard = last.map_or(first_wildcard, |(at, _)| at);
                Shape::Wild { first_wildcard, last_wildcard, pattern: WildMatch::new(&text) }
            }
        };
        Self { text, shape }
    }

    /// The folded text, which tells globs apart.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The characters that every match begins with, folded.
    pub(crate) fn prefix(&self) -> &[u8] {
        let (Shape::Affix { star: end } | Shape::Wild { first_wildcard: end, .. }) = self.shape;
        self.text.as_bytes().get(..end).unwrap_or_default()
    }

    /// The characters that every match ends with, folded.
    pub(crate) fn suffix(&self) -> &[u8] {
        let (Shape::Affix { star: at } | Shape::Wild { last_wildcard: at, .. }) = self.shape;
        self.text.as_bytes().get(at + 1..).unwrap_or_default()
    }

    /// Whether the glob matches a whole segment that is folded already.
    pub(crate) fn matches_folded(&self, segment: &[u8]) -> bool {
        match &self.shape {
            Shape::Affix { .. } => {
                // The star itself is one byte of the text.
                segment.len() + 1 >= self.text.len()
                    && segment.starts_with(self.prefix())
                    && segment.ends_with(self.suffix())
            }
            Shape::Wild { pattern, .. } => {
                std::str::from_utf8(segment).is_ok_and(|segment| pattern.matches(segment))
            }
        }
    }

    /// Whether the glob matches a whole segment of any case.
    pub(crate) fn matches(&self, segment: &str) -> bool {
        if segment.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.matches_folded(segment.to_ascii_lowercase().as_bytes())
        } else {
            self.matches_folded(segment.as_bytes())
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let pattern = match &self.shape {
            Shape::Affix { .. } => 0,
            Shape::Wild { pattern, .. } => size_of_val(pattern.pattern_chars()),
        };
        self.text.len() + pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_and_suffix_may_not_share_characters() {
        let glob = Glob::new("ab*ba");
        assert!(glob.matches("abba"));
        assert!(glob.matches("ab-ba"));
        assert!(!glob.matches("aba"));
    }

    #[test]
    fn a_star_may_stand_for_nothing() {
        assert!(Glob::new("user-*").matches("user-"));
        assert!(Glob::new("*-v1").matches("-v1"));
        assert!(!Glob::new("*-v1").matches("v1"));
    }

    #[test]
    fn a_question_mark_is_one_scalar_not_one_byte() {
        assert!(Glob::new("?").matches("é"));
        assert!(Glob::new("caf?").matches("CAFÉ"));
        assert!(!Glob::new("??").matches("é"));
    }

    #[test]
    fn only_ascii_letters_fold() {
        assert!(Glob::new("K*").matches("kilo"));
        assert!(!Glob::new("k*").matches("\u{212a}ilo"));
        assert!(!Glob::new("k?*").matches("\u{212a}ilo"));
        assert!(!Glob::new("*É?").matches("éa"));
    }

    #[test]
    fn prefix_and_suffix_end_at_the_wildcards() {
        for (text, prefix, suffix) in
            [("Ab*C", "ab", "c"), ("ab?c*", "ab", ""), ("*ab", "", "ab"), ("?é", "", "é"), ("*b?c", "", "c")]
        {
            let glob = Glob::new(text);
            assert_eq!((glob.prefix(), glob.suffix()), (prefix.as_bytes(), suffix.as_bytes()), "{text}");
        }
    }
}
