//! What must have ended by when.
//!
//! - The soonest deadline comes first; of equal ones, the one that was added first.
//! - An entry is a weak handle: what is dropped has ended, and is neither waited for nor found.
//! - What has ended leaves its entry behind until it is swept, so that ending costs nothing. The queue is never
//!   longer than twice what is pending, or a small number.

use std::collections::VecDeque;
use std::rc::{Rc, Weak};

/// Deadlines, soonest first.
///
/// Made for entries that mostly come in the order of their deadlines, as those of one time-out do: adding one is
/// then O(1). An entry that is due before others that are here already is sorted in, which costs a step for each.
#[derive(Debug)]
pub struct Deadlines<At, T> {
    queue: VecDeque<(At, Weak<T>)>,
}

impl<At, T> Default for Deadlines<At, T> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<At: Copy + Ord, T> Deadlines<At, T> {
    /// Below this length the queue is not worth sweeping.
    const SMALL: usize = 64;

    /// Adds an entry; `pending` is the number of those that have not ended, with this one.
    pub fn push(&mut self, deadline: At, entry: &Rc<T>, pending: usize) {
        if self.queue.len() > Self::SMALL && self.queue.len() > 2 * pending {
            self.queue.retain(|(_, entry)| entry.strong_count() > 0);
        }
        let later = self.queue.iter().rev().take_while(|(other, _)| *other > deadline).count();
        self.queue.insert(self.queue.len() - later, (deadline, Rc::downgrade(entry)));
    }

    /// The soonest deadline of what has not ended.
    pub fn soonest(&mut self) -> Option<At> {
        while let Some((deadline, entry)) = self.queue.front() {
            if entry.strong_count() > 0 {
                return Some(*deadline);
            }
            self.queue.pop_front();
        }
        None
    }

    /// Takes out what is due at `now` and has not ended: the soonest, one with every call.
    pub fn pop_due(&mut self, now: At) -> Option<Rc<T>> {
        while self.queue.front().is_some_and(|(deadline, _)| *deadline <= now) {
            let entry = self.queue.pop_front().and_then(|(_, entry)| entry.upgrade());
            if entry.is_some() {
                return entry;
            }
        }
        None
    }

    /// Number of entries; what has ended and was not swept is among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        /// Adds an entry that is due after this time.
        Push(u16),
        /// The entry at this place of the model ends.
        End(usize),
        /// Time goes on, and everything due is taken out.
        Go(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            // Mostly one time-out, as with a dispatcher; now and then another one.
            6 => Just(Step::Push(100)),
            2 => (0u16..200).prop_map(Step::Push),
            4 => any::<usize>().prop_map(Step::End),
            2 => (0u16..60).prop_map(Step::Go),
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(steps in steps()) {
            let mut deadlines = Deadlines::default();
            // Deadline and number of what has not ended.
            let mut model: Vec<(u64, Rc<usize>)> = Vec::new();
            let (mut now, mut number) = (0u64, 0);
            for step in steps {
                match step {
                    Step::Push(after) => {
                        let at = now + u64::from(after);
                        number += 1;
                        let entry = Rc::new(number);
                        deadlines.push(at, &entry, model.len() + 1);
                        model.push((at, entry));
                        model.sort();
                        prop_assert!(deadlines.len() <= 2 * model.len() + 65);
                    }
                    Step::End(place) if !model.is_empty() => {
                        model.remove(place % model.len());
                    }
                    Step::End(_) => {}
                    Step::Go(by) => {
                        now += u64::from(by);
                        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(now)).collect();
                        let (expected, later): (Vec<_>, _) = model.into_iter().partition(|(at, _)| *at <= now);
                        model = later;
                        prop_assert_eq!(due, expected.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(deadlines.soonest(), model.first().map(|(at, _)| *at));
            }
        }
    }

    #[test]
    fn entries_of_what_has_ended_do_not_pile_up() {
        for running in [1, 20, 100] {
            let (mut deadlines, held): (_, Vec<_>) =
                (Deadlines::default(), (1..running).map(Rc::new).collect());
            for entry in &held {
                deadlines.push(1, entry, running);
            }
            for n in 0..10_000 {
                deadlines.push(30_000 + n, &Rc::new(0), running);
                assert!(deadlines.len() <= 65.max(2 * running + 1), "{}", deadlines.len());
            }
            assert_eq!(deadlines.soonest(), held.first().map(|_| 1));
            drop(held);
            assert_eq!(deadlines.soonest(), None);
            assert!(deadlines.is_empty());
        }
    }
}
