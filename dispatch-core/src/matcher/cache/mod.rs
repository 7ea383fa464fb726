//! What was found for the topics that come often.

mod window;

use std::fmt;
use std::sync::Arc;

use self::window::Window;
use crate::topic::Topic;

/// How many slots share a set: the most that one look-up compares, and the most that a flood of topics with one
/// hash can evict from each other.
const WAYS: usize = 4;
/// The mark of a slot that was hit since the search for a victim came by, in the lowest bit of its tag.
const USED: u32 = 1;
/// Set in every tag, so that no tag is zero.
const TAKEN: u32 = 1 << 31;

/// A bounded cache from a topic and a message type to a value, for one worker.
///
/// What makes it fit the hottest path:
///
/// - A look-up compares at most four tags and then the whole key: a hit always returns the value offered last for
///   exactly this topic (case included) and this message type.
/// - A value is admitted when its key is offered for the second time, so that topics which come once evict nothing.
/// - If few look-ups hit, the cache steps aside for a while: look-ups answer `None` at once. Now and then it is
///   tried again.
///
/// ```
/// use std::sync::Arc;
///
/// use dispatch_core::Topic;
/// use dispatch_core::matcher::TopicCache;
///
/// let mut cache = TopicCache::new(8192);
/// let (topic, message_type) = (Topic::new("shop.order.events")?, Arc::from("OrderPlaced"));
/// cache.offer(&topic, &message_type, "first sighting");
/// assert_eq!(cache.get(&topic, &message_type), None);
/// cache.offer(&topic, &message_type, "second sighting");
/// assert_eq!(cache.get(&topic, &message_type), Some(&"second sighting"));
/// assert_eq!(cache.get(&topic, "OrderPaid"), None);
/// # Ok::<(), dispatch_core::TopicError>(())
/// ```
pub struct TopicCache<V> {
    /// A tag for each slot, zero if it is empty; compact, so that most misses touch nothing else.
    tags: Box<[[u32; WAYS]]>,
    /// The slots, in sets like the tags: `slots[s][w]` is filled exactly if `tags[s][w]` is not zero.
    slots: Box<[[Option<Slot<V>>; WAYS]]>,
    /// The tags of keys that were offered once, at their places; a later one overwrites.
    seen: Box<[u32]>,
    window: Window,
    stats: CacheStats,
}

struct Slot<V> {
    topic: Topic,
    message_type: Arc<str>,
    value: V,
}

/// What a [`TopicCache`] did since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that found their key.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Values that made room for another one.
    pub evictions: u64,
    /// Look-ups that were answered `None` without a search, since too few of those before had hit.
    pub bypassed: u64,
}

impl<V: Clone> TopicCache<V> {
    /// A size that suits most workers.
    pub const DEFAULT_SLOTS: usize = 8192;

    /// An empty cache with room for at least that many values; the number is rounded up to a power of two, and to
    /// one set of four at least.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let sets = slots.div_ceil(WAYS).next_power_of_two();
        Self {
            tags: vec![[0; WAYS]; sets].into_boxed_slice(),
            slots: std::iter::repeat_with(|| [const { None }; WAYS]).take(sets).collect(),
            seen: vec![0; sets * WAYS].into_boxed_slice(),
            window: Window::new(sets * WAYS),
            stats: CacheStats::default(),
        }
    }

    /// The value offered last for this topic and message type, if the cache has kept it.
    #[inline]
    pub fn get(&mut self, topic: &Topic, message_type: &str) -> Option<&V> {
        if self.window.is_closed() {
            self.window.turn(self.stats.hits);
        }
        if self.window.take() {
            self.stats.bypassed += 1;
            return None;
        }
        let place = Place::new(topic, message_type, self.tags.len());
        // In bounds: a place is made for this number of sets.
        let (tags, slots) = (&mut self.tags[place.set], &self.slots[place.set]);
        for (tag, slot) in tags.iter_mut().zip(slots) {
            if (*tag ^ place.tag) <= USED
                && let Some(slot) = slot
                && slot.is_for(topic, message_type)
            {
                *tag |= USED;
                self.stats.hits += 1;
                return Some(&slot.value);
            }
        }
        self.stats.misses += 1;
        None
    }

    /// Offers a value that was worked out for a key. It replaces the one that is kept for the key; a new key is
    /// admitted the second time.
    pub fn offer(&mut self, topic: &Topic, message_type: &Arc<str>, value: V) {
        let place = Place::new(topic, message_type, self.tags.len());
        let (tags, slots) = (&mut self.tags[place.set], &mut self.slots[place.set]);
        for (tag, slot) in tags.iter().zip(slots.iter_mut()) {
            if (*tag ^ place.tag) <= USED
                && let Some(slot) = slot
                && slot.is_for(topic, message_type)
            {
                slot.value = value;
                return;
            }
        }
        if self.window.is_bypassing() {
            return;
        }
        let seen = &mut self.seen[place.seen];
        if *seen != place.tag {
            *seen = place.tag;
            return;
        }
        let way = victim(tags);
        let new = Slot { topic: topic.clone(), message_type: Arc::clone(message_type), value };
        if slots[way].replace(new).is_some() {
            self.stats.evictions += 1;
        }
        tags[way] = place.tag;
    }

    /// Forgets every value, as is due when what they were worked out from has changed.
    pub fn clear(&mut self) {
        self.tags.fill([0; WAYS]);
        self.slots.fill_with(|| [const { None }; WAYS]);
        self.seen.fill(0);
        self.window = Window::new(self.seen.len());
        self.window.turn_base(self.stats.hits);
    }

    /// What the cache did since it was made; [`TopicCache::clear`] does not reset it.
    #[must_use]
    pub const fn stats(&self) -> CacheStats {
        self.stats
    }

    /// The number of values there is room for.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.seen.len()
    }
}

impl<V> Slot<V> {
    #[inline]
    fn is_for(&self, topic: &Topic, message_type: &str) -> bool {
        (std::ptr::eq(&raw const *self.message_type, message_type) || *self.message_type == *message_type)
            && self.topic == *topic
    }
}

/// The way that a new value takes: an empty one, or one that was not hit since this search came by last. If all
/// were, their marks are cleared and the first one goes.
fn victim(tags: &mut [u32; WAYS]) -> usize {
    if let Some(way) = tags.iter().position(|tag| tag & USED == 0) {
        return way;
    }
    for tag in tags {
        *tag &= !USED;
    }
    0
}

/// Where a key belongs.
struct Place {
    set: usize,
    seen: usize,
    /// Without the mark [`USED`].
    tag: u32,
}

impl Place {
    #[inline]
    fn new(topic: &Topic, message_type: &str, sets: usize) -> Self {
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let key = (u64::from(topic.hash32()) ^ ends(message_type)).wrapping_mul(SPREAD);
        let hash = key ^ (key >> 32);
        let low = hash as usize;
        Self { set: low & (sets - 1), seen: low & (sets * WAYS - 1), tag: (key >> 32) as u32 & !USED | TAKEN }
    }
}

/// A cheap hash of a message type: its length, its first and its last eight bytes. Types that agree in all of
/// these share a set, and the comparison of keys tells them apart.
#[inline]
fn ends(text: &str) -> u64 {
    const SPREAD: u64 = 0xD6E8_FEB8_6659_FD93;
    let bytes = text.as_bytes();
    let (first, last) = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => {
            let all = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            (all, all)
        }
    };
    (first ^ last.rotate_left(23) ^ bytes.len() as u64).wrapping_mul(SPREAD)
}

impl<V> fmt::Debug for TopicCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicCache")
            .field("slots", &self.seen.len())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
