use std::sync::atomic::{AtomicU64, Ordering};

/// Which parts of a delivery have their outcome, from one attempt to the next.
///
/// An adapter that asks several places for one envelope notes here which of them have taken it and which have refused it
/// for good, so that a later attempt asks only the others. It belongs to one envelope and one caller, and lives as long
/// as its attempts.
///
/// ```
/// use dispatch_core::delivery::Progress;
///
/// let progress = Progress::default();
/// progress.note_taken(1);
/// progress.note_refused(2);
/// assert!(progress.is_open(0) && !progress.is_open(1) && !progress.is_open(2));
/// assert!(progress.is_refused(2));
/// ```
#[derive(Debug, Default)]
pub struct Progress {
    taken: AtomicU64,
    refused: AtomicU64,
}

impl Progress {
    /// How many parts it tells apart. Those after them are always open.
    pub const PARTS: usize = 64;

    /// Every part is open.
    #[must_use]
    pub const fn new() -> Self {
        Self { taken: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// That part has been taken.
    pub fn note_taken(&self, part: usize) {
        self.taken.fetch_or(Self::bit(part), Ordering::Relaxed);
    }

    /// That part has been refused, and asking again cannot help.
    pub fn note_refused(&self, part: usize) {
        self.refused.fetch_or(Self::bit(part), Ordering::Relaxed);
    }

    /// Whether that part has no outcome yet.
    #[must_use]
    pub fn is_open(&self, part: usize) -> bool {
        let done = self.taken.load(Ordering::Relaxed) | self.refused.load(Ordering::Relaxed);
        done & Self::bit(part) == 0
    }

    /// Whether that part has been refused for good.
    #[must_use]
    pub fn is_refused(&self, part: usize) -> bool {
        self.refused.load(Ordering::Relaxed) & Self::bit(part) != 0
    }

    /// The bit of a part; none for parts that are not told apart.
    const fn bit(part: usize) -> u64 {
        if part < Self::PARTS { 1 << part } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_noted_on_its_own() {
        let progress = Progress::new();
        for part in [0, 63, 64, 1000] {
            assert!(progress.is_open(part));
            progress.note_taken(part);
            assert_eq!(progress.is_open(part), part >= Progress::PARTS);
        }
        progress.note_refused(7);
        let open = |part: &usize| progress.is_open(*part);
        assert_eq!((0..100).filter(|part| !open(part)).collect::<Vec<_>>(), [0, 7, 63]);
        assert_eq!((0..100).filter(|part| progress.is_refused(*part)).collect::<Vec<_>>(), [7]);
    }
}
