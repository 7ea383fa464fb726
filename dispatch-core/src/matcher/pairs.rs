//! Patterns that are looked up by two of their literals.

use super::edges::{Edge, Edges};
use super::patterns::Patterns;
use super::records::Candidate;
use super::token;
use super::trie::{Step, Target};

/// Two literals of a pattern with a fixed distance between them: no `**` in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    /// How many segments the second one stands behind the first, less one.
    gap: u32,
    pub(super) first: u32,
    pub(super) second: u32,
}

/// The most segments between two literals, and one more: a topic is looked up by so many pairs for each of its
/// segments.
const GAPS: usize = 3;

/// The pairs of a pattern.
pub(super) fn of(tokens: &[u32]) -> impl Iterator<Item = Pair> {
    tokens.iter().enumerate().flat_map(move |(at, first)| {
        let behind = tokens.iter().skip(at + 1).take_while(|token| **token != token::REST);
        let literal = token::is_literal(*first);
        (0..GAPS as u32)
            .zip(behind)
            .filter(move |(_, second)| literal && token::is_literal(**second))
            .map(|(gap, second)| Pair { gap, first: *first, second: *second })
    })
}

/// Chooses for each of the patterns its rarest pair, or `None` if more than `limit` patterns seem to share each of
/// its pairs.
///
/// Pairs are counted by hash, which is cheap; two that share a counter seem more common than they are, never
/// rarer.
pub(super) fn choose(patterns: &Patterns, chosen: &[u32], limit: usize) -> Vec<Option<Pair>> {
    let mut users = vec![0_u32; (chosen.len() * 4).next_power_of_two()];
    let mask = users.len() - 1;
    // In bounds below: masked with the number of counters less one.
    let counter = |pair: &Pair| pair.hash() as usize & mask;
    for pattern in chosen {
        for pair in of(patterns.tokens(*pattern)) {
            users[counter(&pair)] += 1;
        }
    }
    let rarest = |pattern: &u32| {
        let of_counter = |pair: &Pair| users[counter(pair)];
        of(patterns.tokens(*pattern)).min_by_key(of_counter).filter(|pair| of_counter(pair) as usize <= limit)
    };
    chosen.iter().map(rarest).collect()
}

impl Pair {
    fn hash(&self) -> u64 {
        let both = u64::from(self.first) << 32 | u64::from(self.second);
        super::key::fold(both ^ 0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93 ^ u64::from(self.gap))
    }
}

/// From pairs to the records that are anchored at them, a table for each gap.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    tables: [Edges; GAPS],
}

impl Pairs {
    /// Builds the tables from pairs, each once, with the offsets of their buckets.
    pub(super) fn new(buckets: &[(Pair, u32)]) -> Self {
        let table = |gap: usize| {
            let of_gap = buckets.iter().filter(|(pair, _)| pair.gap as usize == gap);
            let edges: Vec<_> =
                of_gap.map(|(pair, offset)| (pair.first, pair.second, Target::record(*offset))).collect();
            Edges::new(&edges)
        };
        Self { tables: std::array::from_fn(table) }
    }

    /// Collects the buckets of all pairs in a topic, each once. `slots` is working memory.
    pub(super) fn find(&self, ids: &[u32], slots: &mut Vec<Edge>, candidates: &mut Vec<Candidate>) {
        for (gap, table) in self.tables.iter().enumerate().filter(|(_, table)| !table.is_empty()) {
            let pairs = || ids.iter().zip(ids.iter().skip(gap + 1));
            // As in the trie, what depends on nothing is loaded together.
            slots.clear();
            slots.extend(pairs().map(|(first, second)| table.first(*first, *second)));
            for (at, (pair, slot)) in pairs().zip(&*slots).enumerate() {
                if let Step::Record(offset) = table.get(*pair.0, *pair.1, *slot).step()
                    && !pairs().take(at).any(|before| before == pair)
                {
                    candidates.push(Candidate::new(offset, 0));
                }
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.tables.iter().map(Edges::heap_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::{ANY, REST};
    use super::*;

    fn pair(first: u32, gap: u32, second: u32) -> Pair {
        Pair { gap, first, second }
    }

    #[test]
    fn pairs_have_a_fixed_and_small_distance() {
        assert_eq!(of(&[1, ANY, 2]).collect::<Vec<_>>(), [pair(1, 1, 2)]);
        assert_eq!(of(&[1, 2, REST, 3, 4]).collect::<Vec<_>>(), [pair(1, 0, 2), pair(3, 0, 4)]);
        assert_eq!(of(&[1, ANY, ANY, ANY, 2, 1]).collect::<Vec<_>>(), [pair(2, 0, 1)]);
        assert_eq!(of(&[1, token::glob(2), REST]).count(), 0);
    }

    #[test]
    fn a_bucket_is_found_once_however_often_its_pair_occurs() {
        let pairs = Pairs::new(&[(pair(1, 0, 1), 10), (pair(1, 1, 2), 20), (pair(2, 2, 1), 30)]);
        let found = |ids: &[u32]| {
            let mut candidates = Vec::new();
            pairs.find(ids, &mut Vec::new(), &mut candidates);
            candidates.iter().map(Candidate::offset).collect::<Vec<_>>()
        };
        assert_eq!(found(&[1, 1, 1, 1, 2, 1]), [10, 20]);
        assert_eq!(found(&[2, token::UNKNOWN, token::UNKNOWN, 1]), [30]);
        assert!(found(&[1, 2, 1, 2]).is_empty());
    }
}
