use std::sync::atomic::{AtomicU64, Ordering};

/// Which parts of a delivery have been taken, from one attempt to the next.
///
/// An adapter that asks several places for one envelope notes here which of them have taken it, so that a later attempt
/// asks only the others. It belongs to one envelope and one caller, and lives as long as its attempts.
///
/// ```
/// use dispatch_core::delivery::Progress;
///
/// let progress = Progress::default();
/// progress.note(1);
/// assert!(progress.is_taken(1) && !progress.is_taken(0));
/// ```
#[derive(Debug, Default)]
pub struct Progress(AtomicU64);

impl Progress {
    /// How many parts it tells apart. Those after them never count as taken.
    pub const PARTS: usize = 64;

    /// Nothing has been taken.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// That part has been taken.
    pub fn note(&self, part: usize) {
        if part < Self::PARTS {
            self.0.fetch_or(1 << part, Ordering::Relaxed);
        }
    }

    /// Whether that part has been taken.
    #[must_use]
    pub fn is_taken(&self, part: usize) -> bool {
        part < Self::PARTS && self.0.load(Ordering::Relaxed) & 1 << part != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_noted_on_its_own() {
        let progress = Progress::new();
        for part in [0, 63, 64, 1000] {
            assert!(!progress.is_taken(part));
            progress.note(part);
            assert_eq!(progress.is_taken(part), part < Progress::PARTS);
        }
        assert_eq!((0..100).filter(|part| progress.is_taken(*part)).count(), 2);
    }
}
