//! A table from two numbers to a target: the literal steps of the trie, and pairs of literals.

use super::key::fold;
use super::trie::Target;

/// A slot of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    parent: u32,
    segment: u32,
    child: Target,
}

const VACANT: Edge = Edge { parent: u32::MAX, segment: u32::MAX, child: Target::NONE };

/// An open table with linear probing, filled once.
///
/// Invariant: at least a quarter of the slots is vacant, which ends every probe. No node has the number
/// `u32::MAX`, so a vacant slot equals no edge and its child is "none".
#[derive(Debug, Default)]
pub(super) struct Edges {
    slots: Vec<Edge>,
}

impl Edges {
    /// Builds the table; no edge may come twice.
    pub(super) fn new(edges: &[(u32, u32, Target)]) -> Self {
        let mut slots =
            if edges.is_empty() { Vec::new() } else { vec![VACANT; edges.len() + edges.len() / 2 + 1] };
        for &(parent, segment, child) in edges {
            let mut at = start(slots.len(), parent, segment);
            while slots[at].child != Target::NONE {
                at = (at + 1) % slots.len();
            }
            slots[at] = Edge { parent, segment, child };
        }
        Self { slots }
    }

    /// The slot where an edge is, if it is at its first place: to be loaded early, together with others.
    #[inline]
    pub(super) fn first(&self, parent: u32, segment: u32) -> Edge {
        self.slots.get(start(self.slots.len(), parent, segment)).copied().unwrap_or(VACANT)
    }

    /// Where the segment leads from the parent, given the [`first`](Self::first) slot.
    #[inline]
    pub(super) fn get(&self, parent: u32, segment: u32, first: Edge) -> Target {
        let mut edge = first;
        let mut at = None;
        while (edge.parent, edge.segment) != (parent, segment) && edge.child != Target::NONE {
            let next = at.unwrap_or_else(|| start(self.slots.len(), parent, segment)) + 1;
            let next = if next == self.slots.len() { 0 } else { next };
            at = Some(next);
            // In bounds: `next` was wrapped around.
            edge = self.slots[next];
        }
        edge.child
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Edge>()
    }
}

/// The slot where the search for an edge begins: the hash, scaled down to the number of slots.
#[inline]
fn start(slots: usize, parent: u32, segment: u32) -> usize {
    let hash = fold(u64::from(parent) << 32 | u64::from(segment) ^ 0x9E37_79B9, 0xD6E8_FEB8_6659_FD93);
    ((u128::from(hash) * slots as u128) >> 64) as usize
}
