use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// Of each key with a message on its way: those that wait behind it, in order.
///
/// - A key is here exactly as long as one of its messages is on its way.
/// - Two keys with the same hash wait for each other; nothing else goes wrong.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<u64, VecDeque<u32>, BuildHasherDefault<Hashed>>);

impl Keys {
    /// A message may go on its way, or waits.
    pub(super) fn may_go(&mut self, hash: u64, place: u32) -> bool {
        match self.0.get_mut(&hash) {
            Some(waiting) => {
                waiting.push_back(place);
                false
            }
            None => {
                self.0.insert(hash, VecDeque::new());
                true
            }
        }
    }

    /// The message of a key is not on its way any more: the next one.
    pub(super) fn next(&mut self, hash: u64) -> Option<u32> {
        let next = self.0.get_mut(&hash)?.pop_front();
        if next.is_none() {
            self.0.remove(&hash);
        }
        next
    }

    /// All keys.
    pub(super) fn hashes(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }

    /// Keeps those that wait and a condition holds for.
    pub(super) fn retain(&mut self, holds: impl Fn(u32) -> bool) {
        for waiting in self.0.values_mut() {
            waiting.retain(|place| holds(*place));
        }
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
