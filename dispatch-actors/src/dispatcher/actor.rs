use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;

use super::Limits;
use super::desk::Desk;
use super::handler::Condition;
use crate::clock::Tick;
use crate::flight::Job;
use crate::shard::Shard;

/// The actor of one dispatcher. Its work comes through an [inbox](crate::inbox); its mailbox is for control.
///
/// It does not die before it is told to: whatever runs code of other people's (handlers, destructors, subscribers) is
/// under a guard, in [`Driving`] and in [`Abandon`], and so is what the guard itself logs; the other messages only set
/// or read a field. So nobody watches it. What could die is the user's own actor, which has a restart policy.
pub(crate) struct DispatcherActor {
    desk: Rc<Desk>,
    shard: Rc<Shard>,
    retiring: bool,
}

/// What a dispatcher's actor drives.
pub(crate) trait Drive {
    /// Does everything that can be done now.
    fn drive(&mut self, cx: &mut TaskContext<'_>);
    /// Begins a job, and takes it, if nothing is before it. Says when that had come so far.
    fn start_now(&mut self, job: &mut Option<Job>, cx: &mut TaskContext<'_>) -> Option<Tick>;
    /// Takes new limits; work under way keeps its deadlines.
    fn set_limits(&mut self, limits: Limits);
    /// Answers everything that is under way with an error.
    fn abandon(&mut self);
    /// How the dispatcher is.
    fn condition(&self) -> Condition;
    /// Whether nothing is under way.
    fn is_idle(&self) -> bool;
}

impl DispatcherActor {
    /// The lane is on the desk.
    pub(crate) fn new(desk: Rc<Desk>, shard: Rc<Shard>) -> Self {
        Self { desk, shard, retiring: false }
    }
}

impl Actor for DispatcherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Driving);
    }
}

/// Drives the lane for as long as the actor lives.
struct Driving;

impl ActorFuture<DispatcherActor> for Driving {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut DispatcherActor,
        ctx: &mut Context<DispatcherActor>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let DispatcherActor { desk, shard, retiring } = actor;
        let idle = desk.with(|lane| {
            match &shard.subscriber {
                None => lane.drive(cx),
                Some(_) => shard.traced(|| lane.drive(cx)),
            }
            lane.is_idle()
        });
        match idle {
            // What was not reached is not announced again.
            None => cx.waker().wake_by_ref(),
            Some(true) if *retiring => ctx.stop(),
            Some(_) => {}
        }
        Poll::Pending
    }
}

/// Sets the limits after a reload.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SetLimits(pub(crate) Limits);

impl actix::Handler<SetLimits> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, SetLimits(limits): SetLimits, _: &mut Self::Context) {
        self.desk.with(|lane| lane.set_limits(limits));
    }
}

/// Stops once everything under way is answered: the dispatcher is not in the table any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Retire;

impl actix::Handler<Retire> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, _: Retire, _: &mut Self::Context) {
        self.retiring = true;
    }
}

/// Answers everything under way with an error and stops.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Abandon;

impl actix::Handler<Abandon> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, _: Abandon, ctx: &mut Self::Context) {
        self.desk.with(|lane| lane.abandon());
        ctx.stop();
    }
}

/// Asks how the dispatcher is.
#[derive(Message)]
#[rtype(result = "Condition")]
pub(crate) struct AskCondition;

impl actix::Handler<AskCondition> for DispatcherActor {
    type Result = MessageResult<AskCondition>;

    fn handle(&mut self, _: AskCondition, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.desk.with(|lane| lane.condition()).unwrap_or(Condition::Up))
    }
}
