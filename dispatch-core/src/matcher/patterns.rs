//! The patterns of a build, sorted, each once.

use super::token;

/// Different patterns in the order of their tokens, each with its ranks.
#[derive(Debug)]
pub(super) struct Patterns {
    tokens: Vec<u32>,
    ranks: Vec<u32>,
    spans: Vec<Span>,
    /// For each literal in how many patterns it stands; twice in one counts twice.
    users: Vec<u32>,
}

#[derive(Debug)]
struct Span {
    tokens: (u32, u32),
    ranks: (u32, u32),
}

/// A pattern with a rank as it was inserted: `tokens` is its place among all tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inserted {
    pub(super) tokens: (u32, u32),
    pub(super) rank: u32,
}

impl Patterns {
    /// Sorts what was inserted; literals are numbered below `literals`.
    pub(super) fn new(tokens: Vec<u32>, inserted: &[Inserted], literals: usize) -> Self {
        let slice = |pattern: &Inserted| between(&tokens, pattern.tokens);
        // The first two tokens decide most comparisons without a look at the others.
        let first_two = |pattern: &Inserted| {
            let mut first = slice(pattern).iter().copied().map(u64::from);
            first.next().unwrap_or(0) << 32 | first.next().unwrap_or(0)
        };
        let mut order: Vec<(u64, Inserted)> =
            inserted.iter().map(|pattern| (first_two(pattern), *pattern)).collect();
        order.sort_unstable_by(|(a_first, a), (b_first, b)| {
            a_first.cmp(b_first).then_with(|| slice(a).cmp(slice(b))).then(a.rank.cmp(&b.rank))
        });

        let mut spans: Vec<Span> = Vec::new();
        let mut ranks = Vec::with_capacity(order.len());
        for same in order.chunk_by(|(_, a), (_, b)| slice(a) == slice(b)) {
            let start = ranks.len() as u32;
            ranks.extend(same.iter().map(|(_, pattern)| pattern.rank));
            if let Some((_, first)) = same.first() {
                spans.push(Span { tokens: first.tokens, ranks: (start, ranks.len() as u32) });
            }
        }
        let mut patterns = Self { tokens, ranks, spans, users: vec![0; literals] };
        patterns.users = patterns.count(0..patterns.len() as u32);
        patterns
    }

    /// The number of different patterns.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The tokens of a pattern.
    pub(super) fn tokens(&self, pattern: u32) -> &[u32] {
        between(&self.tokens, self.spans[pattern as usize].tokens)
    }

    /// The ranks of a pattern, ascending.
    pub(super) fn ranks(&self, pattern: u32) -> &[u32] {
        between(&self.ranks, self.spans[pattern as usize].ranks)
    }

    /// For each literal how often it stands in the patterns chosen.
    pub(super) fn count(&self, chosen: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut users = vec![0; self.users.len()];
        for literal in chosen.flat_map(|pattern| self.literals(pattern)) {
            users[literal as usize] += 1;
        }
        users
    }

    /// The position of the rarest literal of a pattern, or a tail of one, that has no `**` before it and is not
    /// `known` to be in the topic anyway.
    pub(super) fn probe(&self, tokens: &[u32], known: &[u32]) -> Option<usize> {
        let fixed = tokens.iter().take_while(|token| **token != token::REST).enumerate();
        fixed
            .filter(|(_, token)| token::is_literal(**token) && !known.contains(token))
            .min_by_key(|(_, literal)| self.users[**literal as usize])
            .map(|(position, _)| position)
    }

    /// The literals of a pattern.
    pub(super) fn literals(&self, pattern: u32) -> impl Iterator<Item = u32> {
        self.tokens(pattern).iter().copied().filter(|token| token::is_literal(*token))
    }
}

/// The part of `all` that a span names; spans are only made of positions in it.
fn between(all: &[u32], (start, end): (u32, u32)) -> &[u32] {
    &all[start as usize..end as usize]
}
