use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::fut::ActorFuture;
use actix::prelude::*;
use dispatch_core::Adapter;
use dispatch_core::subscription::{Guarantee, SubscriptionConfig};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::live::Live;
use super::reliable::Reliable;
use super::{
    Abandon, AddTopic, Command, Connect, Disconnect, EndFell, HeadMoved, PauseConsumer, Pushed, StopReport,
};
use crate::bus::hub::Forget;
use crate::bus::shared::Shared;

/// What a subscription is made of.
pub(in crate::bus) struct Parts {
    /// Which of those that had its name one after the other.
    pub(in crate::bus) number: u64,
    pub(in crate::bus) shared: Rc<Shared>,
    pub(in crate::bus) config: Arc<SubscriptionConfig>,
    pub(in crate::bus) dead_letters: Option<Arc<dyn Adapter>>,
    pub(in crate::bus) seed: u64,
}

/// Runs a subscription.
pub(in crate::bus) struct SubscriptionActor {
    side: Side,
    /// There is none while nothing is due.
    timer: Option<Pin<Box<Sleep>>>,
    stopping: Option<Stopping>,
    farewell: Farewell,
}

/// Tells the hub that the subscription has ended, however it ends.
struct Farewell {
    shared: Rc<Shared>,
    config: Arc<SubscriptionConfig>,
    number: u64,
}

impl Farewell {
    fn say(&self) {
        self.shared.hub.do_send(Forget { name: self.config.name.clone(), number: self.number });
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.say();
    }
}

enum Side {
    Reliable(Box<Reliable>),
    Live(Box<Live>),
}

/// It stops when consumers have answered, or when it is time.
struct Stopping {
    until: Duration,
    /// More than one may ask.
    replies: Vec<oneshot::Sender<StopReport>>,
}

impl SubscriptionActor {
    pub(in crate::bus) fn new(parts: Parts) -> Self {
        let (shared, config) = (Rc::clone(&parts.shared), Arc::clone(&parts.config));
        let farewell = Farewell { shared, config, number: parts.number };
        let side = match parts.config.guarantee {
            Guarantee::AtLeastOnce => Side::Reliable(Box::new(Reliable::new(parts))),
            Guarantee::AtMostOnce => Side::Live(Box::new(Live::new(parts))),
        };
        Self { side, timer: None, stopping: None, farewell }
    }

    /// Works off everything that has come, and says when there is more to do.
    fn turn(&mut self, ctx: &mut Context<Self>, cx: &mut TaskContext<'_>) {
        let due = match &mut self.side {
            Side::Reliable(reliable) => reliable.turn(cx),
            Side::Live(live) => live.turn(cx),
        };
        if let Side::Live(live) = &self.side
            && live.is_abandoned()
        {
            self.farewell.say();
            ctx.stop();
            return;
        }
        let until = self.stopping.as_ref().map(|stopping| stopping.until);
        if until.is_some() && self.has_ended() {
            self.end(ctx);
            return;
        }
        self.keep_time([due, until].into_iter().flatten().min(), cx);
    }

    fn keep_time(&mut self, due: Option<Duration>, cx: &mut TaskContext<'_>) {
        let Some(due) = due else {
            self.timer = None;
            return;
        };
        let due = self.farewell.shared.clock.instant(due);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() != due || timer.is_elapsed() {
            timer.as_mut().reset(due);
        }
        if timer.as_mut().poll(cx).is_ready() {
            // It is due by now: once more around.
            cx.waker().wake_by_ref();
        }
    }

    /// Whether nothing holds up the end any more.
    fn has_ended(&self) -> bool {
        let late =
            self.stopping.as_ref().is_some_and(|stopping| self.farewell.shared.clock.now() >= stopping.until);
        late || match &self.side {
            Side::Reliable(reliable) => reliable.is_quiet(),
            Side::Live(live) => live.is_quiet(),
        }
    }

    fn end(&mut self, ctx: &mut Context<Self>) {
        let Some(stopping) = self.stopping.take() else { return };
        let mut report = match &self.side {
            Side::Reliable(reliable) => reliable.report(),
            Side::Live(live) => live.report(),
        };
        report.name.clone_from(&self.farewell.config.name);
        // Before the answer: whoever has that opens the name anew.
        self.farewell.say();
        for reply in stopping.replies {
            // Whoever asked may have gone.
            let _ = reply.send(report.clone());
        }
        ctx.stop();
    }
}

impl Actor for SubscriptionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Pushes must not be lost at the mailbox: what is in flight is bounded by the states.
        ctx.set_mailbox_capacity(usize::MAX >> 4);
        ctx.spawn(Turns);
    }
}

/// Gives the actor a turn whenever its mailbox has been worked off, and whenever something it waits for has come.
struct Turns;

impl ActorFuture<SubscriptionActor> for Turns {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut SubscriptionActor,
        ctx: &mut Context<SubscriptionActor>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        actor.turn(ctx, cx);
        Poll::Pending
    }
}

impl Handler<Pushed> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, pushed: Pushed, _: &mut Context<Self>) {
        match &mut self.side {
            Side::Reliable(reliable) => reliable.pushed(pushed),
            Side::Live(live) => live.pushed(pushed),
        }
    }
}

impl Handler<HeadMoved> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, moved: HeadMoved, _: &mut Context<Self>) {
        if let Side::Reliable(reliable) = &mut self.side {
            reliable.head_moved(&moved);
        }
    }
}

impl Handler<EndFell> for SubscriptionActor {
    type Result = ();

    /// At most once there is nothing that could be passed.
    fn handle(&mut self, fell: EndFell, _: &mut Context<Self>) {
        if let Side::Reliable(reliable) = &mut self.side {
            reliable.end_fell(&fell);
        }
    }
}

impl Handler<AddTopic> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, add: AddTopic, _: &mut Context<Self>) {
        match &mut self.side {
            Side::Reliable(reliable) => reliable.add_topic(add),
            Side::Live(live) => live.add_topic(add),
        }
    }
}

impl Handler<Connect> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, connect: Connect, _: &mut Context<Self>) {
        match &mut self.side {
            Side::Reliable(reliable) => reliable.connect(connect),
            Side::Live(live) => live.connect(connect),
        }
    }
}

impl Handler<Disconnect> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, Disconnect(consumer): Disconnect, _: &mut Context<Self>) {
        match &mut self.side {
            Side::Reliable(reliable) => reliable.disconnect(consumer),
            Side::Live(live) => live.disconnect(consumer),
        }
    }
}

impl Handler<Abandon> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, _: Abandon, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<PauseConsumer> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, pause: PauseConsumer, _: &mut Context<Self>) {
        match &mut self.side {
            Side::Reliable(reliable) => reliable.pause_consumer(&pause),
            Side::Live(live) => live.pause_consumer(&pause),
        }
    }
}

impl Handler<Command> for SubscriptionActor {
    type Result = ();

    fn handle(&mut self, command: Command, _: &mut Context<Self>) {
        match (command, &mut self.side) {
            (Command::Stop { deadline, reply }, side) => {
                let until = self.farewell.shared.clock.now().saturating_add(deadline);
                match &mut self.stopping {
                    Some(stopping) => {
                        stopping.until = stopping.until.min(until);
                        stopping.replies.push(reply);
                    }
                    None => {
                        self.stopping = Some(Stopping { until, replies: vec![reply] });
                        match side {
                            Side::Reliable(reliable) => reliable.stop(),
                            Side::Live(live) => live.stop(),
                        }
                    }
                }
            }
            (command, Side::Reliable(reliable)) => reliable.command(command),
            (command, Side::Live(live)) => live.command(command),
        }
    }
}
