use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::messenger::{MessengerError, Schedule};
use tokio::sync::oneshot;

use super::Messenger;
use super::outdated::{Clearing, clear};
use crate::system;

/// The longest pause after occurrences that could not be stored; they are stored ahead, so there is time.
const PAUSE: Duration = Duration::from_secs(5);
/// How often to look again at what has to be stored, whatever the clock says: it may have been set.
const LOOK: Duration = Duration::from_secs(60);
/// Occurrences that are stored at once.
const TOGETHER: usize = 100;

pub(super) struct SchedulerActor {
    messenger: Messenger,
    plans: Vec<Plan>,
    clearings: Vec<Clearing>,
    /// Its thread, if that is its own, ends with it.
    _alive: oneshot::Sender<()>,
}

/// A schedule, and how far its occurrences are stored.
struct Plan {
    schedule: Arc<Schedule>,
    /// When it is looked at again; nothing while an attempt is under way.
    alarm: Option<SpawnHandle>,
    /// It was tried to store what is ahead.
    was_tried: bool,
    /// Of the times ahead, those whose occurrences are stored.
    stored: BTreeSet<SystemTime>,
    /// Times whose occurrences have to be stored once more, whether they are ahead or not any more.
    again: BTreeSet<SystemTime>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// What is planned of a schedule was stored, or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Stored {
    place: usize,
    stored: Vec<SystemTime>,
    all: bool,
    /// Of the times to be stored once more, those that were not.
    again: BTreeSet<SystemTime>,
}

/// Occurrences of these times were cancelled, since they were those of an earlier version.
#[derive(Message)]
#[rtype(result = "()")]
struct Cancelled {
    place: usize,
    times: BTreeSet<SystemTime>,
}

impl SchedulerActor {
    pub(super) fn new(messenger: Messenger, schedules: Vec<Schedule>, alive: oneshot::Sender<()>) -> Self {
        let plan = |schedule| Plan {
            schedule: Arc::new(schedule),
            alarm: None,
            was_tried: false,
            stored: BTreeSet::new(),
            again: BTreeSet::new(),
        };
        let plans: Vec<_> = schedules.into_iter().map(plan).collect();
        let clearings = Self::clearings(&messenger, &plans);
        Self { messenger, plans, clearings, _alive: alive }
    }

    /// What may have to be cleared: the schedules of each transport.
    fn clearings(messenger: &Messenger, plans: &[Plan]) -> Vec<Clearing> {
        let now = messenger.shared.clock.now();
        let mut by_transport: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (place, Plan { schedule, .. }) in plans.iter().enumerate() {
            let transports =
                messenger.transports_of(&schedule.message().message_type, &schedule.options_at(now));
            // It was looked at before: they are there.
            for transport in transports.into_iter().flatten() {
                by_transport.entry(transport).or_default().push((place, Arc::clone(schedule)));
            }
        }
        let clearing = |(transport, schedules)| Clearing { transport, schedules, has_begun: false };
        by_transport.into_iter().map(clearing).collect()
    }

    /// Stores every occurrence of a schedule that has to be stored by now. It is answered by [`Stored`], and not called
    /// again before that.
    fn store(&mut self, place: usize, ctx: &mut Context<Self>) {
        let Some(plan) = self.plans.get_mut(place) else { return };
        if let Some(alarm) = plan.alarm.take() {
            ctx.cancel_future(alarm);
        }
        let ahead = plan.schedule.ahead(self.messenger.shared.clock.now());
        let mut again = mem::take(&mut plan.again);
        // Those behind it are stored in their time.
        again.retain(|time| ahead.last().is_none_or(|last| time <= last));
        // Only of what is ahead, and not up to which time: the clock may be set back.
        let stored = mem::take(&mut plan.stored);
        plan.stored = ahead.iter().copied().filter(|time| stored.contains(time)).collect();
        let new = ahead.into_iter().filter(|time| !stored.contains(time));
        let times: BTreeSet<_> = again.iter().copied().chain(new).collect();
        let (messenger, schedule) = (self.messenger.clone(), Arc::clone(&plan.schedule));
        let address = ctx.address();
        actix::spawn(async move {
            let wanted = times.len();
            let stored = store(&messenger, &schedule, times).await;
            stored.iter().for_each(|time| {
                again.remove(time);
            });
            address.do_send(Stored { place, all: stored.len() == wanted, stored, again });
        });
    }

    /// Begins to clear transports whose schedules were all tried to be stored: what is planned goes first.
    fn clear_some(&mut self, ctx: &mut Context<Self>) {
        let Self { clearings, plans, .. } = self;
        let was_tried = |(place, _): &(usize, _)| plans.get(*place).is_some_and(|plan| plan.was_tried);
        let mut ready = Vec::new();
        for (place, clearing) in clearings.iter_mut().enumerate() {
            if !clearing.has_begun && clearing.schedules.iter().all(was_tried) {
                clearing.has_begun = true;
                ready.push(place);
            }
        }
        ready.into_iter().for_each(|place| self.clear(place, ctx));
    }

    /// Cancels what is not planned any more. If that fails it is tried again by itself: what is planned is stored
    /// meanwhile.
    fn clear(&self, place: usize, ctx: &mut Context<Self>) {
        let Some(Clearing { transport, schedules, .. }) = self.clearings.get(place) else { return };
        let (transport, schedules) = (transport.clone(), schedules.clone());
        let (queue, now) = (self.messenger.queue(transport.as_str()), self.messenger.shared.clock.now());
        let address = ctx.address();
        let clearing = async move {
            let cancelled = |place, times| address.do_send(Cancelled { place, times });
            clear(&*queue?, &schedules, now, cancelled).await?;
            Ok(())
        };
        let then = move |cleared: Result<(), MessengerError>, _: &mut Self, ctx: &mut Context<Self>| {
            if let Err(error) = cleared {
                tracing::warn!(%transport, %error, "what is not planned any more could not be looked for; it will be tried again");
                ctx.run_later(LOOK, move |scheduler, ctx| scheduler.clear(place, ctx));
            }
        };
        ctx.spawn(clearing.into_actor(self).map(then));
    }
}

impl Actor for SchedulerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if !system::is_running() {
            // The system has ended before its first turn.
            return ctx.stop();
        }
        (0..self.plans.len()).for_each(|place| self.store(place, ctx));
    }
}

impl Handler<Stored> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, Stored { place, stored, all, again }: Stored, ctx: &mut Self::Context) {
        let Some(plan) = self.plans.get_mut(place) else { return };
        plan.was_tried = true;
        plan.stored.extend(stored);
        // What was cancelled meanwhile is stored at once.
        let most = match (all, plan.again.is_empty()) {
            (true, true) => LOOK,
            (false, true) => PAUSE,
            (_, false) => Duration::ZERO,
        };
        plan.again.extend(again);
        let now = self.messenger.shared.clock.now();
        // Once an occurrence is due, there is another one to be stored.
        let next = plan.schedule.planned_after(now).and_then(|next| next.duration_since(now).ok());
        let wait = next.map_or(most, |next| next.min(most)).max(Duration::from_millis(1));
        plan.alarm = Some(ctx.run_later(wait, move |scheduler, ctx| scheduler.store(place, ctx)));
        self.clear_some(ctx);
    }
}

impl Handler<Cancelled> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, Cancelled { place, times }: Cancelled, ctx: &mut Self::Context) {
        let Some(plan) = self.plans.get_mut(place) else { return };
        let Plan { schedule, again, alarm, .. } = plan;
        again.extend(times.into_iter().filter(|time| schedule.plans(*time)));
        if !again.is_empty() && alarm.is_some() {
            self.store(place, ctx);
        }
    }
}

impl Handler<Stop> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// Stores the occurrences of a schedule at these times, the earliest first; those that were.
async fn store(messenger: &Messenger, schedule: &Schedule, times: BTreeSet<SystemTime>) -> Vec<SystemTime> {
    let mut stored = Vec::new();
    let mut times = times.into_iter().peekable();
    while let Some(first) = times.peek() {
        // The configuration may have been replaced meanwhile.
        let mut error = messenger.can_wait(schedule.message(), &schedule.options_at(*first)).err();
        let some: Vec<_> = times.by_ref().take(TOGETHER).collect();
        let before = stored.len();
        if error.is_none() {
            let items = some.iter().map(|time| (schedule.message().clone(), schedule.options_at(*time)));
            let sent = messenger.dispatch_batch(items).await;
            for (time, sent) in some.into_iter().zip(sent.results) {
                match sent {
                    Ok(_) => stored.push(time),
                    Err(failed) => error = Some(failed),
                }
            }
        }
        if let Some(error) = error {
            tracing::warn!(schedule = %schedule.name(), %error, "occurrences could not be stored; it will be tried again");
            if stored.len() == before {
                break;
            }
        }
    }
    stored
}
