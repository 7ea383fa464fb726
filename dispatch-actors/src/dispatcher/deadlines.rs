//! Who must have answered by when.

use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::task::Ticket;
use crate::clock::Tick;

/// Deadlines of running tasks, soonest first.
///
/// Tasks of one dispatcher have one time-out, so deadlines come in order and a queue is enough; a changed
/// time-out is sorted in. A finished task leaves its entry behind; the queue is swept when more than half of it
/// may be such entries.
#[derive(Default)]
pub(crate) struct Deadlines {
    queue: VecDeque<(Tick, Weak<Ticket>)>,
}

impl Deadlines {
    /// Below this length the queue is not worth sweeping.
    const SMALL: usize = 64;

    /// Adds a task; `running` is the number of tasks that run.
    pub(crate) fn push(&mut self, deadline: Tick, ticket: &Rc<Ticket>, running: usize) {
        if self.queue.len() > Self::SMALL && self.queue.len() > 2 * running {
            self.queue.retain(|(_, ticket)| ticket.strong_count() > 0);
        }
        let later = self.queue.iter().rev().take_while(|(other, _)| *other > deadline).count();
        self.queue.insert(self.queue.len() - later, (deadline, Rc::downgrade(ticket)));
    }

    /// The soonest deadline of a task that still runs.
    pub(crate) fn next(&mut self) -> Option<Tick> {
        while let Some((deadline, ticket)) = self.queue.front() {
            if ticket.strong_count() > 0 {
                return Some(*deadline);
            }
            self.queue.pop_front();
        }
        None
    }

    /// Tells every task whose time is up.
    pub(crate) fn expire(&mut self, now: Tick) {
        while let Some((deadline, ticket)) = self.queue.front() {
            if *deadline > now {
                return;
            }
            if let Some(ticket) = ticket.upgrade() {
                ticket.expire();
            }
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tick(ms: u64) -> Tick {
        Tick::default().after(Duration::from_millis(ms))
    }

    #[test]
    fn the_soonest_running_task_counts() {
        let mut deadlines = Deadlines::default();
        let tickets: Vec<_> = (0..3).map(|_| Rc::new(Ticket::default())).collect();
        for (ticket, ms) in tickets.iter().zip([20, 30, 10]) {
            deadlines.push(tick(ms), ticket, 3);
        }
        assert_eq!(deadlines.next(), Some(tick(10)));
        let [first, second, third] = tickets.try_into().ok().unwrap();
        drop(third);
        assert_eq!(deadlines.next(), Some(tick(20)));
        deadlines.expire(tick(25));
        assert!(first.is_expired() && !second.is_expired());
    }

    #[test]
    fn entries_of_finished_tasks_do_not_pile_up() {
        let mut deadlines = Deadlines::default();
        for ms in 0..100_000 {
            deadlines.push(tick(30_000 + ms), &Rc::new(Ticket::default()), 1);
        }
        assert!(deadlines.queue.len() <= 2 * Deadlines::SMALL);
    }
}
