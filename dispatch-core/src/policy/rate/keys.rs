use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{RateCell, RateLimit};

/// A rate limit for each of many keys, at one moment.
///
/// A key is forgotten once its cell is as good as new, which changes no answer. So memory is bounded by the keys that are
/// over or near their rate, and by a number: beyond it, keys that are not known are refused until another is forgotten.
///
/// ```
/// use std::time::Duration;
/// use dispatch_core::policy::{KeyRates, RateLimit};
///
/// let (limit, mut keys, second) = (RateLimit::per_second(1), KeyRates::default(), Duration::from_secs(1));
/// assert!(keys.pass(&limit, "ann", Duration::ZERO).is_ok());
/// assert!(keys.pass(&limit, "bob", Duration::ZERO).is_ok());
/// assert_eq!(keys.pass(&limit, "ann", Duration::ZERO), Err(second));
/// assert!(keys.pass(&limit, "bob", second).is_ok());
/// assert_eq!(keys.len(), 1, "ann is as good as new");
/// ```
#[derive(Debug, Clone)]
pub struct KeyRates {
    most: usize,
    cells: HashMap<Arc<str>, RateCell>,
    /// Keys by the time at which they are as good as new.
    ends: BTreeSet<(u64, Arc<str>)>,
}

impl Default for KeyRates {
    fn default() -> Self {
        Self::bounded(Self::MOST)
    }
}

impl KeyRates {
    /// Most keys that are known at a time, unless it was made with another bound.
    pub const MOST: usize = 100_000;

    /// No more than so many keys, at least one.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self { most: most.max(1), cells: HashMap::new(), ends: BTreeSet::new() }
    }

    /// Lets an event of a key pass now.
    ///
    /// # Errors
    /// How long until it would pass; with too many keys, how long until one of them is forgotten.
    pub fn pass(&mut self, limit: &RateLimit, key: &str, now: Duration) -> Result<(), Duration> {
        self.forget_idle(now);
        let (key, mut cell) = match self.cells.get_key_value(key) {
            Some((key, cell)) => (Arc::clone(key), *cell),
            None if self.cells.len() < self.most => (key.into(), RateCell::default()),
            None => {
                let soonest = self.ends.first().map(|(end, _)| Duration::from_nanos(*end));
                return Err(soonest.unwrap_or(now).saturating_sub(now));
            }
        };
        let before = cell;
        cell.pass(limit, now)?;
        self.ends.remove(&(before.to_bits(), Arc::clone(&key)));
        self.ends.insert((cell.to_bits(), Arc::clone(&key)));
        self.cells.insert(key, cell);
        Ok(())
    }

    /// How many keys are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    fn forget_idle(&mut self, now: Duration) {
        while self.ends.first().is_some_and(|(end, _)| RateCell::from_bits(*end).is_idle(now)) {
            let Some((_, key)) = self.ends.pop_first() else { return };
            self.cells.remove(&key);
        }
    }
}
