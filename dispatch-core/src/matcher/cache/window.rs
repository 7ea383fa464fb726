/// Judges from stretches of look-ups whether the cache is worth asking.
///
/// A window of look-ups is served and its hits are counted. If they are too few, the cache is by-passed for a
/// number of windows, then served for one again; the number doubles with each failure in a row, up to a limit.
#[derive(Debug)]
pub(super) struct Window {
    /// Look-ups until the next judgement.
    left: u32,
    bypassing: bool,
    /// Look-ups in a window that is served.
    length: u32,
    /// For how many windows the next by-pass lasts.
    penance: u32,
    /// All hits when the window began.
    hits: u64,
}

impl Window {
    /// Of this many look-ups one at least must hit: below that the search costs more than the hits save.
    const ONE_HIT_IN: u64 = 5;
    const SHORTEST: usize = 1024;
    const LONGEST: usize = 1 << 20;
    const MOST_PENANCE: u32 = 32;

    /// The window of a cache with that many slots: long enough for a cold cache to fill.
    pub(super) fn new(slots: usize) -> Self {
        // No loss: clamped.
        let length = slots.saturating_mul(4).clamp(Self::SHORTEST, Self::LONGEST) as u32;
        Self { left: length, bypassing: false, length, penance: 4, hits: 0 }
    }

    /// Begins at a number of hits other than none.
    pub(super) const fn turn_base(&mut self, hits: u64) {
        self.hits = hits;
    }

    #[inline]
    pub(super) const fn is_closed(&self) -> bool {
        self.left == 0
    }

    #[inline]
    pub(super) const fn is_bypassing(&self) -> bool {
        self.bypassing
    }

    /// Counts a look-up in a window that is not closed; whether it is to be by-passed.
    #[inline]
    pub(super) const fn take(&mut self) -> bool {
        self.left -= 1;
        self.bypassing
    }

    /// Judges the closed window by the number of all hits so far and opens the next one.
    #[cold]
    pub(super) fn turn(&mut self, hits: u64) {
        let failed = !self.bypassing && (hits - self.hits) * Self::ONE_HIT_IN < u64::from(self.length);
        if failed {
            self.left = self.length * self.penance;
            self.penance = (self.penance * 2).min(Self::MOST_PENANCE);
        } else {
            self.left = self.length;
            if !self.bypassing {
                self.penance = 4;
            }
        }
        self.bypassing = failed;
        self.hits = hits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves look-ups of which every `one_hit_in`-th hits, and returns how many were by-passed.
    fn run(window: &mut Window, lookups: u64, one_hit_in: u64, hits: &mut u64) -> u64 {
        let mut bypassed = 0;
        for n in 0..lookups {
            if window.is_closed() {
                window.turn(*hits);
            }
            if window.take() {
                bypassed += 1;
            } else if n % one_hit_in == 0 {
                *hits += 1;
            }
        }
        bypassed
    }

    #[test]
    fn hits_keep_the_cache_in_use() {
        assert_eq!(run(&mut Window::new(256), 100_000, 4, &mut 0), 0);
    }

    #[test]
    fn without_hits_most_lookups_are_bypassed() {
        assert!(run(&mut Window::new(256), 1_000_000, 100, &mut 0) > 950_000);
    }

    #[test]
    fn hits_that_come_back_are_noticed() {
        let (mut window, mut hits) = (Window::new(256), 0);
        run(&mut window, 100_000, 100, &mut hits);
        run(&mut window, 40_000, 2, &mut hits);
        assert_eq!(run(&mut window, 100_000, 2, &mut hits), 0);
    }
}
