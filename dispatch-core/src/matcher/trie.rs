//! The trie over tokens: what bounds the work whatever the patterns are.

use super::edges::Edges;
use super::glob_steps::GlobSteps;
use super::records::Records;
use super::scratch::{Arms, Scratch, Segments};
use crate::topic::Glob;

/// Where a step leads: to a node, to a record that holds the rest of the only pattern there, or nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target(u32);

/// A [`Target`], taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    None,
    Node(u32),
    Record(u32),
}

impl Target {
    pub(super) const NONE: Self = Self(u32::MAX);
    const RECORD: u32 = 1 << 31;

    pub(super) const fn node(node: u32) -> Self {
        Self(node)
    }

    pub(super) const fn record(offset: u32) -> Self {
        Self(offset | Self::RECORD)
    }

    #[inline]
    pub(super) const fn step(self) -> Step {
        match self.0 {
            u32::MAX => Step::None,
            bits if bits & Self::RECORD != 0 => Step::Record(bits & !Self::RECORD),
            node => Step::Node(node),
        }
    }
}

/// A place in one pattern or more: what they have in common before it led here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// After `*`.
    pub(super) any: Target,
    /// After `**`; a node here is the index of an [`Arm`](Trie::arms).
    pub(super) rest: Target,
    /// The record of the pattern that ends here.
    pub(super) end: Target,
    /// Which list of [`GlobSteps`] leads on, or [`GlobSteps::NONE`].
    pub(super) globs: u32,
    /// One bit for each literal that leads on, at [`filter_bit`]: most look-ups that would fail are spared.
    pub(super) literals: u32,
}

impl Node {
    pub(super) const EMPTY: Self = Self {
        any: Target::NONE,
        rest: Target::NONE,
        end: Target::NONE,
        globs: GlobSteps::NONE,
        literals: 0,
    };
}

/// The bit of a segment id in [`Node::literals`].
#[inline]
pub(super) const fn filter_bit(id: u32) -> u32 {
    1 << (id.wrapping_mul(0x9E37_79B1) >> 27)
}

/// The trie, flat.
///
/// A walk visits pairs of a node and a position in the topic. Every node has one parent, and a node behind `**`
/// is entered once for each position at most, so no pair is visited twice: the work is bounded by segments times
/// live nodes.
#[derive(Debug, Default)]
pub(super) struct Trie {
    pub(super) nodes: Vec<Node>,
    /// The nodes behind a `**`; each is armed at the first position where its parent is visited and stays so.
    pub(super) arms: Vec<u32>,
    pub(super) edges: Edges,
    pub(super) globs: GlobSteps,
}

impl Trie {
    /// Collects the ranks of all patterns in the trie that match the topic.
    pub(super) fn find(&self, scratch: &mut Scratch, records: &Records, globs: &[Glob], out: &mut Vec<u32>) {
        if self.nodes.is_empty() {
            return;
        }
        let Scratch { topic, walk } = scratch;
        walk.arms.begin(self.arms.len());
        walk.pending.clear();
        walk.pending.push((0, 0));
        let mut visit = Visit { trie: self, topic, records, globs, out };
        while let Some((node, position)) = walk.pending.pop() {
            // In bounds: targets are made from indices of nodes when the trie is built.
            let node_ref = &self.nodes[node as usize];
            visit.rest(node_ref, position, &mut walk.pending, &mut walk.arms);
            visit.step(node, node_ref, position, &mut walk.pending);
        }
    }

    pub(super) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.arms.shrink_to_fit();
        self.globs.shrink();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.arms.capacity() * size_of::<u32>()
            + self.edges.heap_bytes()
            + self.globs.heap_bytes()
    }
}

/// Pairs of a node and a position that are still to be visited.
type Pending = Vec<(u32, u32)>;

struct Visit<'a> {
    trie: &'a Trie,
    topic: &'a Segments,
    records: &'a Records,
    globs: &'a [Glob],
    out: &'a mut Vec<u32>,
}

impl Visit<'_> {
    /// Lets `**` take zero segments or more: the node behind it is visited at every position from here on that
    /// it was not visited at.
    #[inline]
    fn rest(&mut self, node: &Node, position: u32, pending: &mut Pending, arms: &mut Arms) {
        match node.rest.step() {
            Step::None => {}
            Step::Record(offset) => self.record(offset, position),
            Step::Node(arm) => {
                let behind = self.trie.arms[arm as usize];
                let all = position..self.topic.ids.len() as u32 + 1;
                pending.extend(arms.arm(arm, all).map(|position| (behind, position)));
            }
        }
    }

    /// Takes the segment at `position` in every way the node allows, or ends there.
    #[inline]
    fn step(&mut self, number: u32, node: &Node, position: u32, pending: &mut Pending) {
        let Some(id) = self.topic.ids.get(position as usize) else {
            self.follow(node.end, position, pending);
            return;
        };
        self.follow(node.any, position + 1, pending);
        if node.literals & filter_bit(*id) != 0 {
            self.follow(self.trie.edges.get(number, *id), position + 1, pending);
        }
        if node.globs != GlobSteps::NONE {
            let trie = self.trie;
            let segment = self.topic.text(position as usize);
            trie.globs.for_each_match(node.globs, segment, self.globs, |target| {
                self.follow(target, position + 1, pending);
            });
        }
    }

    #[inline]
    fn follow(&mut self, target: Target, position: u32, pending: &mut Pending) {
        match target.step() {
            Step::None => {}
            Step::Record(offset) => self.record(offset, position),
            Step::Node(node) => pending.push((node, position)),
        }
    }

    #[inline]
    fn record(&mut self, offset: u32, position: u32) {
        self.records.find_at(offset, position as usize, self.topic, self.globs, self.out);
    }
}
