//! Which patterns are anchored, and where.

use super::patterns::Patterns;

/// Chooses for each pattern its rarest literal, or `None` if more than `limit` patterns share each of its literals.
///
/// A second round counts only the patterns that the first one left over: a literal that most patterns need not
/// is rare after all.
pub(super) fn choose(patterns: &Patterns, limit: usize) -> Vec<Option<u32>> {
    let mut anchors = vec![None; patterns.len()];
    let mut in_bucket: Vec<u32> = Vec::new();
    for _ in 0..2 {
        let open: Vec<u32> =
            (0..).zip(&anchors).filter(|(_, anchor)| anchor.is_none()).map(|(open, _)| open).collect();
        // A bucket never holds more patterns than are counted here, so none outgrows the limit.
        let mut users = patterns.count(open.iter().copied());
        users.iter_mut().zip(&in_bucket).for_each(|(users, already)| *users += already);
        in_bucket.resize(users.len(), 0);
        for pattern in open {
            let rarest = patterns.literals(pattern).min_by_key(|literal| users[*literal as usize]);
            if let Some(literal) = rarest.filter(|literal| users[*literal as usize] as usize <= limit) {
                anchors[pattern as usize] = Some(literal);
                in_bucket[literal as usize] += 1;
            }
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::super::patterns::Inserted;
    use super::super::token::{ANY, REST};
    use super::*;

    fn patterns(texts: &[&[u32]]) -> Patterns {
        let mut tokens = Vec::new();
        let mut inserted = Vec::new();
        for (rank, text) in texts.iter().enumerate() {
            let start = tokens.len() as u32;
            tokens.extend_from_slice(text);
            inserted.push(Inserted { tokens: (start, tokens.len() as u32), rank: rank as u32 });
        }
        Patterns::new(tokens, &inserted, 68)
    }

    #[test]
    fn the_rarest_literal_is_the_anchor() {
        let patterns = patterns(&[&[0, 1], &[0, 2], &[0, 3], &[REST, ANY]]);
        assert_eq!(choose(&patterns, 2), [Some(1), Some(2), Some(3), None]);
        assert_eq!(choose(&patterns, 0), [None; 4]);
    }

    #[test]
    fn no_bucket_outgrows_the_limit() {
        let texts: Vec<Vec<u32>> = (0..60).map(|n| vec![n % 3, 3 + n % 5, 8 + n]).collect();
        let mut texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let short = [[0, ANY], [1, ANY], [2, ANY], [0, REST]];
        texts.extend(short.iter().map(<[u32; 2]>::as_slice));
        for limit in 1..8 {
            let anchors = choose(&patterns(&texts), limit);
            for literal in 0..68 {
                assert!(anchors.iter().filter(|anchor| **anchor == Some(literal)).count() <= limit);
            }
        }
    }

    #[test]
    fn the_second_round_finds_literals_that_became_rare() {
        // Literal 0 is in all patterns, but only the last one needs it.
        let patterns = patterns(&[&[0, 1], &[0, 2], &[0, 3], &[0, ANY]]);
        assert_eq!(choose(&patterns, 1), [Some(1), Some(2), Some(3), Some(0)]);
    }
}
