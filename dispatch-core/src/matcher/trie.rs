//! The trie over tokens: what bounds the work whatever the patterns are.

use super::edges::{Edge, Edges};
use super::glob_steps::GlobSteps;
use super::records::Candidate;
use super::scratch::{Arms, Segments, Walk};
use super::token;
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
    /// Collects the records that are left to be compared.
    pub(super) fn find(
        &self,
        topic: &Segments,
        globs: &[Glob],
        walk: &mut Walk,
        candidates: &mut Vec<Candidate>,
    ) {
        if self.nodes.is_empty() {
            return;
        }
        let Walk { pending, batch, arms } = walk;
        arms.begin(self.arms.len());
        pending.clear();
        pending.push((0, 0));
        while !pending.is_empty() {
            // In a large trie nearly every load waits for memory. Loads that depend on nothing are made together,
            // so that they wait together.
            batch.clear();
            batch.extend(pending.drain(..).map(|(number, position)| {
                let id = topic.ids.get(position as usize).copied().unwrap_or(token::UNKNOWN);
                // In bounds: targets are made from indices of nodes when the trie is built.
                let node = self.nodes[number as usize];
                Loaded { number, position, id, node, edge: self.edges.first(number, id) }
            }));
            let mut visit = Visit { trie: self, topic, globs, pending, arms, candidates };
            for loaded in &*batch {
                visit.rest(&loaded.node, loaded.position);
                visit.step(loaded);
            }
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

/// A node to be visited at a position, and all that the first look at it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loaded {
    number: u32,
    position: u32,
    /// The id of the segment at the position.
    id: u32,
    node: Node,
    edge: Edge,
}

struct Visit<'a> {
    trie: &'a Trie,
    topic: &'a Segments,
    globs: &'a [Glob],
    pending: &'a mut Vec<(u32, u32)>,
    arms: &'a mut Arms,
    candidates: &'a mut Vec<Candidate>,
}

impl Visit<'_> {
    /// Lets `**` take zero segments or more: the node behind it is visited at every position from here on that
    /// it was not visited at.
    #[inline]
    fn rest(&mut self, node: &Node, position: u32) {
        match node.rest.step() {
            Step::None => {}
            Step::Record(offset) => self.candidates.push(Candidate::new(offset, position)),
            Step::Node(arm) => {
                let behind = self.trie.arms[arm as usize];
                let from_here = position..self.topic.ids.len() as u32 + 1;
                self.pending.extend(self.arms.arm(arm, from_here).map(|position| (behind, position)));
            }
        }
    }

    /// Takes the segment at the position in every way the node allows, or ends there.
    #[inline]
    fn step(&mut self, Loaded { number, position, id, node, edge }: &Loaded) {
        if *position as usize == self.topic.ids.len() {
            self.follow(node.end, *position);
            return;
        }
        self.follow(node.any, position + 1);
        if node.literals & filter_bit(*id) != 0 {
            self.follow(self.trie.edges.get(*number, *id, *edge), position + 1);
        }
        if node.globs != GlobSteps::NONE {
            let (trie, segment) = (self.trie, self.topic.text(*position as usize));
            trie.globs.for_each_match(node.globs, segment, self.globs, |target| {
                self.follow(target, position + 1);
            });
        }
    }

    #[inline]
    fn follow(&mut self, target: Target, position: u32) {
        match target.step() {
            Step::None => {}
            Step::Record(offset) => self.candidates.push(Candidate::new(offset, position)),
            Step::Node(node) => self.pending.push((node, position)),
        }
    }
}
