use std::ops::Range;

use super::dictionary::{Dictionary, Entry};
use super::edges::Edge;
use super::key::{Key, PADDING};
use super::records::Candidate;
use super::token;
use super::trie::Loaded;
use crate::topic::{Glob, Topic};

/// The working memory of [`Matcher::find`](super::Matcher::find), kept so that a call does not allocate.
///
/// One per thread is enough; it may be used with any number of matchers in turn.
///
/// ```
/// use dispatch_core::matcher::{Matcher, Scratch};
/// use dispatch_core::{Topic, TopicPattern};
///
/// let matcher: Matcher = [(TopicPattern::new("shop.**")?, 1)].into_iter().collect();
/// let (mut scratch, mut ranks) = (Scratch::new(), Vec::new());
/// for topic in ["shop.order", "bank.order"] {
///     matcher.find(&Topic::new(topic)?, &mut scratch, &mut ranks);
///     println!("{topic}: {ranks:?}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) topic: Segments,
    pub(super) walk: Walk,
    pub(super) slots: Vec<Edge>,
    pub(super) candidates: Vec<Candidate>,
}

impl Scratch {
    /// Working memory that grows to what its first topics need.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A topic, cut into segments that are looked up.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// The folded text and the padding behind it.
    padded: Vec<u8>,
    /// The segment ids, [`token::UNKNOWN`] for what no pattern spells out.
    pub(super) ids: Vec<u32>,
    /// Where each segment begins and ends in `padded`; as long as `ids`.
    spans: Vec<(u16, u16)>,
}

impl Segments {
    /// Cuts a topic, looks its segments up and collects their buckets, each once.
    #[inline]
    pub(super) fn read(&mut self, topic: &Topic, dictionary: &Dictionary, buckets: &mut Vec<Candidate>) {
        let text = topic.as_str().as_bytes();
        self.padded.clear();
        self.padded.extend_from_slice(text);
        self.padded.make_ascii_lowercase();
        self.padded.extend_from_slice(&PADDING);
        self.ids.clear();
        self.spans.clear();
        let mut start = 0;
        while start < text.len() {
            let (key, end) = Key::read(&self.padded, start);
            let segment = self.padded.get(start..end).unwrap_or_default();
            let mut id = token::UNKNOWN;
            if let Some(entry) = dictionary.get(key, segment) {
                id = entry.id;
                if entry.bucket != Entry::NO_BUCKET && !self.ids.contains(&id) {
                    buckets.push(Candidate::new(entry.bucket, 0));
                }
            }
            self.ids.push(id);
            // No loss: a topic has at most 1,024 bytes.
            self.spans.push((start as u16, end as u16));
            start = end + 1;
        }
    }

    /// Whether a token stands for the segment at a position; `**` never does.
    #[inline]
    pub(super) fn accepts(&self, token: u32, at: usize, globs: &[Glob]) -> bool {
        // In bounds: callers stay below the number of segments.
        token == self.ids[at]
            || token == token::ANY
            || token::glob_number(token).is_some_and(|glob| globs[glob].matches_folded(self.text(at)))
    }

    /// The folded text of a segment.
    #[inline]
    pub(super) fn text(&self, at: usize) -> &[u8] {
        let (start, end) = self.spans[at];
        &self.padded[usize::from(start)..usize::from(end)]
    }
}

/// What a walk through the trie keeps.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Nodes to visit, each with a position.
    pub(super) pending: Vec<(u32, u32)>,
    /// Those of them whose turn it is.
    pub(super) batch: Vec<Loaded>,
    pub(super) arms: Arms,
}

/// From where on each `**` is armed in the present walk.
#[derive(Debug, Default)]
pub(super) struct Arms {
    /// For each arm the walk that used it last and its first position there.
    first: Vec<(u32, u32)>,
    walk: u32,
}

impl Arms {
    /// Begins a walk through a trie with that many arms: none of them is armed.
    pub(super) fn begin(&mut self, arms: usize) {
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 {
            // The numbers of walks begin anew; forget what is marked with the old ones.
            self.first.clear();
            self.walk = 1;
        }
        if self.first.len() < arms {
            self.first.resize(arms, (0, 0));
        }
    }

    /// Arms at all positions of the range and returns those that are new.
    pub(super) fn arm(&mut self, arm: u32, all: Range<u32>) -> Range<u32> {
        // In bounds: `begin` made room for every arm of this trie.
        let (walk, first) = &mut self.first[arm as usize];
        let end = if *walk == self.walk { *first } else { all.end };
        if all.start < end {
            (*walk, *first) = (self.walk, all.start);
        }
        all.start..end.max(all.start)
    }
}
