//! The building of the trie.

use super::edges::Edges;
use super::patterns::Patterns;
use super::records::Records;
use super::token;
use super::trie::{Node, Target, Trie, filter_bit};
use crate::topic::Glob;

/// Builds a trie of some patterns, given in the order of their tokens.
pub(super) fn plant(patterns: &Patterns, chosen: &[u32], globs: &[Glob], records: &mut Records) -> Trie {
    let mut planter = Planter { patterns, globs, records, trie: Trie::default(), edges: Vec::new() };
    if !chosen.is_empty() {
        planter.node(chosen, 0);
    }
    let mut trie = planter.trie;
    trie.edges = Edges::new(&planter.edges);
    trie.shrink();
    trie
}

struct Planter<'a> {
    patterns: &'a Patterns,
    globs: &'a [Glob],
    records: &'a mut Records,
    trie: Trie,
    edges: Vec<(u32, u32, Target)>,
}

impl Planter<'_> {
    /// Adds the node of patterns that have their first `depth` tokens in common. The recursion is no deeper than
    /// a pattern has segments.
    fn node(&mut self, chosen: &[u32], depth: usize) -> u32 {
        let number = self.trie.nodes.len() as u32;
        self.trie.nodes.push(Node::EMPTY);
        let mut node = Node::EMPTY;
        let mut glob_steps = Vec::new();
        let patterns = self.patterns;
        let token = |pattern: u32| patterns.tokens(pattern).get(depth).copied();
        for group in chosen.chunk_by(|a, b| token(*a) == token(*b)) {
            let Some(token) = group.first().and_then(|pattern| token(*pattern)) else {
                node.end = self.tail(group, depth).unwrap_or(Target::NONE);
                continue;
            };
            if token == token::REST {
                node.rest = self.tail(group, depth).unwrap_or_else(|| self.arm(group, depth + 1));
                continue;
            }
            let child =
                self.tail(group, depth + 1).unwrap_or_else(|| Target::node(self.node(group, depth + 1)));
            if token == token::ANY {
                node.any = child;
            } else if let Some(glob) = token::glob_number(token) {
                glob_steps.push((glob as u32, child));
            } else {
                node.literals |= filter_bit(token);
                self.edges.push((number, token, child));
            }
        }
        node.globs = self.trie.globs.push(glob_steps, self.globs);
        self.trie.nodes[number as usize] = node;
        number
    }

    /// A node behind `**`, and its arm.
    fn arm(&mut self, chosen: &[u32], depth: usize) -> Target {
        let behind = self.node(chosen, depth);
        self.trie.arms.push(behind);
        Target::node(self.trie.arms.len() as u32 - 1)
    }

    /// The record of what is left of the only pattern of a group. With more than one `**` left it is not made:
    /// compared at many positions, it would cost more than the nodes.
    fn tail(&mut self, group: &[u32], depth: usize) -> Option<Target> {
        let [pattern] = group else { return None };
        let tail = self.patterns.tokens(*pattern).get(depth..)?;
        if tail.iter().filter(|token| **token == token::REST).count() > 1 {
            return None;
        }
        let probe = self.patterns.probe(tail, &[]);
        Some(Target::record(self.records.push(tail, probe, self.patterns.ranks(*pattern))))
    }
}
