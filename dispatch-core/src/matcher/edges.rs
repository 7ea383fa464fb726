//! The literal steps of the trie: one table from (parent, segment) to child.

use super::key::fold;
use super::trie::Target;

#[derive(Debug, Clone, Copy)]
struct Edge {
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

    /// Where the segment leads from the parent.
    #[inline]
    pub(super) fn get(&self, parent: u32, segment: u32) -> Target {
        let mut at = start(self.slots.len(), parent, segment);
        while let Some(edge) = self.slots.get(at) {
            if (edge.parent == parent && edge.segment == segment) || edge.child == Target::NONE {
                return edge.child;
            }
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
        Target::NONE
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
