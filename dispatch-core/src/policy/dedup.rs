//! Remembers what was seen, in bounded memory.
//!
//! - A key is a duplicate if it was seen before, not longer ago than `max_age`, and fewer than `capacity` other
//!   keys ago.
//! - Seeing a duplicate does not renew it: a steady stream of repeats cannot keep a key for ever.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// A window over the keys seen last.
#[derive(Debug, Clone)]
pub struct DedupWindow<K> {
    capacity: usize,
    max_age: Duration,
    seen: HashMap<K, Duration>,
    order: VecDeque<K>,
}

impl<K: Hash + Eq + Clone> DedupWindow<K> {
    /// A window of at most `capacity` keys (at least one) and `max_age`.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        Self { capacity: capacity.max(1), max_age, seen: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether `key` would be a duplicate at `now`; nothing is remembered.
    pub fn contains(&mut self, key: &K, now: Duration) -> bool {
        self.forget_old(now);
        self.seen.contains_key(key)
    }

    /// Whether `key` is new at `now`, a time on a monotonic clock; a new key is remembered.
    pub fn insert(&mut self, key: K, now: Duration) -> bool {
        self.forget_old(now);
        if self.seen.contains_key(&key) {
            return false;
        }
        if self.order.len() == self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(key.clone(), now);
        self.order.push_back(key);
        true
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.seen.clear();
        self.order.clear();
    }

    /// Number of keys remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget_old(&mut self, now: Duration) {
        while let Some(oldest) = self.order.front()
            && self.seen.get(oldest).is_none_or(|at| now.saturating_sub(*at) > self.max_age)
        {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_key_comes_back_when_it_is_old_or_pushed_out() {
        let mut window = DedupWindow::new(2, s(10));
        assert!(window.insert(1, s(0)));
        assert!(!window.insert(1, s(10)));
        assert!(window.insert(1, s(11)));
        assert!(window.insert(2, s(11)) && window.insert(3, s(11)));
        assert!(window.insert(1, s(11)));
        assert_eq!(window.len(), 2);
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(keys in prop::collection::vec((0u8..6, 0u64..4), 0..80), capacity in 1usize..5) {
            let mut window = DedupWindow::new(capacity, s(5));
            let (mut model, mut now): (Vec<(u8, u64)>, u64) = (Vec::new(), 0);
            for (key, gap) in keys {
                now += gap;
                model.retain(|(_, at)| now - at <= 5);
                let new = !model.iter().any(|(seen, _)| *seen == key);
                prop_assert_eq!(window.contains(&key, s(now)), !new);
                if new {
                    if model.len() == capacity { model.remove(0); }
                    model.push((key, now));
                }
                prop_assert_eq!(window.insert(key, s(now)), new);
                prop_assert_eq!(window.len(), model.len());
            }
        }
    }
}
