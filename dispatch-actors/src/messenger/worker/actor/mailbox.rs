//! What the mailbox brings to a worker.

use actix::prelude::*;
use dispatch_core::messenger::{Judgement, StopReason};
use dispatch_core::queue::{Outcome, QueueError};
use dispatch_metrics::WorkerMetrics;
use tokio::time::Instant;

use super::super::WorkerInfo;
use super::super::hand::Held;
use super::super::protocol::{
    AskInfo, ClaimAnswered, Drain, ExtendAnswered, Handled, NotDispatched, Scale, SetPaused, SettleAnswered,
    Woken,
};
use super::super::telling::Failed;
use super::dead_letters::failed_of;
use super::{ABANDONED, GRACE, WorkerActor};
use crate::Refused;
use crate::messenger::metrics::AskMetrics;

impl Handler<ClaimAnswered> for WorkerActor {
    type Result = ();

    fn handle(&mut self, answered: ClaimAnswered, ctx: &mut Self::Context) {
        let ClaimAnswered { source: place, asked, asked_at, queues, looked_up, answer } = answered;
        let now = self.now();
        match answer {
            Ok(mut claimed) => {
                let count = claimed.messages.len();
                let wall = self.wall();
                let next = claimed.next_due.map(|due| due.duration_since(wall).unwrap_or_default());
                let taken = self.state.claimed(place, asked, count, next, now);
                if let Some(source) = self.sources.get_mut(place) {
                    source.names = queues;
                    if looked_up {
                        source.looked_up = now;
                    }
                    // With less than was asked for there is time to look for queues that are new.
                    source.stale = count < asked;
                }
                self.report.expired += claimed.expired as u64;
                self.report.unreadable += claimed.unreadable as u64;
                self.figures.of(place, |work| {
                    work.expired += claimed.expired as u64;
                    work.unreadable += claimed.unreadable as u64;
                });
                let unreadable = claimed.unreadable_ids.into_iter();
                let unreadable = unreadable.map(|id| Failed { source: place, id, claim: None });
                self.has_failed(place, unreadable, ctx);
                // It has answered so late that what it was asked for came from another one.
                for leased in claimed.messages.split_off(taken.min(count)) {
                    self.release(place, &leased, ctx);
                }
                for leased in claimed.messages {
                    self.hand.take(place, leased, asked_at);
                }
                if self.state.is_stopping() {
                    self.hand_back_waiting(ctx);
                } else if count < asked {
                    self.listen(place, claimed.seen, ctx);
                }
            }
            Err(QueueError::Closed) => {
                tracing::warn!(worker = %self.id, "a transport was closed, and so the worker ends");
                self.state.claim_failed(place, now);
                self.state.stop();
            }
            Err(error) => {
                self.state.claim_failed(place, now);
                let transport = self.sources.get(place).map(|source| source.queue.name().to_owned());
                tracing::warn!(worker = %self.id, transport, %error, "a transport cannot be asked; it will be tried again");
            }
        }
        self.drive(ctx);
    }
}

impl Handler<Woken> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Woken { source: place }: Woken, ctx: &mut Self::Context) {
        if let Some(source) = self.sources.get_mut(place) {
            source.listening = None;
            source.stale = true;
        }
        self.state.woken(place, self.now());
        self.drive(ctx);
    }
}

impl Handler<Handled> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Handled { token, result, ran }: Handled, ctx: &mut Self::Context) {
        // One that was abandoned, or whose lease was lost, is not listened to any more.
        let Some(leased) = self.hand.leased(&token) else { return };
        let policy = self.messenger.retry_of(&leased.message.message_type);
        let judgement = match result {
            Ok(result) => Judgement::of_result(&result, leased, &policy, &mut self.random),
            Err(NotDispatched::NoTopic(error)) => Judgement::unrecoverable(error, leased),
            Err(NotDispatched::Refused(Refused::InvalidState)) => {
                tracing::warn!(worker = %self.id, "the engine has ended, and so does the worker");
                self.state.stop();
                if let Some(held) = self.put_down(&token) {
                    self.hand_back(&held, ctx);
                }
                return self.drive(ctx);
            }
            Err(NotDispatched::Refused(refused)) => {
                Judgement::of_refusal(refused.to_string(), leased, &policy, &mut self.random)
            }
        };
        self.judge(&token, judgement, Some(ran), ctx);
        self.drive(ctx);
    }
}

impl Handler<SettleAnswered> for WorkerActor {
    type Result = ();

    fn handle(&mut self, answered: SettleAnswered, ctx: &mut Self::Context) {
        let SettleAnswered { source: place, batch, answer } = answered;
        let Some(source) = self.sources.get_mut(place) else { return };
        if let Err(error) = &answer {
            tracing::warn!(transport = source.queue.name(), %error, "what became of messages could not be written");
        }
        let mut failed = if answer.is_ok() { failed_of(&batch) } else { Vec::new() };
        let settled = source.settling.answered(batch, &answer, Instant::now());
        self.report.lost += settled.lost;
        self.report.unwritten += settled.given_up;
        self.figures.of(place, |work| {
            work.lost += settled.lost;
            work.unwritten += settled.given_up;
        });
        // One whose lease is lost may have been written by a call whose answer was, and so may one that was given up: what
        // is not stored as failed is not told.
        failed.extend(failed_of(&settled.unsure));
        let failed = failed.into_iter();
        let failed = failed.map(|token| Failed { source: place, id: token.id, claim: Some(token.claim) });
        self.has_failed(place, failed, ctx);
        match settled.again {
            Some(pause) => {
                ctx.run_later(pause, move |worker, ctx| {
                    if let Some(source) = worker.sources.get_mut(place) {
                        source.settling.go_on();
                    }
                    worker.tell(place, ctx);
                });
            }
            None => self.tell(place, ctx),
        }
        self.drive(ctx);
    }
}

impl Handler<ExtendAnswered> for WorkerActor {
    type Result = ();

    fn handle(&mut self, answered: ExtendAnswered, ctx: &mut Self::Context) {
        let ExtendAnswered { extended, lost } = answered;
        for (token, until) in extended {
            self.hand.extended(&token, until);
        }
        for token in lost {
            if let Some(held) = self.put_down(&token) {
                self.figures.of(held.source, |work| work.lost += 1);
                tracing::warn!(message_id = %token.id, "the lease on a message is lost: somebody else handles it, too");
                self.report.lost += 1;
                self.state.finished(false);
            }
        }
        self.drive(ctx);
    }
}

impl Handler<SetPaused> for WorkerActor {
    type Result = ();

    fn handle(&mut self, SetPaused(paused): SetPaused, ctx: &mut Self::Context) {
        self.state.set_paused(paused);
        self.drive(ctx);
    }
}

impl Handler<Scale> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Scale(concurrency): Scale, ctx: &mut Self::Context) {
        self.state.scale(concurrency);
        self.drive(ctx);
    }
}

impl Handler<Drain> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Drain { deadline }: Drain, ctx: &mut Self::Context) {
        self.state.stop();
        self.hand_back_waiting(ctx);
        ctx.run_later(deadline, |worker, ctx| {
            for Held { source, leased, .. } in worker.hand.put_down_all() {
                tracing::error!(message_id = %leased.token.id, "a message was still being handled at the deadline");
                worker.report.abandoned.push(leased.token.id);
                worker.figures.of(source, |work| work.abandoned += 1);
                worker.state.finished(true);
                let ran = worker.wall().duration_since(leased.claimed_at).unwrap_or_default();
                let attempt = worker.attempt(&leased, ABANDONED.to_owned(), ran);
                // Its handler may still be at it: nobody else begins while the lease lasts that it was begun under.
                let outcome =
                    Outcome::Retry { at: leased.leased_until, attempt, succeeded: leased.succeeded.clone() };
                worker.settle(source, &leased, outcome, ctx);
            }
            worker.drive(ctx);
            ctx.run_later(GRACE, |worker, ctx| {
                // Whoever does not answer by now is not waited for.
                tracing::error!(worker = %worker.id, "transports have not answered in time; the worker ends without them");
                worker.report.reason = Some(StopReason::Asked);
                worker.give_up();
                ctx.stop();
            });
        });
        self.drive(ctx);
    }
}

impl Handler<AskInfo> for WorkerActor {
    type Result = MessageResult<AskInfo>;

    fn handle(&mut self, _: AskInfo, _: &mut Self::Context) -> Self::Result {
        MessageResult(WorkerInfo {
            id: self.id.clone(),
            paused: self.state.is_paused(),
            stopping: self.state.is_stopping(),
            concurrency: self.state.concurrency(),
            running: self.hand.running(),
            waiting: self.hand.waiting(),
            so_far: self.report.clone(),
        })
    }
}

impl Handler<AskMetrics> for WorkerActor {
    type Result = MessageResult<AskMetrics>;

    fn handle(&mut self, _: AskMetrics, _: &mut Self::Context) -> Self::Result {
        let mut metrics = WorkerMetrics::default();
        metrics.id = self.id.to_string();
        metrics.concurrency = self.state.concurrency() as u64;
        (metrics.running, metrics.waiting) = (self.hand.running() as u64, self.hand.waiting() as u64);
        (metrics.paused, metrics.stopping) = (self.state.is_paused(), self.state.is_stopping());
        (metrics.untold, metrics.work) = (self.telling.len() as u64, self.figures.by_name());
        MessageResult(metrics)
    }
}
