use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::messenger::Schedule;

use super::Messenger;
use super::outdated::clear;

/// The longest pause after occurrences that could not be stored; they are stored ahead, so there is time.
const PAUSE: Duration = Duration::from_secs(5);
/// How often to look again at what has to be stored, whatever the clock says: it may have been set.
const LOOK: Duration = Duration::from_secs(60);

pub(super) struct SchedulerActor {
    messenger: Messenger,
    plans: Vec<Plan>,
}

/// A schedule, and how far its occurrences are stored.
struct Plan {
    schedule: Arc<Schedule>,
    /// What is not planned any more was cancelled.
    cleared: bool,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// What is planned of a schedule was stored, or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Stored {
    place: usize,
    all: bool,
    cleared: bool,
}

impl SchedulerActor {
    pub(super) fn new(messenger: Messenger, schedules: Vec<Schedule>) -> Self {
        let plan = |schedule| Plan { schedule: Arc::new(schedule), cleared: false };
        Self { messenger, plans: schedules.into_iter().map(plan).collect() }
    }

    /// Stores every occurrence of a schedule that has to be stored by now. It is answered by [`Stored`], and not called
    /// again before that.
    fn store(&self, place: usize, ctx: &Context<Self>) {
        let Some(plan) = self.plans.get(place) else { return };
        let (messenger, schedule) = (self.messenger.clone(), Arc::clone(&plan.schedule));
        let (address, mut cleared) = (ctx.address(), plan.cleared);
        actix::spawn(async move {
            let now = messenger.shared.clock.now();
            if !cleared {
                match clear(&messenger, &schedule, now).await {
                    Ok(()) => cleared = true,
                    Err(error) => {
                        tracing::warn!(schedule = %schedule.name(), %error, "what is not planned any more could not be looked for");
                    }
                }
            }
            let mut all = cleared;
            for planned in schedule.ahead(now) {
                let options = schedule.options_at(planned);
                let message = schedule.message().clone();
                // The configuration may have been replaced meanwhile.
                let stored = match messenger.can_wait(&message, &options) {
                    Ok(()) => messenger.dispatch_with(message, &options).await.map(drop),
                    Err(error) => Err(error),
                };
                if let Err(error) = stored {
                    tracing::warn!(schedule = %schedule.name(), %error, "an occurrence could not be stored; it will be tried again");
                    all = false;
                }
            }
            address.do_send(Stored { place, all, cleared });
        });
    }
}

impl Actor for SchedulerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        (0..self.plans.len()).for_each(|place| self.store(place, ctx));
    }
}

impl Handler<Stored> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, Stored { place, all, cleared }: Stored, ctx: &mut Self::Context) {
        let Some(plan) = self.plans.get_mut(place) else { return };
        plan.cleared = cleared;
        let now = self.messenger.shared.clock.now();
        // Once an occurrence is due, there is another one to be stored.
        let next = plan.schedule.planned_after(now).and_then(|next| next.duration_since(now).ok());
        let most = if all { LOOK } else { PAUSE };
        let wait = next.map_or(most, |next| next.min(most)).max(Duration::from_millis(1));
        ctx.run_later(wait, move |scheduler, ctx| scheduler.store(place, ctx));
    }
}

impl Handler<Stop> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
