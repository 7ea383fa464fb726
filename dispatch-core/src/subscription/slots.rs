//! Which consumer has which keys.
//!
//! - A key belongs to one of [`SlotTable::SLOTS`] slots, by its hash; a slot belongs to one seat.
//! - The numbers of slots of any two seats differ by one at most.
//! - A change of members moves only the slots that the new one gets, or the old one had.

/// The seats that slots belong to.
#[derive(Debug, Clone, Default)]
pub(super) struct SlotTable {
    /// The seat of each slot; empty if there is no seat.
    owners: Vec<u16>,
    /// How many slots each seat has; `None` if nobody sits there.
    counts: Vec<Option<u16>>,
}

impl SlotTable {
    /// No seats.
    pub(super) const EMPTY: Self = Self { owners: Vec::new(), counts: Vec::new() };

    /// Number of slots. More consumers than these and some have no keys.
    pub(super) const SLOTS: u16 = 1024;

    /// The seat that has a key.
    pub(super) fn owner(&self, hash: u64) -> Option<u16> {
        // The remainder fits.
        #[expect(clippy::cast_possible_truncation, reason = "less than the number of slots")]
        let slot = (hash % u64::from(Self::SLOTS)) as usize;
        self.owners.get(slot).copied()
    }

    /// Gives somebody a seat, and its share of the slots; `None` if all seats are taken.
    pub(super) fn sit_down(&mut self) -> Option<u16> {
        let free = self.counts.iter().position(Option::is_none).unwrap_or(self.counts.len());
        let seat = u16::try_from(free).ok()?;
        if self.counts.len() == free {
            self.counts.push(None);
        }
        let seats = u16::try_from(self.counts.iter().flatten().count() + 1).ok()?;
        self.set(seat, Some(0));
        if seats == 1 {
            self.owners = vec![seat; Self::SLOTS.into()];
            self.set(seat, Some(Self::SLOTS));
            return Some(seat);
        }
        let least = Self::SLOTS / seats;
        let most = least + u16::from(!Self::SLOTS.is_multiple_of(seats));
        // Whoever would be over the greater share gives first; after that whoever is over the lesser one.
        for limit in [most, least] {
            for slot in 0..self.owners.len() {
                let Some(owner) = self.owners.get(slot).copied() else { break };
                if self.count(seat) == least {
                    break;
                }
                if owner != seat && self.count(owner) > limit {
                    self.give(slot, seat);
                }
            }
        }
        Some(seat)
    }

    /// Takes a seat away; its slots go to those that have the fewest.
    pub(super) fn stand_up(&mut self, seat: u16) {
        self.set(seat, None);
        if self.counts.iter().all(Option::is_none) {
            self.owners = Vec::new();
            return;
        }
        for slot in 0..self.owners.len() {
            if self.owners.get(slot) == Some(&seat)
                && let Some(poorest) = self.poorest()
            {
                self.give(slot, poorest);
            }
        }
    }

    fn poorest(&self) -> Option<u16> {
        let seats = (0..).zip(&self.counts).filter_map(|(seat, count)| Some((seat, (*count)?)));
        seats.min_by_key(|(_, count)| *count).map(|(seat, _)| seat)
    }

    fn count(&self, seat: u16) -> u16 {
        self.counts.get(usize::from(seat)).copied().flatten().unwrap_or_default()
    }

    fn set(&mut self, seat: u16, count: Option<u16>) {
        if let Some(entry) = self.counts.get_mut(usize::from(seat)) {
            *entry = count;
        }
    }

    fn give(&mut self, slot: usize, seat: u16) {
        let Some(owner) = self.owners.get_mut(slot) else { return };
        let former = std::mem::replace(owner, seat);
        if let Some(Some(count)) = self.counts.get_mut(usize::from(former)) {
            *count -= 1;
        }
        if let Some(Some(count)) = self.counts.get_mut(usize::from(seat)) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(table: &SlotTable, sitting: &[u16]) {
        let counts: Vec<_> =
            sitting.iter().map(|seat| table.owners.iter().filter(|owner| *owner == seat).count()).collect();
        assert_eq!(counts.iter().sum::<usize>(), table.owners.len());
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{counts:?}");
    }

    proptest! {
        #[test]
        fn shares_are_equal_and_only_what_must_move_moves(moves in prop::collection::vec(any::<Option<prop::sample::Index>>(), 1..40)) {
            let (mut table, mut sitting) = (SlotTable::default(), Vec::new());
            for step in moves {
                let before = table.owners.clone();
                match step {
                    Some(index) if !sitting.is_empty() => {
                        let gone: u16 = sitting.remove(index.index(sitting.len()));
                        table.stand_up(gone);
                        if sitting.is_empty() {
                            prop_assert_eq!(table.owner(1), None);
                        } else {
                            prop_assert!(before.iter().zip(&table.owners).all(|(old, new)| old == new || *old == gone));
                        }
                    }
                    _ => {
                        let seat = table.sit_down().unwrap();
                        prop_assert!(!sitting.contains(&seat));
                        sitting.push(seat);
                        prop_assert!(before.iter().zip(&table.owners).all(|(old, new)| old == new || *new == seat));
                    }
                }
                if !sitting.is_empty() { check(&table, &sitting); }
            }
        }
    }

    #[test]
    fn a_third_consumer_gets_a_third_of_the_slots() {
        let mut table = SlotTable::default();
        table.sit_down();
        table.sit_down();
        let before = table.owners.clone();
        table.sit_down();
        let moved = before.iter().zip(&table.owners).filter(|(old, new)| old != new).count();
        assert_eq!(moved, 341);
    }
}
