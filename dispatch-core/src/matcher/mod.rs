//! One topic against many patterns.
//!
//! A [`Matcher`] is built once from patterns with ranks and never changes; [`Matcher::find`] returns the ranks of
//! all patterns that match a topic, in ascending order. A [`TopicCache`] in front of it, one per worker, remembers
//! what was found for the topics that come often.
//!
//! # How it works
//! Every literal segment of every pattern has a number, so that a pattern is a short list of numbers; a topic is
//! cut and its segments are looked up once. A pattern then lives in exactly one of three places:
//!
//! - in the **bucket of its rarest literal** segment, if no more than [`MatcherBuilder::ANCHOR_LIMIT`] patterns
//!   share it. A topic opens the buckets of its own segments and compares the few patterns in there: with a
//!   million routes most of them are never looked at.
//! - in the **bucket of its rarest pair** of literals that are at most three segments apart, if that is rare. A
//!   topic looks three pairs up for each segment.
//! - in a **trie** otherwise. Its worst case is segments of the topic times live nodes, whatever the patterns
//!   are: nothing backtracks.
//!
//! # Invariants
//! - The order of the result depends on the ranks alone: no hash order reaches it.
//! - `find` does not allocate once its [`Scratch`] and its output have grown to what the topics need.
//! - A lookup hashes without a key: only patterns, which are configuration, ever enter a table that grows. The
//!   cache, which topics enter, is bounded in size and in probes.

mod anchors;
mod build;
mod cache;
mod dictionary;
mod edges;
mod glob_steps;
mod key;
mod pairs;
mod patterns;
mod planting;
mod records;
mod scratch;
mod token;
mod trie;

use std::fmt;

use self::dictionary::Dictionary;
use self::pairs::Pairs;
use self::records::Records;
use self::trie::Trie;
use crate::topic::{Glob, Topic, TopicPattern};

pub use self::build::MatcherBuilder;
pub use self::cache::{CacheStats, TopicCache};
pub use self::scratch::Scratch;

/// Many patterns, each with ranks, ready to be matched against a topic at once.
///
/// It is immutable and may be shared by any number of threads; each brings its own [`Scratch`].
///
/// ```
/// use dispatch_core::matcher::{MatcherBuilder, Scratch};
/// use dispatch_core::{Topic, TopicPattern};
///
/// let mut builder = MatcherBuilder::new();
/// builder.insert(&TopicPattern::new("shop.*.events.**")?, 0);
/// builder.insert(&TopicPattern::new("bank.**")?, 1);
/// builder.insert(&TopicPattern::new("shop.order.events.v?")?, 2);
/// let matcher = builder.build();
///
/// let (mut scratch, mut ranks) = (Scratch::new(), Vec::new());
/// matcher.find(&Topic::new("shop.order.events.v1")?, &mut scratch, &mut ranks);
/// assert_eq!(ranks, [0, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Matcher {
    dictionary: Dictionary,
    pairs: Pairs,
    records: Records,
    trie: Trie,
    globs: Box<[Glob]>,
    len: usize,
    patterns: usize,
    anchored: usize,
}

impl Matcher {
    /// Replaces the contents of `out` by the ranks of all patterns that match the topic, ascending, each once.
    pub fn find(&self, topic: &Topic, scratch: &mut Scratch, out: &mut Vec<u32>) {
        out.clear();
        let Scratch { topic: segments, walk, slots, candidates } = scratch;
        candidates.clear();
        segments.read(topic, &self.dictionary, candidates);
        self.pairs.find(&segments.ids, slots, candidates);
        self.trie.find(segments, &self.globs, walk, candidates);
        self.records.find(candidates, segments, &self.globs, out);
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }

    /// The number of pairs of a pattern and a rank that were inserted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was inserted, so that no topic matches.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap: the capacity of every table, without the allocator's own overhead.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.dictionary.heap_bytes()
            + self.pairs.heap_bytes()
            + self.records.heap_bytes()
            + self.trie.heap_bytes()
            + size_of_val(&*self.globs)
            + self.globs.iter().map(Glob::heap_bytes).sum::<usize>()
    }
}

impl Default for Matcher {
    fn default() -> Self {
        MatcherBuilder::new().build()
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("len", &self.len)
            .field("patterns", &self.patterns)
            .field("anchored", &self.anchored)
            .field("trie_nodes", &self.trie.nodes.len())
            .finish_non_exhaustive()
    }
}

impl FromIterator<(TopicPattern, u32)> for Matcher {
    fn from_iter<I: IntoIterator<Item = (TopicPattern, u32)>>(patterns: I) -> Self {
        let mut builder = MatcherBuilder::new();
        for (pattern, rank) in patterns {
            builder.insert(&pattern, rank);
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests;
