use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::SubscriptionState;
use super::entries::{Entries, Phase};
use crate::subscription::{DeliveryToken, Effect, Fetch};

/// What has to be done by when.
///
/// - A timer names a message and a stamp; it means nothing once the message has another one.
/// - Answers are mostly due in the order of the deliveries, so theirs are a queue; it is swept when more than half of it
///   is stale.
#[derive(Debug, Default)]
pub(super) struct Timers {
    answers: VecDeque<(Duration, u32, u64)>,
    wakes: BinaryHeap<Reverse<(Duration, u64, u32)>>,
    fetches: Vec<(Duration, u64, Fetch)>,
}

/// Below this length it is not worth it to sweep.
const SMALL: usize = 64;

impl Timers {
    /// A delivery has to be answered by then.
    pub(super) fn answer_by(&mut self, at: Duration, place: u32, stamp: u64) {
        let later = self.answers.iter().rev().take_while(|(other, ..)| *other > at).count();
        self.answers.insert(self.answers.len() - later, (at, place, stamp));
    }

    /// A message may go on then.
    pub(super) fn wake_at(&mut self, at: Duration, place: u32, stamp: u64) {
        self.wakes.push(Reverse((at, stamp, place)));
    }

    /// A read is repeated then.
    pub(super) fn fetch_again(&mut self, at: Duration, request: Fetch, stamp: u64) {
        self.fetches.push((at, stamp, request));
    }

    /// The soonest that is not stale; `held` is how many deliveries there may be.
    pub(super) fn soonest<R>(&mut self, entries: &Entries<R>, held: usize) -> Option<Duration> {
        let answer = self.soonest_answer(entries, held);
        let wake = self.wakes.peek().map(|Reverse((at, ..))| *at);
        let fetch = self.fetches.iter().map(|(at, ..)| *at).min();
        [answer, wake, fetch].into_iter().flatten().min()
    }

    /// When the first answer has to be there.
    pub(super) fn soonest_answer<R>(&mut self, entries: &Entries<R>, held: usize) -> Option<Duration> {
        self.sweep(entries, held);
        self.answers.front().map(|(at, ..)| *at)
    }

    fn sweep<R>(&mut self, entries: &Entries<R>, held: usize) {
        if self.answers.len() > SMALL + 2 * held {
            self.answers.retain(|(_, place, stamp)| is_live(entries, *place, *stamp));
        }
        while self.answers.front().is_some_and(|(_, place, stamp)| !is_live(entries, *place, *stamp)) {
            self.answers.pop_front();
        }
        while self.wakes.peek().is_some_and(|Reverse((_, stamp, place))| !is_live(entries, *place, *stamp)) {
            self.wakes.pop();
        }
    }

    fn pop_answer(&mut self, now: Duration) -> Option<(u32, u64)> {
        let (_, place, stamp) = self.answers.front().copied().filter(|(at, ..)| *at <= now)?;
        self.answers.pop_front();
        Some((place, stamp))
    }

    fn pop_wake(&mut self, now: Duration) -> Option<(u32, u64)> {
        let Reverse((_, stamp, place)) = self.wakes.peek().copied().filter(|Reverse((at, ..))| *at <= now)?;
        self.wakes.pop();
        Some((place, stamp))
    }

    fn pop_fetch(&mut self, now: Duration) -> Option<Fetch> {
        let index = self.fetches.iter().position(|(at, ..)| *at <= now)?;
        Some(self.fetches.swap_remove(index).2)
    }
}

fn is_live<R>(entries: &Entries<R>, place: u32, stamp: u64) -> bool {
    entries.get(place).is_some_and(|entry| entry.stamp == stamp)
}

impl<R: Clone> SubscriptionState<R> {
    /// Deliveries that were not answered in time have failed.
    pub(super) fn time_out(&mut self, now: Duration, effects: &mut Vec<Effect<R>>) {
        while let Some((place, stamp)) = self.timers.pop_answer(now) {
            if is_live(&self.entries, place, stamp) {
                self.counters.timed_out += 1;
                self.overdue(place, effects);
                let reason = format!("not acknowledged within {:?}", self.ack_timeout);
                self.failed(place, None, reason, false, now, effects);
            }
        }
    }

    /// What waited for its time goes on.
    pub(super) fn timers_due(&mut self, now: Duration, effects: &mut Vec<Effect<R>>) {
        if self.timers.answers.len() > SMALL + 2 * self.held {
            self.timers.sweep(&self.entries, self.held);
        }
        while let Some((place, stamp)) = self.timers.pop_wake(now) {
            let Some(entry) = self.entries.get(place).filter(|entry| entry.stamp == stamp) else { continue };
            match entry.phase {
                Phase::Delayed => self.admit(place),
                Phase::Backoff => self.again(place),
                Phase::Keeping => self.keep_again(place, effects),
                _ => {}
            }
        }
        while let Some(request) = self.timers.pop_fetch(now) {
            self.fetch_again(request);
        }
    }

    /// The time to answer a delivery is over: its consumer has it all the same.
    fn overdue(&mut self, place: u32, effects: &mut Vec<Effect<R>>) {
        let Some(entry) = self.entries.get(place) else { return };
        let Phase::InFlight(consumer) = entry.phase else { return };
        let (topic, offset, attempt) = (entry.topic, entry.offset, entry.attempts() + 1);
        let token = DeliveryToken { topic, offset, attempt, consumer, entry: place, stamp: entry.stamp };
        if let Some(member) = self.members.get_mut(consumer) {
            member.beside.overdue.insert(token.stamp);
        }
        effects.push(Effect::TimedOut(token));
    }
}
