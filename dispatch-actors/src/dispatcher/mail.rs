//! Actix actors as dispatchers, by their address: the caller owns the actor.

use std::rc::Rc;

use actix::dev::RecipientRequest;
use actix::prelude::*;
use dispatch_core::dispatcher::Context as DispatchContext;
use dispatch_core::{DispatcherError, Envelope, Outputs};
use futures_util::FutureExt;
use futures_util::future::{Either, Map, Ready, ready};

use super::handler::{Answer, Call, Condition, Fault, Handler as LaneHandler};
use crate::supervision::Guardian;

/// The message that an actor handles to be a dispatcher.
///
/// ```
/// use actix::prelude::*;
/// use dispatch_actors::Deliver;
/// use dispatch_core::{DispatcherError, Outputs};
///
/// #[derive(Default)]
/// struct Counter { seen: u64 }
///
/// impl Actor for Counter {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Deliver> for Counter {
///     type Result = Result<Outputs, DispatcherError>;
///
///     fn handle(&mut self, deliver: Deliver, _: &mut Context<Self>) -> Self::Result {
///         self.seen += 1;
///         println!("{} on {}", self.seen, deliver.context.topic);
///         Ok(Outputs::none())
///     }
/// }
/// ```
#[derive(Debug, Message)]
#[rtype(result = "Result<Outputs, DispatcherError>")]
pub struct Deliver {
    /// What was dispatched.
    pub envelope: Envelope,
    /// What is known about the dispatch.
    pub context: DispatchContext,
}

impl Deliver {
    pub(crate) fn of(envelope: Envelope, call: &Call<'_>) -> Option<Self> {
        let context = call.context(&envelope)?;
        Some(Self { envelope, context })
    }
}

pub(crate) struct MailHandler {
    recipient: Recipient<Deliver>,
    guardian: Rc<Guardian>,
}

impl MailHandler {
    pub(crate) fn new(recipient: Recipient<Deliver>, guardian: Rc<Guardian>) -> Self {
        Self { recipient, guardian }
    }
}

type Mailed = Result<Result<Outputs, DispatcherError>, MailboxError>;

impl LaneHandler for MailHandler {
    type Future = Either<Map<RecipientRequest<Deliver>, fn(Mailed) -> Answer>, Ready<Answer>>;

    fn call(&mut self, envelope: Envelope, call: &Call<'_>) -> Self::Future {
        if !self.recipient.connected() {
            self.guardian.down(call.link, "its actor is gone");
            return Either::Right(ready(Err(Fault::Unavailable)));
        }
        match Deliver::of(envelope, call) {
            Some(deliver) => Either::Left(self.recipient.send(deliver).map(answer)),
            None => Either::Right(ready(Err(Fault::Stopped))),
        }
    }

    fn condition(&self) -> Condition {
        if self.recipient.connected() { Condition::Up } else { Condition::Down }
    }
}

fn answer(mailed: Mailed) -> Answer {
    mailed.map_err(|_| Fault::Stopped)?.map_err(Fault::Error)
}
