//! What has failed, told to the dead-letter target.

use std::sync::Arc;

use actix::prelude::*;
use dispatch_core::queue::{LeaseToken, Outcome, Settlement};

use super::super::protocol::FailedTold;
use super::super::telling::{Failed, Told, tell};
use super::WorkerActor;

/// The claims of a batch in which messages have failed for good.
pub(super) fn failed_of(batch: &[Settlement]) -> Vec<LeaseToken> {
    let failed = batch.iter().filter(|settlement| matches!(settlement.outcome, Outcome::Failed { .. }));
    failed.map(|settlement| settlement.token.clone()).collect()
}

impl WorkerActor {
    /// Messages have failed, and their transport has them as such, or will say that it has not.
    pub(super) fn has_failed(
        &mut self,
        source: usize,
        failed: impl IntoIterator<Item = Failed>,
        ctx: &mut Context<Self>,
    ) {
        for failed in failed {
            let id = failed.id;
            if !self.telling.push(failed) {
                tracing::error!(message_id = %id, "too many failed messages wait for the dead-letter target; this one is not told");
                self.untold(source, 1);
            }
        }
        self.tell_failed(ctx);
    }

    fn tell_failed(&mut self, ctx: &mut Context<Self>) {
        let Some((target, batch)) = self.telling.next() else { return };
        let sources = self.sources.iter().enumerate();
        let places: Vec<_> = sources
            .map(|(place, source)| (self.figures.transport(place).to_owned(), Arc::clone(&source.queue)))
            .collect();
        let address = ctx.address();
        actix::spawn(async move {
            let told = tell(&*target, &places, batch).await;
            address.do_send(FailedTold { told });
        });
    }

    fn untold(&mut self, source: usize, messages: u64) {
        self.report.untold += messages;
        self.figures.of(source, |work| work.untold += messages);
    }

    /// Whether the dead-letter target has been told of everything. At the end of a worker it has a little time for that.
    pub(super) fn has_told(&mut self, ctx: &mut Context<Self>) -> bool {
        if !self.telling.is_idle() && !self.parting {
            self.parting = true;
            ctx.run_later(super::GRACE, |worker, ctx| {
                worker.stop_telling();
                worker.drive(ctx);
            });
        }
        self.telling.is_idle()
    }

    /// What has not been told is not told any more; transports have it.
    pub(super) fn stop_telling(&mut self) {
        let left = self.telling.give_up();
        for Failed { source, id, .. } in left {
            tracing::error!(message_id = %id, "the worker ends before the dead-letter target was told of a failed message");
            self.untold(source, 1);
        }
    }
}

impl Handler<FailedTold> for WorkerActor {
    type Result = ();

    fn handle(&mut self, FailedTold { told }: FailedTold, ctx: &mut Self::Context) {
        if self.telling.is_over() {
            // Those were counted as not told.
            return;
        }
        let mut again = Vec::new();
        for (failed, outcome) in told {
            match outcome {
                Told::Taken => self.figures.of(failed.source, |work| work.dead_lettered += 1),
                Told::Nothing => {}
                Told::Refused => self.untold(failed.source, 1),
                Told::Again => again.push(failed),
            }
        }
        match self.telling.answered(again) {
            Some(pause) => {
                ctx.run_later(pause, |worker, ctx| {
                    worker.telling.go_on();
                    worker.tell_failed(ctx);
                });
            }
            None => self.tell_failed(ctx),
        }
        self.drive(ctx);
    }
}
