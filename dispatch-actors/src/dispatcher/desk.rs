//! Where the lane of a dispatcher is between two turns.
//!
//! Its actor owns the desk; nobody else keeps it alive. A turn is taken by whoever is there first: the actor in its
//! own task, or the router for a piece of work that nothing is before.
//!
//! - While a turn is taken the desk is empty, so no lane has two turns at a time, and nothing is borrowed while
//!   other people's code runs.
//! - The lane is back after each turn, a panic included.

use std::cell::Cell;

use super::actor::Drive;
use crate::guard::guarded;

#[derive(Default)]
pub(crate) struct Desk(Cell<Option<Box<dyn Drive>>>);

impl Desk {
    /// Puts a lane there.
    pub(crate) fn put(&self, lane: Box<dyn Drive>) {
        self.0.set(Some(lane));
    }

    /// Does something with the lane; `None` if it is having a turn.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut dyn Drive) -> R) -> Option<R> {
        let mut lane = self.0.take()?;
        let mut done = None;
        guarded(|| done = Some(work(&mut *lane)));
        self.put(lane);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::task::Context;

    use super::*;
    use crate::clock::Tick;
    use crate::dispatcher::{Condition, Limits};
    use crate::flight::Job;

    struct Idle;

    impl Drive for Idle {
        fn drive(&mut self, _: &mut Context<'_>) {}

        fn start_now(&mut self, _: &mut Option<Job>, _: &mut Context<'_>) -> Option<Tick> {
            None
        }

        fn set_limits(&mut self, _: Limits) {}

        fn abandon(&mut self) {}

        fn condition(&self) -> Condition {
            Condition::Up
        }

        fn is_idle(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_lane_has_one_turn_at_a_time() {
        let desk = Rc::new(Desk::default());
        assert_eq!(desk.with(|_| ()), None, "nothing is there yet");
        desk.put(Box::new(Idle));
        let again = Rc::clone(&desk);
        assert_eq!(desk.with(|lane| (lane.is_idle(), again.with(|_| ()))), Some((true, None)));
    }

    #[test]
    fn a_lane_is_back_after_a_turn_that_panics() {
        let desk = Desk::default();
        desk.put(Box::new(Idle));
        assert_eq!(desk.with::<()>(|_| panic!("boom")), None);
        assert_eq!(desk.with(|lane| lane.is_idle()), Some(true));
    }
}
