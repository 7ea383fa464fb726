//! Messages that are sent at times that are planned.
//!
//! - Each schedule is stored by itself: one whose transport fails, or does not answer, keeps no other waiting.
//! - Of a schedule one attempt is under way at a time. It has what was not stored before by the same scheduler: one that
//!   begins anew stores all that is ahead once more, which the keys make harmless.
//! - What is planned is stored first. Then what is not planned any more is looked for, and that it cannot be found keeps
//!   nothing from being stored.

mod actor;
mod outdated;

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::prelude::*;
use dispatch_core::messenger::{
    DispatchOptions, Message, MessengerError, MessengerErrorCode, QueuedMessage, Schedule,
};
use tokio::sync::oneshot;

use self::actor::{SchedulerActor, Stop};
use super::Messenger;
use super::worker::no_thread;
use crate::system;

/// Sends the messages of schedules, for as long as this or a clone of it is there.
///
/// Any number of schedulers of any number of processes may have the same schedules: each occurrence is stored once.
#[derive(Debug, Clone)]
#[must_use = "nothing more is planned once it is dropped"]
pub struct Scheduler(Arc<Running>);

/// Stops its scheduler once nobody has it any more.
#[derive(Debug)]
struct Running(Addr<SchedulerActor>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.do_send(Stop);
    }
}

impl Messenger {
    /// Starts to send the messages of schedules: on this thread, if it is one of an actix system, else on one of its own.
    /// It stops when what this answers is dropped.
    ///
    /// The next occurrence of each is stored at once. Then occurrences that were stored by an earlier version of a schedule
    /// of the same name, and that it does not plan any more or would send with another payload, are cancelled.
    /// One whose message type or transports have changed needs another name: what is stored of it is sent as it was.
    /// What a person cancels of it is not stored again, but by a scheduler that begins anew.
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
        let messenger = self.clone();
        let begin = move || {
            let (alive, stopped) = oneshot::channel();
            (SchedulerActor::new(messenger, schedules, alive).start(), stopped)
        };
        let address = system::start("dispatch-scheduler", begin).map_err(no_thread)?;
        Ok(Scheduler(Arc::new(Running(address))))
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
