//! Patterns, or the ends of them, to be compared with a topic token by token.

use super::patterns::Patterns;
use super::scratch::Segments;
use super::token;
use crate::topic::Glob;

/// A flat store of records, written once.
///
/// A record is a head, a rank and its tokens:
///
/// | word | holds |
/// |---|---|
/// | 0 | number of tokens, the flags below, and the position of the probe |
/// | 1 | the rank; with [`SHARED`], where the ranks begin in `ranks`: their number, then the ranks, ascending |
/// | 2.. | the tokens |
///
/// The probe is the literal that the topic is least likely to have in its place: compared first, it rejects most
/// records with one branch that is nearly always taken.
///
/// Invariant: an offset handed out by [`Records::push`] is that of a complete record.
#[derive(Debug, Default)]
pub(super) struct Records {
    words: Vec<u32>,
    ranks: Vec<u32>,
}

/// The low bits of a head: the number of tokens.
const LENGTH: u32 = 0xFF;
/// There is a `**` among the tokens.
const HAS_REST: u32 = 1 << 8;
/// Several ranks share the pattern.
const SHARED: u32 = 1 << 9;
/// No further record follows in the bucket.
const LAST: u32 = 1 << 10;
/// The record has a probe; its position stands from [`PROBE_SHIFT`] on.
const HAS_PROBE: u32 = 1 << 11;
const PROBE_SHIFT: u32 = 16;

/// Records to be compared: one or, in a bucket, all up to the one that is marked as the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    offset: u32,
    /// The segment of the topic from which on the tokens must match.
    position: u32,
    /// The first head, once it is loaded.
    head: u32,
}

impl Candidate {
    #[inline]
    pub(super) const fn new(offset: u32, position: u32) -> Self {
        Self { offset, position, head: 0 }
    }

    #[cfg(test)]
    pub(super) const fn offset(&self) -> u32 {
        self.offset
    }
}

impl Records {
    /// Appends a record and returns its offset. The probe, if any, is the position of a literal with no `**`
    /// before it.
    pub(super) fn push(&mut self, tokens: &[u32], probe: Option<usize>, ranks: &[u32]) -> u32 {
        let offset = self.words.len() as u32;
        let rest = if tokens.contains(&token::REST) { HAS_REST } else { 0 };
        let probe = probe.map_or(0, |position| HAS_PROBE | (position as u32) << PROBE_SHIFT);
        let head = tokens.len() as u32 | rest | LAST | probe;
        if let [rank] = ranks {
            self.words.extend([head, *rank]);
        } else {
            self.words.extend([head | SHARED, self.ranks.len() as u32]);
            self.ranks.push(ranks.len() as u32);
            self.ranks.extend_from_slice(ranks);
        }
        self.words.extend_from_slice(tokens);
        offset
    }

    /// Appends the records of a bucket and returns the offset of the first. The literals that lead to the bucket
    /// are no probes.
    pub(super) fn push_bucket(
        &mut self,
        patterns: &Patterns,
        bucket: impl IntoIterator<Item = u32>,
        anchor: &[u32],
    ) -> u32 {
        let start = self.words.len();
        let mut last = None;
        for pattern in bucket {
            if let Some(last) = last {
                // In bounds: the offset of a record already pushed.
                let head: &mut u32 = &mut self.words[last as usize];
                *head &= !LAST;
            }
            let tokens = patterns.tokens(pattern);
            last = Some(self.push(tokens, patterns.probe(tokens, anchor), patterns.ranks(pattern)));
        }
        start as u32
    }

    /// Compares the candidates with the topic and collects the ranks of those that match.
    pub(super) fn find(
        &self,
        candidates: &mut [Candidate],
        topic: &Segments,
        globs: &[Glob],
        out: &mut Vec<u32>,
    ) {
        // First all loads from memory that depend on nothing, then the decisions that depend on them.
        for candidate in &mut *candidates {
            candidate.head = self.words[candidate.offset as usize];
        }
        for Candidate { offset, position, head } in candidates {
            let (mut offset, mut head) = (*offset as usize, *head);
            loop {
                self.compare(offset, head, *position as usize, topic, globs, out);
                if head & LAST != 0 {
                    break;
                }
                offset += 2 + (head & LENGTH) as usize;
                head = self.words[offset];
            }
        }
    }

    /// Compares one record with the segments from `position` on and collects its ranks if all of them match.
    #[inline(always)]
    fn compare(
        &self,
        offset: usize,
        head: u32,
        position: usize,
        topic: &Segments,
        globs: &[Glob],
        out: &mut Vec<u32>,
    ) {
        let tokens = &self.words[offset + 2..offset + 2 + (head & LENGTH) as usize];
        if head & HAS_PROBE != 0 {
            let probe = (head >> PROBE_SHIFT) as usize;
            if topic.ids.get(position + probe) != tokens.get(probe) {
                return;
            }
        }
        let matches = if head & HAS_REST == 0 {
            tokens.len() == topic.ids.len() - position && all(tokens, position, topic, globs)
        } else {
            matches_with_rest(tokens, position, topic, globs)
        };
        if matches {
            self.collect(head, self.words[offset + 1], out);
        }
    }

    fn collect(&self, head: u32, rank: u32, out: &mut Vec<u32>) {
        if head & SHARED == 0 {
            out.push(rank);
        } else {
            let start = rank as usize + 1;
            let count = self.ranks[rank as usize] as usize;
            out.extend_from_slice(&self.ranks[start..start + count]);
        }
    }

    pub(super) fn shrink(&mut self) {
        self.words.shrink_to_fit();
        self.ranks.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        (self.words.capacity() + self.ranks.capacity()) * size_of::<u32>()
    }
}

/// Whether tokens without `**` stand for the segments from `position` on, as many as there are tokens.
#[inline]
fn all(tokens: &[u32], position: usize, topic: &Segments, globs: &[Glob]) -> bool {
    tokens.iter().enumerate().all(|(index, token)| topic.accepts(*token, position + index, globs))
}

/// Whether tokens with a `**` stand for all segments from `position` on.
///
/// What stands before the first `**` and behind the last one is tied to the ends. Each piece between two `**` is
/// put at the first place where it fits; that leaves the most to the pieces behind it, so no other place need be
/// tried, and no token meets a segment twice.
fn matches_with_rest(tokens: &[u32], position: usize, topic: &Segments, globs: &[Glob]) -> bool {
    let mut pieces = tokens.split(|token| *token == token::REST);
    let (Some(head), Some(tail)) = (pieces.next(), pieces.next_back()) else { return false };
    let end = topic.ids.len();
    if head.len() + tail.len() > end - position
        || !all(head, position, topic, globs)
        || !all(tail, end - tail.len(), topic, globs)
    {
        return false;
    }
    let (mut from, until) = (position + head.len(), end - tail.len());
    for piece in pieces {
        let mut places = from..(until + 1).saturating_sub(piece.len());
        let Some(place) = places.find(|place| all(piece, *place, topic, globs)) else { return false };
        from = place + piece.len();
    }
    true
}
