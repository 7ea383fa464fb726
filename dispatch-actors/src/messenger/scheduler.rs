use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::messenger::{
    DispatchOptions, Message, MessengerError, MessengerErrorCode, QueuedMessage, Schedule,
};
use dispatch_core::queue::{Filter, MessageState, Page};

use super::Messenger;

/// The pause after occurrences that could not be stored; they are stored ahead, so there is time.
const PAUSE: Duration = Duration::from_secs(5);
/// How often to look again at what has to be stored, whatever the clock says: it may have been set.
const LOOK: Duration = Duration::from_secs(60);
/// Messages that are looked at at once.
const TOGETHER: usize = 200;

/// Sends the messages of schedules, for as long as this or a clone of it is there.
///
/// Any number of schedulers of any number of processes may have the same schedules: each occurrence is stored once.
#[derive(Debug, Clone)]
pub struct Scheduler(std::sync::Arc<Running>);

/// Stops its scheduler once nobody has it any more.
#[derive(Debug)]
struct Running(Addr<SchedulerActor>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.do_send(Stop);
    }
}

impl Messenger {
    /// Starts to send the messages of schedules, on this thread.
    ///
    /// The next occurrence of each is stored at once. Occurrences that were stored by an earlier version of a schedule of
    /// the same name, and that it does not plan any more or would send with another payload, are cancelled.
    /// One whose message type or transports have changed needs another name: what is stored of it is sent as it was.
    ///
    /// # Errors
    /// Everything that is wrong with the schedules: two of one name, or a message or options that cannot be sent.
    pub fn schedule(
        &self,
        schedules: impl IntoIterator<Item = Schedule>,
    ) -> Result<Scheduler, MessengerError> {
        let schedules: Vec<_> = schedules.into_iter().collect();
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        for schedule in &schedules {
            if !names.insert(schedule.name().clone()) {
                problems.push(format!(
                    "there are two schedules '{}': name one of them otherwise",
                    schedule.name()
                ));
            }
            let now = self.shared.clock.now();
            let options = schedule.options_at(schedule.planned_after(now).unwrap_or(now));
            if let Err(error) = self.can_wait(schedule.message(), &options) {
                problems.extend(
                    error.problems().iter().map(|text| format!("schedule '{}': {text}", schedule.name())),
                );
            }
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(MessengerError::new(MessengerErrorCode::Scheduler, problems.join("; ")));
        }
        let actor = SchedulerActor {
            messenger: self.clone(),
            schedules: schedules.into(),
            alarm: None,
            cleared: false,
        };
        Ok(Scheduler(std::sync::Arc::new(Running(actor.start()))))
    }
}

impl Messenger {
    /// Whether a message can be sent, and every transport of it keeps it until it is due.
    fn can_wait(&self, message: &Message, options: &DispatchOptions) -> Result<(), MessengerError> {
        for QueuedMessage { transport, .. } in self.plan(message, options)? {
            if !self.queue(transport.as_str())?.keeps() {
                let problem = format!(
                    "transport '{transport}' handles messages at once, so they cannot wait: use another"
                );
                return Err(MessengerError::new(MessengerErrorCode::Scheduler, problem));
            }
        }
        Ok(())
    }
}

impl Scheduler {
    /// Stops to store occurrences. Those that are stored fire nevertheless.
    pub fn stop(&self) {
        self.0.0.do_send(Stop);
    }
}

struct SchedulerActor {
    messenger: Messenger,
    schedules: std::sync::Arc<[Schedule]>,
    alarm: Option<SpawnHandle>,
    /// What is not planned any more was cancelled.
    cleared: bool,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

/// What is planned was stored, or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Stored {
    all: bool,
    cleared: bool,
}

impl SchedulerActor {
    /// Stores every occurrence that has to be stored by now.
    fn store(&mut self, ctx: &mut Context<Self>) {
        let (messenger, schedules) = (self.messenger.clone(), std::sync::Arc::clone(&self.schedules));
        let (address, mut cleared) = (ctx.address(), self.cleared);
        actix::spawn(async move {
            let now = messenger.shared.clock.now();
            if !cleared {
                match clear(&messenger, &schedules, now).await {
                    Ok(()) => cleared = true,
                    Err(error) => {
                        tracing::warn!(%error, "what is not planned any more could not be looked for");
                    }
                }
            }
            let mut all = cleared;
            for schedule in &*schedules {
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
            }
            address.do_send(Stored { all, cleared });
        });
    }
}

impl Actor for SchedulerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.store(ctx);
    }
}

impl Handler<Stored> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, Stored { all, cleared }: Stored, ctx: &mut Self::Context) {
        self.cleared = cleared;
        let now = self.messenger.shared.clock.now();
        // Once an occurrence is due, there is another one to be stored.
        let next = self.schedules.iter().filter_map(|schedule| schedule.planned_after(now)).min();
        let wait = next.and_then(|next| next.duration_since(now).ok()).map_or(LOOK, |wait| wait.min(LOOK));
        let wait = if all { wait.max(Duration::from_millis(1)) } else { PAUSE };
        self.alarm = Some(ctx.run_later(wait, Self::store));
    }
}

impl Handler<Stop> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// Cancels occurrences that are not due yet and that nobody plans any more.
async fn clear(messenger: &Messenger, schedules: &[Schedule], now: SystemTime) -> Result<(), MessengerError> {
    for schedule in schedules {
        let options = schedule.options_at(now);
        let message_type = &schedule.message().message_type;
        for transport in messenger.transports_of(message_type, &options)? {
            let queue = messenger.queue(transport.as_str())?;
            let mut filter = Filter::all().of_type(message_type.clone());
            filter.states = vec![MessageState::Ready, MessageState::Waiting];
            let mut page = Page::first(TOGETHER);
            loop {
                let found = queue.list(&filter, page).await?;
                let Some(last) = found.last().map(|stored| stored.id) else { break };
                let outdated = found.iter().filter(|stored| {
                    let from = stored.message().and_then(|message| message.headers.get(Schedule::HEADER));
                    let is_own = from.is_some_and(|name| name == schedule.name().as_str());
                    let says = stored.message().map(|message| &message.payload);
                    let is_planned =
                        schedule.plans(stored.due_at) && says == Some(&schedule.message().payload);
                    is_own && stored.claim == 0 && stored.due_at > now && !is_planned
                });
                let outdated: Vec<_> = outdated.map(|stored| stored.id).collect();
                if !outdated.is_empty() {
                    queue.cancel(&outdated).await?;
                }
                page = Page::after(last, TOGETHER);
            }
        }
    }
    Ok(())
}
