use std::fmt;

use hashbrown::HashMap;

use super::dictionary::{Dictionary, Entry};
use super::key::{Key, PADDING};
use super::pairs::{Pair, Pairs};
use super::patterns::{Inserted, Patterns};
use super::planting::plant;
use super::records::Records;
use super::{Matcher, anchors, pairs, token};
use crate::topic::{Glob, Part, TopicPattern};

/// Collects patterns with ranks and builds a [`Matcher`].
///
/// A rank stands for a route and says where it comes in the result. Several ranks may share a pattern, which is
/// then stored once.
///
/// ```
/// use dispatch_core::TopicPattern;
/// use dispatch_core::matcher::MatcherBuilder;
///
/// let mut builder = MatcherBuilder::new();
/// builder.insert(&TopicPattern::new("shop.**")?, 0);
/// builder.insert(&TopicPattern::new("SHOP.**")?, 1);
/// assert_eq!(builder.build().len(), 2);
/// # Ok::<(), dispatch_core::PatternError>(())
/// ```
pub struct MatcherBuilder {
    dictionary: Dictionary,
    globs: Vec<Glob>,
    glob_numbers: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
    /// The tokens of all patterns, one behind the other.
    tokens: Vec<u32>,
    inserted: Vec<Inserted>,
    anchor_limit: usize,
    /// The segment at hand, folded and padded.
    folded: Vec<u8>,
}

impl MatcherBuilder {
    /// How many patterns may share an anchor if nothing else is said.
    pub const ANCHOR_LIMIT: usize = 64;
    /// The most words that patterns may need; offsets have one bit less than a word.
    const MAX_WORDS: usize = token::LIMIT;

    /// A builder without patterns.
    #[must_use]
    pub fn new() -> Self {
        Self {
            dictionary: Dictionary::new(),
            globs: Vec::new(),
            glob_numbers: HashMap::default(),
            tokens: Vec::new(),
            inserted: Vec::new(),
            anchor_limit: Self::ANCHOR_LIMIT,
            folded: Vec::new(),
        }
    }

    /// How many patterns may share the literal segment, or the pair of them, that they are looked up by. With 0
    /// every pattern goes into the trie.
    #[must_use]
    pub const fn anchor_limit(mut self, limit: usize) -> Self {
        self.anchor_limit = limit;
        self
    }

    /// Adds a pattern. The same pattern with the same rank counts twice in [`Matcher::len`], and once in results.
    ///
    /// # Panics
    /// If the patterns so far have more than 2³¹ segments, which is some hundred million patterns.
    pub fn insert(&mut self, pattern: &TopicPattern, rank: u32) {
        let start = self.tokens.len();
        for part in pattern.parts() {
            let token = match part {
                Part::Any => token::ANY,
                Part::Rest => token::REST,
                Part::Literal(text) => self.literal(text),
                Part::Glob(glob) => self.glob(glob),
            };
            self.tokens.push(token);
        }
        let words = self.tokens.len() + 2 * (self.inserted.len() + 1);
        assert!(words < Self::MAX_WORDS, "the patterns of one matcher have more than 2^31 segments");
        // No loss here and in what is built from it: all numbers and offsets are below MAX_WORDS.
        self.inserted.push(Inserted { tokens: (start as u32, self.tokens.len() as u32), rank });
    }

    /// Builds the matcher.
    #[must_use]
    pub fn build(mut self) -> Matcher {
        let patterns = Patterns::new(self.tokens, &self.inserted, self.dictionary.len());
        let mut records = Records::default();

        let anchors = anchors::choose(&patterns, self.anchor_limit);
        let (mut anchored, others) = split(0..patterns.len() as u32, &anchors);
        fill_buckets(&mut self.dictionary, &mut records, &patterns, &mut anchored);

        let pairs = pairs::choose(&patterns, &others, self.anchor_limit);
        let (mut paired, planted) = split(others, &pairs);
        paired.sort_unstable();
        let buckets: Vec<(Pair, u32)> = paired
            .chunk_by(|(a, _), (b, _)| a == b)
            .filter_map(|bucket| {
                let (pair, _) = bucket.first()?;
                let members = bucket.iter().map(|(_, pattern)| *pattern);
                Some((*pair, records.push_bucket(&patterns, members, &[pair.first, pair.second])))
            })
            .collect();

        let trie = plant(&patterns, &planted, &self.globs, &mut records);
        records.shrink();
        self.dictionary.shrink();
        Matcher {
            dictionary: self.dictionary,
            pairs: Pairs::new(&buckets),
            records,
            trie,
            globs: self.globs.into_boxed_slice(),
            len: self.inserted.len(),
            patterns: patterns.len(),
            anchored: anchored.len() + paired.len(),
        }
    }

    fn literal(&mut self, text: &str) -> u32 {
        self.folded.clear();
        self.folded.extend_from_slice(text.as_bytes());
        self.folded.make_ascii_lowercase();
        self.folded.extend_from_slice(&PADDING);
        let (key, end) = Key::read(&self.folded, 0);
        self.dictionary.insert(key, self.folded.get(..end).unwrap_or_default())
    }

    fn glob(&mut self, glob: &Glob) -> u32 {
        let number = *self.glob_numbers.entry_ref(glob.as_str()).or_insert_with(|| {
            self.globs.push(glob.clone());
            self.globs.len() as u32 - 1
        });
        token::glob(number)
    }
}

/// Parts the patterns that have an anchor, each behind it, from those that have none.
fn split<A: Copy>(
    patterns: impl IntoIterator<Item = u32>,
    anchors: &[Option<A>],
) -> (Vec<(A, u32)>, Vec<u32>) {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (pattern, anchor) in patterns.into_iter().zip(anchors) {
        match anchor {
            Some(anchor) => with.push((*anchor, pattern)),
            None => without.push(pattern),
        }
    }
    (with, without)
}

/// Writes the records of the patterns that are anchored at a literal, bucket by bucket.
fn fill_buckets(
    dictionary: &mut Dictionary,
    records: &mut Records,
    patterns: &Patterns,
    anchored: &mut [(u32, u32)],
) {
    anchored.sort_unstable();
    let mut buckets = vec![Entry::NO_BUCKET; dictionary.len()];
    for bucket in anchored.chunk_by(|(a, _), (b, _)| a == b) {
        if let Some((literal, _)) = bucket.first() {
            let members = bucket.iter().map(|(_, pattern)| *pattern);
            buckets[*literal as usize] = records.push_bucket(patterns, members, &[*literal]);
        }
    }
    for entry in dictionary.entries_mut() {
        entry.bucket = buckets[entry.id as usize];
    }
}

impl Default for MatcherBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MatcherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatcherBuilder")
            .field("inserted", &self.inserted.len())
            .field("anchor_limit", &self.anchor_limit)
            .finish_non_exhaustive()
    }
}
