//! The work of one dispatcher: what runs, what waits, what is late.
//!
//! - Work starts in the order in which it came, at most `concurrency` pieces at a time.
//! - A piece is answered once: by its handler, by its deadline, or because the dispatcher is gone.
//! - Its time runs from the moment the router handed it over, so waiting counts.
//! - Handlers run under `catch_unwind`, in their first part, in every poll and while they are dropped.
//! - A turn is taken in the task of the dispatcher's actor, or in that of the router for a piece that nothing is before.
//! - A handler that answers at once costs no allocation, no timer and no queue.
//!
//! Durations: the clock is read once for a run of handlers that answered at once. A run is cut when it took
//! longer than 50 µs ([`Pace`]), so that is the resolution of a duration, or the handler's own first part if that
//! is longer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dispatch_core::dispatch::Outcome;
use dispatch_core::policy::Deadlines;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Sleep;
use tracing::Span;

use super::actor::Drive;
use super::handler::{Answer, Call, Condition, Fault, Handler};
use super::pace::Pace;
use super::task::{Ended, Place, Task, Ticket, begin_in};
use super::{Limits, Link};
use crate::clock::Tick;
use crate::flight::{Flight, Job};
use crate::inbox::Inbox;
use crate::shard::Shard;
use crate::trace;

/// A job whose handler answered at once, its span and the answer.
type Answered = (Job, Option<Box<Span>>, Answer);

pub(crate) struct Lane<H: Handler> {
    handler: H,
    link: Rc<Link>,
    shard: Rc<Shard>,
    limits: Limits,
    inbox: Inbox<Job>,
    arrivals: Vec<Job>,
    waiting: VecDeque<Job>,
    running: FuturesUnordered<Task<H::Future>>,
    deadlines: Deadlines<Tick, Ticket>,
    /// A place that no task uses.
    spare: Option<Place<H::Future>>,
    /// Answered, not yet settled: the clock is read once for all of them.
    answered: Vec<Answered>,
    pace: Pace,
    timer: Option<(Tick, Pin<Box<Sleep>>)>,
}

impl<H: Handler> Lane<H> {
    pub(crate) fn new(
        handler: H,
        link: Rc<Link>,
        shard: Rc<Shard>,
        limits: Limits,
        inbox: Inbox<Job>,
    ) -> Self {
        Self {
            handler,
            link,
            shard,
            limits,
            inbox,
            arrivals: Vec::new(),
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            deadlines: Deadlines::default(),
            spare: None,
            answered: Vec::new(),
            pace: Pace::new(),
            timer: None,
        }
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.limits.concurrency
    }

    /// Reads the clock and looks at the budget.
    fn look_at_clock(&mut self) -> Tick {
        let now = self.shard.clock.now();
        self.pace.looked(now);
        now
    }

    /// Starts a single job, which is all there is when callers wait for one another: no run, no list.
    fn start_one(&mut self, job: Job, cx: &mut Context<'_>) -> Tick {
        let pulse = Arc::clone(&self.shard.pulse);
        let beat = pulse.enter(self.link.slot);
        let answered = self.start(job, cx);
        drop(beat);
        let now = self.look_at_clock();
        if let Some((job, span, answer)) = answered {
            self.settle(job, span.as_deref(), answer, self.limits.timeout, now);
        }
        now
    }

    /// Starts jobs in runs and settles those that answered at once. What is over the budget is left.
    fn start_all(&mut self, jobs: &mut impl ExactSizeIterator<Item = Job>, cx: &mut Context<'_>) {
        // A short run needs no look at the clock before it: it is too short to be cut.
        let mut begun = (!Pace::is_short(jobs.len())).then(|| self.look_at_clock());
        while jobs.len() > 0 && !self.pace.is_exhausted() {
            let pulse = Arc::clone(&self.shard.pulse);
            let beat = pulse.enter(self.link.slot);
            for job in jobs.by_ref().take(self.pace.run()) {
                if let Some(answered) = self.start(job, cx) {
                    self.answered.push(answered);
                }
            }
            drop(beat);
            if self.answered.is_empty() {
                self.look_at_clock();
                continue;
            }
            let now = self.look_at_clock();
            if let Some(begun) = begun {
                self.pace.ran(now.since(begun));
            }
            begun = Some(now);
            self.settle_answered(now);
        }
    }

    /// Calls the handler; `None` if it has not answered yet.
    fn start(&mut self, mut job: Job, cx: &mut Context<'_>) -> Option<Answered> {
        let envelope = job.envelope.take()?;
        let parent = job.flight().and_then(Flight::span);
        let span = parent.map(|parent| Box::new(trace::dispatcher(parent, &self.link.id)));
        let place = self.spare.get_or_insert_with(|| Box::pin(None));
        let call = Call { shard: &self.shard, link: &self.link, job: &job };
        let begin = || begin_in(place, cx, || self.handler.call(envelope, &call));
        let polled = match &span {
            Some(span) => span.in_scope(begin),
            None => begin(),
        };
        match polled {
            Poll::Ready(answer) => Some((job, span, answer)),
            Poll::Pending => {
                let ticket = Rc::new(Ticket::default());
                let deadline = job.started().after(self.limits.timeout);
                self.deadlines.push(deadline, &ticket, self.running.len() + 1);
                let limit = self.limits.timeout;
                // The future stays where it is; the next call gets another place.
                self.running.push(Task { place: self.spare.take(), job: Some(job), ticket, limit, span });
                None
            }
        }
    }

    fn settle_answered(&mut self, now: Tick) {
        let mut answered = std::mem::take(&mut self.answered);
        for (job, span, answer) in answered.drain(..) {
            self.settle(job, span.as_deref(), answer, self.limits.timeout, now);
        }
        self.answered = answered;
    }

    #[inline]
    fn settle(&self, job: Job, span: Option<&Span>, answer: Answer, limit: Duration, now: Tick) {
        let duration = now.since(job.started());
        let outcome = match answer {
            Ok(outputs) if duration <= limit && outputs.len() <= self.shard.max_outputs => {
                Outcome::success(outputs, duration)
            }
            answer => self.failure(answer, limit, duration),
        };
        self.answer(job, span, outcome, now);
    }

    /// The outcome of an answer that is no success.
    #[cold]
    fn failure(&self, answer: Answer, limit: Duration, duration: Duration) -> Outcome {
        match answer {
            // It came, but too late: the first part of a handler cannot be interrupted.
            _ if duration > limit => Outcome::timeout(limit, duration),
            Ok(outputs) => Outcome::answered(outputs, self.shard.max_outputs, duration),
            Err(fault) => fault.outcome(&self.shard.sanitizer, duration),
        }
    }

    #[inline]
    fn answer(&self, job: Job, span: Option<&Span>, outcome: Outcome, now: Tick) {
        if let Some(span) = span {
            trace::executed(span, &self.link.id, &outcome);
        }
        job.answer(outcome, now);
    }

    fn time_out(&self, job: Job, span: Option<&Span>, limit: Duration, now: Tick) {
        let outcome = Outcome::timeout(limit, now.since(job.started()));
        self.answer(job, span, outcome, now);
    }

    /// Polls what was woken; true if something ended.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ended = false;
        loop {
            let pulse = self.shard.pulse.enter(self.link.slot);
            let polled = self.running.poll_next_unpin(cx);
            drop(pulse);
            let Poll::Ready(Some(Ended { place, job, limit, span, answer })) = polled else { return ended };
            ended = true;
            self.spare = self.spare.take().or(place);
            let (Some(job), now) = (job, self.look_at_clock()) else { continue };
            match answer {
                Some(answer) => self.settle(job, span.as_deref(), answer, limit, now),
                None => self.time_out(job, span.as_deref(), limit, now),
            }
            if self.pace.is_exhausted() {
                return ended;
            }
        }
    }

    /// Starts what waits and fits.
    fn start_waiting(&mut self, cx: &mut Context<'_>) {
        while !self.pace.is_exhausted()
            && self.has_room()
            && let Some(job) = self.waiting.pop_front()
        {
            self.start_one(job, cx);
        }
    }

    /// Answers what is late; true if a task was told.
    fn check_deadlines(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.limits.timeout;
        let waiting = self.waiting.front().map(|job| job.started().after(limit));
        let Some(next) = [waiting, self.deadlines.soonest()].into_iter().flatten().min() else {
            self.timer = None;
            return false;
        };
        if self.timer.as_ref().is_none_or(|(at, _)| *at > next) {
            self.timer = Some((next, Box::pin(tokio::time::sleep_until(self.shard.clock.instant(next)))));
        }
        let Some((at, timer)) = &mut self.timer else { return false };
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        let now = self.shard.clock.now().max(*at);
        self.timer = None;
        while self.waiting.front().is_some_and(|job| job.started().after(limit) <= now) {
            if let Some(job) = self.waiting.pop_front() {
                self.time_out(job, None, limit, now);
            }
        }
        while let Some(late) = self.deadlines.pop_due(now) {
            late.expire();
        }
        true
    }
}

impl<H: Handler> Drive for Lane<H> {
    fn drive(&mut self, cx: &mut Context<'_>) {
        self.pace.begin_turn();
        let ready = self.handler.poll_ready(cx).is_ready();
        self.inbox.take(&mut self.arrivals, cx);
        let unlimited = ready && self.waiting.is_empty() && self.limits.concurrency == usize::MAX;
        if unlimited && self.arrivals.len() <= 1 {
            if let Some(job) = self.arrivals.pop() {
                self.start_one(job, cx);
            }
        } else if unlimited {
            let mut arrivals = std::mem::take(&mut self.arrivals);
            let mut jobs = arrivals.drain(..);
            self.start_all(&mut jobs, cx);
            // Nearly always nothing is left, and to add nothing to a queue is not free.
            if jobs.len() > 0 {
                self.waiting.extend(jobs);
            } else {
                drop(jobs);
            }
            self.arrivals = arrivals;
        } else {
            self.waiting.extend(self.arrivals.drain(..));
            if ready {
                self.start_waiting(cx);
            }
        }
        loop {
            let ended = !self.running.is_empty() && self.poll_running(cx);
            if ended && ready {
                self.start_waiting(cx);
            }
            let told = self.check_deadlines(cx);
            if self.pace.is_exhausted() {
                // Others first; this lane goes on in its next turn.
                cx.waker().wake_by_ref();
                return;
            }
            if !told && !ended {
                return;
            }
        }
    }

    fn start_now(&mut self, job: &mut Option<Job>, cx: &mut Context<'_>) -> Option<Tick> {
        if !H::MAY_ANSWER_AT_ONCE || !self.waiting.is_empty() || !self.has_room() {
            return None;
        }
        let running = self.running.len();
        let now = self.start_one(job.take()?, cx);
        if self.running.len() > running {
            // It goes on in the dispatcher's own turn.
            cx.waker().wake_by_ref();
        }
        Some(now)
    }

    fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    fn abandon(&mut self) {
        let now = self.shard.clock.now();
        self.inbox.drain(&mut self.arrivals);
        let mut left: Vec<_> = std::mem::take(&mut self.arrivals);
        left.extend(self.waiting.drain(..));
        for mut task in std::mem::take(&mut self.running) {
            if let Some(place) = &mut task.place {
                super::task::empty(place);
            }
            left.extend(task.job.take());
        }
        for job in left {
            self.settle(job, None, Err(Fault::Stopped), Duration::MAX, now);
        }
    }

    fn condition(&self) -> Condition {
        self.handler.condition()
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.arrivals.is_empty()
    }
}
