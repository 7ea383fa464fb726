//! Dispatchers that do what a case says, in every form.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::{Deliver, DispatcherBuilder, Registration};
use dispatch_core::{DispatcherError, Envelope, IntoOutputs, Outputs};
use serde::Deserialize;

use super::table::{Dispatcher, Mode};

/// What a dispatcher does with an envelope.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Behavior {
    Sleep(Sleep),
    Act(Act),
}

/// Waiting, and what comes after it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sleep {
    sleep_ms: u64,
    #[serde(default)]
    then: Box<Behavior>,
}

/// The end of every behaviour.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Act {
    Return(Topics),
    Fail {
        #[serde(rename = "type")]
        error_type: String,
        message: String,
    },
    Panic(String),
}

/// Nothing, one topic, or many.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Topics {
    None(()),
    One(String),
    Many(Vec<String>),
}

impl Default for Behavior {
    fn default() -> Self {
        Self::Act(Act::Return(Topics::None(())))
    }
}

impl Behavior {
    /// All the sleeps, one after the other, and the act behind them.
    fn split(&self) -> (Duration, &Act) {
        let (mut sleep, mut behavior) = (0, self);
        loop {
            match behavior {
                Self::Sleep(Sleep { sleep_ms, then }) => {
                    sleep += sleep_ms;
                    behavior = then;
                }
                Self::Act(act) => return (Duration::from_millis(sleep), act),
            }
        }
    }

    /// Whether it waits.
    pub(super) fn sleeps(&self) -> bool {
        !self.split().0.is_zero()
    }

    async fn run(&self) -> Result<Outputs, DispatcherError> {
        let (sleep, act) = self.split();
        if !sleep.is_zero() {
            tokio::time::sleep(sleep).await;
        }
        act.perform()
    }

    /// Holds its thread for as long as it sleeps, or until the case is over.
    fn block(&self, alarm: &Alarm) -> Result<Outputs, DispatcherError> {
        let (sleep, act) = self.split();
        alarm.sleep(sleep);
        act.perform()
    }
}

impl Act {
    fn perform(&self) -> Result<Outputs, DispatcherError> {
        match self {
            Self::Return(Topics::None(())) => ().into_outputs(),
            Self::Return(Topics::One(topic)) => topic.clone().into_outputs(),
            Self::Return(Topics::Many(topics)) => topics.clone().into_outputs(),
            Self::Fail { error_type, message } => {
                Err(DispatcherError::new(error_type.clone(), message.clone()))
            }
            Self::Panic(text) => panic!("{text}"),
        }
    }
}

impl Dispatcher {
    /// Registers the dispatcher in the form it asks for.
    pub(super) fn register(self, alarm: &Alarm) -> Registration {
        let mut builder = DispatcherBuilder::new(self.id, self.category);
        if let Some(types) = self.message_types {
            builder = builder.types(types);
        }
        if let Some(kind) = self.node_kind {
            builder = builder.node_kind(kind);
        }
        let behavior = Arc::new(self.behavior);
        match self.mode {
            Mode::Async => builder.run(move |_: Envelope| {
                let behavior = Arc::clone(&behavior);
                async move { behavior.run().await }
            }),
            Mode::Blocking => {
                let alarm = alarm.clone();
                builder.run_blocking(move |_: Envelope| behavior.block(&alarm))
            }
            Mode::Actor => builder.actor(move || Puppet(Arc::clone(&behavior))),
        }
    }
}

/// An actor that does what a case says.
struct Puppet(Arc<Behavior>);

impl Actor for Puppet {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Puppet {
    type Result = ResponseFuture<Result<Outputs, DispatcherError>>;

    fn handle(&mut self, _: Deliver, _: &mut Context<Self>) -> Self::Result {
        let behavior = Arc::clone(&self.0);
        if behavior.sleeps() {
            return Box::pin(async move { behavior.run().await });
        }
        let done = behavior.split().1.perform();
        Box::pin(std::future::ready(done))
    }
}

/// Ends the sleep of blocked threads, so that a case need not wait for those that it gave up.
#[derive(Debug, Clone, Default)]
pub(super) struct Alarm(Arc<(Mutex<bool>, Condvar)>);

impl Alarm {
    fn sleep(&self, time: Duration) {
        let (rung, bell) = &*self.0;
        let rung = rung.lock().unwrap_or_else(PoisonError::into_inner);
        drop(bell.wait_timeout_while(rung, time, |rung| !*rung));
    }

    /// Wakes everyone.
    pub(super) fn ring(&self) {
        let (rung, bell) = &*self.0;
        *rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
    }
}
