use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::messenger::{Judgement, Name, WorkerConfig, WorkerState, WorkerStep};
use dispatch_core::queue::{
    Attempt, Claim, LeaseToken, Leased, MessageQueue, Outcome, QueueError, Settlement, WorkerId,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::WorkerReport;
use super::figures::Figures;
use super::hand::{Hand, Held};
use super::memory::Probe;
use super::protocol::{ClaimAnswered, ExtendAnswered, SettleAnswered, Woken};
use super::settling::Settling;
use super::telling::Telling;
use crate::messenger::Messenger;
use crate::{Engine, system};

/// What a handler may ask for at most.
const LONGEST_RETRY: Duration = Duration::from_secs(366 * 24 * 3_600);
/// How often transports forget what is over.
const SWEEP: Duration = Duration::from_secs(60);
/// How long after the deadline of a drain answers of transports are waited for.
pub(in crate::messenger) const GRACE: Duration = Duration::from_secs(5);

/// What an attempt is said to have failed with that was not ended at the deadline.
const ABANDONED: &str = "the worker was stopped before the handlers had ended";

mod begin;
mod dead_letters;
mod mailbox;

/// Takes messages, has them handled, and tells what became of them.
pub(super) struct WorkerActor {
    id: WorkerId,
    messenger: Messenger,
    engine: Engine,
    config: WorkerConfig,
    state: WorkerState,
    sources: Vec<Source>,
    hand: Hand,
    random: SmallRng,
    started: Instant,
    alarm: Option<SpawnHandle>,
    /// The configuration of the messenger that is kept to; `None` before the first look at it.
    revision: Option<u64>,
    probe: Probe,
    report: WorkerReport,
    figures: Figures,
    telling: Telling,
    /// It ends, and only waits for the dead-letter target.
    parting: bool,
    ended: watch::Sender<Option<WorkerReport>>,
    /// Its thread, if that is its own, ends with it.
    _alive: oneshot::Sender<()>,
}

/// A transport, as a worker sees it.
struct Source {
    queue: Arc<dyn MessageQueue>,
    /// Its queues, as they were known last.
    names: Vec<Name>,
    /// There may be others by now.
    stale: bool,
    /// When they were looked up.
    looked_up: Duration,
    /// Somebody waits to be woken by it.
    listening: Option<AbortHandle>,
    settling: Settling,
}

impl WorkerActor {
    pub(super) fn new(
        id: WorkerId,
        messenger: Messenger,
        engine: Engine,
        config: WorkerConfig,
        queues: Vec<Arc<dyn MessageQueue>>,
        (figures, probe): (Figures, Probe),
        (ended, alive): (watch::Sender<Option<WorkerReport>>, oneshot::Sender<()>),
    ) -> Self {
        let source = |queue| Source {
            queue,
            names: Vec::new(),
            stale: true,
            looked_up: Duration::ZERO,
            listening: None,
            settling: Settling::default(),
        };
        let telling = Telling::to(messenger.shared.dead_letters.clone());
        Self {
            id,
            messenger,
            engine,
            state: WorkerState::new(&config),
            config,
            sources: queues.into_iter().map(source).collect(),
            hand: Hand::default(),
            random: SmallRng::from_os_rng(),
            started: Instant::now(),
            alarm: None,
            revision: None,
            probe,
            report: WorkerReport::default(),
            figures,
            telling,
            parting: false,
            ended,
            _alive: alive,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall(&self) -> SystemTime {
        self.messenger.shared.clock.now()
    }

    /// Does whatever there is to do by now.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        self.look_at_rates();
        self.begin_some(ctx);
        if let Some(alarm) = self.alarm.take() {
            ctx.cancel_future(alarm);
        }
        loop {
            match self.state.step(self.now()) {
                WorkerStep::Claim { source, max } => self.claim(source, max, ctx),
                WorkerStep::Measure => self.measure(),
                WorkerStep::Wait { until } => {
                    let wait = until.map(|until| until.saturating_sub(self.now()));
                    self.alarm = wait.map(|wait| ctx.run_later(wait, Self::drive));
                    break;
                }
                WorkerStep::Stop(reason) => {
                    if self.sources.iter().all(|source| source.settling.is_idle()) && self.has_told(ctx) {
                        self.report.reason = Some(reason);
                        tracing::info!(worker = %self.id, %reason, done = self.report.done, "the worker has ended");
                        ctx.stop();
                    }
                    break;
                }
            }
        }
    }

    /// How much memory the process has.
    fn measure(&mut self) {
        let found = self.probe.measure();
        if let Err(error) = &found {
            tracing::warn!(worker = %self.id, %error, "how much memory the process has cannot be said; the worker goes on");
        }
        self.state.measured(found.ok(), self.now());
    }

    fn claim(&mut self, place: usize, max: usize, ctx: &mut Context<Self>) {
        let Some(source) = self.sources.get(place) else { return };
        // Under load they are looked up now and then, too: a new one may have what is more urgent.
        let stale = source.stale || self.now().saturating_sub(source.looked_up) >= self.config.poll;
        let (queue, mut names) = (Arc::clone(&source.queue), source.names.clone());
        let wanted = self.config.queues.clone();
        let (worker, lease, address) = (self.id.clone(), self.config.lease, ctx.address());
        let asked_at = Instant::now();
        actix::spawn(async move {
            let look = async {
                // Those that are not there give nothing.
                if !wanted.is_empty() {
                    names = wanted.iter().filter_map(|name| Name::new(name).ok()).collect();
                } else if stale {
                    names = queue.queues().await?.into_iter().map(|(name, _)| name).collect();
                }
                queue.claim(&Claim { worker, queues: names.clone(), max, lease }).await
            };
            let answer = look.await;
            address.do_send(ClaimAnswered {
                asked_at,
                source: place,
                asked: max,
                queues: names,
                looked_up: stale,
                answer,
            });
        });
    }

    /// A message is out of hand, and this is what becomes of it; without a time if nothing was tried for it.
    fn judge(
        &mut self,
        token: &LeaseToken,
        judgement: Judgement,
        ran: Option<Duration>,
        ctx: &mut Context<Self>,
    ) {
        let Some(held) = self.put_down(token) else { return };
        let now_by_queue = held.now_by_queue();
        let Held { source, leased, .. } = held;
        self.state.finished(!matches!(judgement, Judgement::Done));
        let took = ran.unwrap_or_default();
        self.figures.of(source, |work| {
            work.of_type(leased.message.message_type.as_str(), |own| match judgement {
                Judgement::Done => own.done(took),
                Judgement::Retry { .. } => own.retried(took),
                Judgement::Failed { .. } => own.failed(ran),
            });
        });
        let attempt = |error| self.attempt(&leased, error, took);
        let outcome = match judgement {
            Judgement::Done => {
                self.report.done += 1;
                Outcome::Done
            }
            Judgement::Retry { after, error, succeeded } => {
                let attempt = attempt(error);
                tracing::warn!(
                    message_id = %token.id, message_type = %leased.message.message_type, attempt = leased.attempt,
                    error = attempt.error, retry_in_ms = after.as_millis(), "a message will be tried again"
                );
                self.report.retried += 1;
                Outcome::Retry { at: now_by_queue + after.min(LONGEST_RETRY), attempt, succeeded }
            }
            Judgement::Failed { error, unrecoverable, succeeded } => {
                let attempt = Attempt { unrecoverable, ..attempt(error) };
                tracing::error!(
                    message_id = %token.id, message_type = %leased.message.message_type, attempt = leased.attempt,
                    error = attempt.error, "a message has failed"
                );
                self.report.failed += 1;
                Outcome::Failed { attempt, succeeded }
            }
        };
        self.settle(source, &leased, outcome, ctx);
    }

    fn attempt(&self, leased: &Leased, error: String, ran: Duration) -> Attempt {
        let now = self.wall();
        Attempt {
            series: leased.series,
            number: leased.attempt,
            worker: self.id.clone(),
            started_at: now.checked_sub(ran).unwrap_or(now),
            waited: leased.waited(),
            ran: Some(ran),
            error,
            unrecoverable: false,
        }
    }

    /// Tells a transport what has become of a message.
    fn settle(&mut self, place: usize, leased: &Leased, outcome: Outcome, ctx: &mut Context<Self>) {
        let lease_ends = Instant::now() + self.config.lease;
        if let Some(source) = self.sources.get_mut(place) {
            source.settling.push(Settlement { token: leased.token.clone(), outcome }, lease_ends);
            self.tell(place, ctx);
        }
    }

    fn tell(&mut self, place: usize, ctx: &mut Context<Self>) {
        let Some(source) = self.sources.get_mut(place) else { return };
        let Some(batch) = source.settling.next() else { return };
        let (queue, address) = (Arc::clone(&source.queue), ctx.address());
        actix::spawn(async move {
            let answer = queue.settle(batch.clone()).await;
            address.do_send(SettleAnswered { source: place, batch, answer });
        });
    }

    /// A message is out of hand.
    fn put_down(&mut self, token: &LeaseToken) -> Option<Held> {
        let held = self.hand.put_down(token)?;
        if !held.begun {
            self.state.not_begun(held.source);
        }
        Some(held)
    }

    /// Hands a message back that nobody has begun with.
    fn hand_back(&mut self, held: &Held, ctx: &mut Context<Self>) {
        self.state.handed_back();
        self.release(held.source, &held.leased, ctx);
    }

    /// Hands a message back that is not in hand.
    fn release(&mut self, place: usize, leased: &Leased, ctx: &mut Context<Self>) {
        self.report.handed_back += 1;
        self.figures.of(place, |work| work.handed_back += 1);
        // Of an ordering key it stays the first, also if it was handed back until a time before and others are due earlier.
        let at = leased.message.ordering_key.as_ref().map(|_| leased.due_at);
        self.settle(place, leased, Outcome::Release { at }, ctx);
    }

    /// Hands back all that nobody has begun with.
    fn hand_back_waiting(&mut self, ctx: &mut Context<Self>) {
        for held in self.hand.put_down_waiting() {
            self.state.not_begun(held.source);
            self.hand_back(&held, ctx);
        }
    }

    /// Lets leases run on.
    fn extend(&mut self, ctx: &mut Context<Self>) {
        for (place, source) in self.sources.iter().enumerate() {
            let tokens = self.hand.of_source(place);
            if tokens.is_empty() {
                continue;
            }
            let (queue, lease, address) = (Arc::clone(&source.queue), self.config.lease, ctx.address());
            actix::spawn(async move {
                match queue.extend(&tokens, lease).await {
                    Ok(answers) => {
                        let (mut extended, mut lost) = (Vec::new(), Vec::new());
                        for (token, answer) in tokens.into_iter().zip(answers) {
                            match answer {
                                Ok(until) => extended.push((token, until)),
                                Err(QueueError::LeaseLost { .. }) => lost.push(token),
                                Err(_) => {}
                            }
                        }
                        address.do_send(ExtendAnswered { extended, lost });
                    }
                    Err(error) => {
                        tracing::warn!(transport = queue.name(), %error, "leases could not be extended; it will be tried again");
                    }
                }
            });
        }
    }

    /// What is in hand and what was not written is left to its leases.
    fn give_up(&mut self) {
        for held in self.hand.put_down_all() {
            self.report.abandoned.push(held.leased.token.id);
            self.figures.of(held.source, |work| work.abandoned += 1);
        }
        for (place, source) in self.sources.iter_mut().enumerate() {
            let unwritten = source.settling.give_up() as u64;
            self.report.unwritten += unwritten;
            self.figures.of(place, |work| work.unwritten += unwritten);
        }
        self.stop_telling();
    }

    /// Has transports forget what they were made to keep for a while only.
    fn sweep(&self) {
        for source in &self.sources {
            let queue = Arc::clone(&source.queue);
            actix::spawn(async move {
                if let Err(error) = queue.sweep().await {
                    tracing::warn!(transport = queue.name(), %error, "what is over could not be swept; it will be tried again");
                }
            });
        }
    }

    /// Waits until a transport has something, unless somebody does already.
    fn listen(&mut self, place: usize, seen: dispatch_core::queue::Wakeup, ctx: &mut Context<Self>) {
        let Some(source) = self.sources.get_mut(place).filter(|source| source.listening.is_none()) else {
            return;
        };
        let (queue, address) = (Arc::clone(&source.queue), ctx.address().downgrade());
        let listening = actix::spawn(async move {
            // A queue that was closed wakes nobody any more; claims will say so.
            if queue.wait(seen).await.is_ok()
                && let Some(address) = address.upgrade()
            {
                address.do_send(Woken { source: place });
            }
        });
        source.listening = Some(listening.abort_handle());
    }
}

impl Actor for WorkerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1_024);
        if !system::is_running() {
            // The system has ended before its first turn.
            return ctx.stop();
        }
        ctx.run_interval(self.config.lease / 3, Self::extend);
        ctx.run_interval(SWEEP, |worker, _| worker.sweep());
        self.drive(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        // Whoever listens has the queue, which would be open until it wakes somebody.
        self.sources.iter().filter_map(|source| source.listening.as_ref()).for_each(AbortHandle::abort);
        // Nothing is left, unless the whole system was stopped.
        self.give_up();
        self.ended.send_replace(Some(self.report.clone()));
    }
}
