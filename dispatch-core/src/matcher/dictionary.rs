//! The segments that patterns spell out, each with a number.

use super::key::Key;
use super::token;

/// What is known of a literal segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    key: Key,
    /// The number of the segment, and the token of a literal.
    pub(super) id: u32,
    /// Where the records begin that are anchored at this segment, or [`Entry::NO_BUCKET`].
    pub(super) bucket: u32,
}

impl Entry {
    pub(super) const NO_BUCKET: u32 = u32::MAX;
    /// No segment is empty, so no key is zero.
    const VACANT: Self = Self { key: Key(0, 0), id: token::UNKNOWN, bucket: Self::NO_BUCKET };

    const fn is_vacant(&self) -> bool {
        self.key.0 == 0
    }
}

/// An open table with linear probing.
///
/// Invariants: the number of slots is a power of two, and at least a quarter of them is vacant, which ends every
/// probe. The second word of a long key holds, next to the mark, where its text stands in `texts`.
#[derive(Debug)]
pub(super) struct Dictionary {
    slots: Vec<Entry>,
    len: usize,
    /// The texts of the segments that are too long for a key.
    texts: Vec<u8>,
}

impl Dictionary {
    pub(super) fn new() -> Self {
        Self { slots: vec![Entry::VACANT; 16], len: 0, texts: Vec::new() }
    }

    /// The number of segments; their ids are the numbers below it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Looks a segment up by its key and its folded text.
    #[inline]
    pub(super) fn get(&self, key: Key, segment: &[u8]) -> Option<&Entry> {
        let entry = &self.slots[self.position(key, segment)];
        (!entry.is_vacant()).then_some(entry)
    }

    /// The id of a segment, a new one if it was not known.
    pub(super) fn insert(&mut self, key: Key, segment: &[u8]) -> u32 {
        let mut at = self.position(key, segment);
        if !self.slots[at].is_vacant() {
            return self.slots[at].id;
        }
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
            at = self.position(key, segment);
        }
        let mut stored = key;
        if key.is_long() {
            stored.1 |= (self.texts.len() as u64) << 16 | segment.len() as u64;
            self.texts.extend_from_slice(segment);
        }
        let id = self.len as u32;
        self.slots[at] = Entry { key: stored, id, bucket: Entry::NO_BUCKET };
        self.len += 1;
        id
    }

    /// Every segment, to set its bucket.
    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.slots.iter_mut().filter(|entry| !entry.is_vacant())
    }

    /// Gives back what was reserved for growing.
    pub(super) fn shrink(&mut self) {
        self.texts.shrink_to_fit();
        self.slots.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Entry>() + self.texts.capacity()
    }

    /// The slot that holds the segment, or the vacant one where it belongs.
    #[inline]
    fn position(&self, key: Key, segment: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = key.hash() as usize & mask;
        loop {
            // In bounds: `at` is masked with the number of slots less one.
            let entry = &self.slots[at];
            let found = if key.is_long() {
                entry.key.0 == key.0 && entry.key.is_long() && self.text(entry.key) == segment
            } else {
                entry.key == key
            };
            if found || entry.is_vacant() {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    /// The text of a long key.
    fn text(&self, key: Key) -> &[u8] {
        let start = ((key.1 & !Key::LONG) >> 16) as usize;
        let length = (key.1 & 0xFFFF) as usize;
        self.texts.get(start..start + length).unwrap_or_default()
    }

    fn grow(&mut self) {
        let doubled = vec![Entry::VACANT; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, doubled);
        let mask = self.slots.len() - 1;
        for entry in old.into_iter().filter(|entry| !entry.is_vacant()) {
            let mut at = entry.key.hash() as usize & mask;
            while !self.slots[at].is_vacant() {
                at = (at + 1) & mask;
            }
            self.slots[at] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::PADDING;
    use super::*;

    fn key(segment: &str) -> Key {
        Key::read(&[segment.as_bytes(), &PADDING].concat(), 0).0
    }

    #[test]
    fn segments_keep_their_ids_while_the_table_grows() {
        let mut dictionary = Dictionary::new();
        let segments: Vec<String> =
            (0..1000).flat_map(|n| [format!("s{n}"), format!("a-rather-long-segment-{n}")]).collect();
        for (id, segment) in segments.iter().enumerate() {
            assert_eq!(dictionary.insert(key(segment), segment.as_bytes()), id as u32);
        }
        for (id, segment) in segments.iter().enumerate() {
            assert_eq!(dictionary.insert(key(segment), segment.as_bytes()), id as u32);
            assert_eq!(
                dictionary.get(key(segment), segment.as_bytes()).map(|entry| entry.id),
                Some(id as u32)
            );
        }
        assert_eq!(dictionary.len(), 2000);
        assert!(dictionary.get(key("absent"), b"absent").is_none());
    }

    #[test]
    fn long_segments_with_one_hash_are_told_apart_by_their_text() {
        let mut dictionary = Dictionary::new();
        let same = Key(7, Key::LONG);
        assert_eq!(dictionary.insert(same, b"the-first-long-segment"), 0);
        assert_eq!(dictionary.insert(same, b"the-other-long-segment"), 1);
        assert_eq!(dictionary.get(same, b"the-other-long-segment").map(|entry| entry.id), Some(1));
        assert!(dictionary.get(same, b"neither-of-the-two-here").is_none());
    }
}
