//! Subscriptions that end, and those that are forgotten.
//!
//! Until a name is removed from the log nobody else has it: a subscription that opened under it meanwhile would be removed
//! too, and what it acknowledges would be stored nowhere.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::log::TopicLog;
use dispatch_core::subscription::Scope;
use tokio::sync::oneshot;

use super::actor::{Done, Hub, TopicState};
use super::{Forget, Open, Unsubscribe};
use crate::bus::BusError;
use crate::bus::subscription::{Command, SubscriptionActor};

/// What is to be done with a name when it is free.
pub(super) enum Deferred {
    Open(Box<Open>),
    Unsubscribe(Unsubscribe),
}

/// A subscription was removed from the log, or could not be.
pub(super) struct Unsubscribed {
    name: String,
    /// Which one was open.
    number: Option<u64>,
    result: Result<(), BusError>,
    reply: oneshot::Sender<Result<(), BusError>>,
}

impl Handler<Unsubscribe> for Hub {
    type Result = ();

    fn handle(&mut self, unsubscribe: Unsubscribe, _: &mut Context<Self>) {
        if self.is_busy(&unsubscribe.name) {
            self.deferred.push_back(Deferred::Unsubscribe(unsubscribe));
            return;
        }
        let Unsubscribe { name, reply } = unsubscribe;
        let opened = self.subscriptions.get(&*name);
        let number = opened.map(|opened| opened.number);
        let actor = opened.map(|opened| Addr::clone(&opened.actor));
        self.leaving.insert(name.clone());
        let log = Arc::clone(&self.log);
        self.io.push(Box::pin(async move {
            let result = remove(&*log, &name, actor).await;
            Done::Unsubscribed(Unsubscribed { name, number, result, reply })
        }));
    }
}

impl Handler<Forget> for Hub {
    type Result = ();

    fn handle(&mut self, Forget { name, number }: Forget, _: &mut Context<Self>) {
        self.forget(&name, number);
    }
}

impl Hub {
    /// Whether a subscription of this name is being opened or removed.
    pub(super) fn is_busy(&self, name: &str) -> bool {
        self.opening.contains(name) || self.leaving.contains(name)
    }

    /// A name is free: whoever waits for one tries again, in order.
    pub(super) fn go_on(&mut self, ctx: &mut Context<Self>) {
        for waiting in std::mem::take(&mut self.deferred) {
            match waiting {
                Deferred::Open(open) => ctx.notify(*open),
                Deferred::Unsubscribe(unsubscribe) => ctx.notify(unsubscribe),
            }
        }
    }

    pub(super) fn unsubscribed(&mut self, unsubscribed: Unsubscribed, ctx: &mut Context<Self>) {
        let Unsubscribed { name, number, result, reply } = unsubscribed;
        self.leaving.remove(&name);
        if let Some(number) = number.filter(|_| result.is_ok()) {
            // It has said so itself, unless that is still on its way.
            self.forget(&name, number);
        }
        let _ = reply.send(result);
        self.go_on(ctx);
    }

    /// A subscription has ended, unless another one has its name by now.
    fn forget(&mut self, name: &str, number: u64) {
        if self.subscriptions.get(name).is_none_or(|opened| opened.number != number) {
            return;
        }
        let Some(opened) = self.subscriptions.remove(name) else { return };
        self.patterns.remove(name);
        let leave = |topic: &mut TopicState| {
            topic.readers.retain(|reader| !Rc::ptr_eq(&reader.actor, &opened.actor));
        };
        match &opened.scope {
            Scope::Topic(topic) => self.topics.get_mut(topic).into_iter().for_each(leave),
            _ => self.topics.values_mut().for_each(leave),
        }
    }
}

/// Stops a subscription if it is open and nobody consumes it, and removes it from the log.
async fn remove(
    log: &dyn TopicLog,
    name: &str,
    actor: Option<Addr<SubscriptionActor>>,
) -> Result<(), BusError> {
    match actor {
        Some(actor) => {
            // One that does not answer has ended by itself.
            let info = ask(&actor, Command::Info).await;
            let consumers = info.map_or(0, |info| info.consumers.len());
            if consumers > 0 {
                return Err(BusError::HasConsumers { name: name.to_owned(), consumers });
            }
            let _ = ask(&actor, |reply| Command::Stop { deadline: Duration::ZERO, reply }).await;
        }
        None if log.load(name).await?.is_none() => {
            return Err(BusError::UnknownSubscription { name: name.to_owned() });
        }
        None => {}
    }
    Ok(log.remove(name).await?)
}

async fn ask<T>(
    actor: &Addr<SubscriptionActor>,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    actor.do_send(command(reply));
    answer.await.ok()
}
