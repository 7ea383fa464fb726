//! Who must have answered by when: the rule is in core, telling the late is here.

use std::rc::Rc;

use dispatch_core::policy;

use super::task::Ticket;
use crate::clock::Tick;

/// Deadlines of the running tasks of a dispatcher.
#[derive(Default)]
pub(crate) struct Deadlines(policy::Deadlines<Tick, Ticket>);

impl Deadlines {
    /// Adds a task; `running` is the number of tasks that run.
    pub(crate) fn push(&mut self, deadline: Tick, ticket: &Rc<Ticket>, running: usize) {
        self.0.push(deadline, ticket, running);
    }

    /// The soonest deadline of a task that still runs.
    pub(crate) fn next(&mut self) -> Option<Tick> {
        self.0.soonest()
    }

    /// Tells every task whose time is up.
    pub(crate) fn expire(&mut self, now: Tick) {
        while let Some(ticket) = self.0.pop_due(now) {
            ticket.expire();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_is_late_is_told() {
        let tick = |ms| Tick::default().after(Duration::from_millis(ms));
        let mut deadlines = Deadlines::default();
        let tickets = [20, 30, 10].map(|ms| {
            let ticket = Rc::new(Ticket::default());
            deadlines.push(tick(ms), &ticket, 3);
            ticket
        });
        assert_eq!(deadlines.next(), Some(tick(10)));
        deadlines.expire(tick(25));
        assert_eq!(tickets.map(|ticket| ticket.is_expired()), [true, false, true]);
        assert_eq!(deadlines.next(), None, "what has ended is not waited for");
    }
}
