use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;
use dispatch_core::dispatch::DispatchResult;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;

use super::Publisher;
use crate::clock::Tick;
use crate::flight::Flight;
use crate::guard::guarded;
use crate::inbox::Inbox;
use crate::interceptor::Interceptors;
use crate::observer::{Event, Observers};
use crate::shard::Shard;

/// A dispatch whose dispatchers have all answered.
pub(crate) struct Settled {
    pub(crate) flight: Rc<Flight>,
    pub(crate) at: Tick,
}

/// Stops waiting for publishers: what is not published by now has failed.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct GiveUp;

/// Ends the aggregator.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

/// Folds outcomes into results. See the [module](super).
pub(crate) struct Aggregator {
    shard: Rc<Shard>,
    inbox: Inbox<Settled>,
    batch: Vec<Settled>,
    publisher: Option<Rc<Publisher>>,
    publishing: FuturesUnordered<LocalBoxFuture<'static, (Rc<Flight>, DispatchResult)>>,
    /// Closed when nothing waits for publishers any more.
    given_up: Rc<Semaphore>,
    interceptors: Rc<RefCell<Interceptors>>,
    observers: Rc<RefCell<Observers>>,
}

impl Aggregator {
    pub(crate) fn new(
        shard: Rc<Shard>,
        inbox: Inbox<Settled>,
        publisher: Option<Publisher>,
        interceptors: Rc<RefCell<Interceptors>>,
        observers: Rc<RefCell<Observers>>,
    ) -> Self {
        Self {
            shard,
            inbox,
            batch: Vec::new(),
            publisher: publisher.map(Rc::new),
            publishing: FuturesUnordered::new(),
            given_up: Rc::new(Semaphore::new(0)),
            interceptors,
            observers,
        }
    }

    fn settle(&mut self, Settled { flight, at }: Settled) {
        let result = flight.fold(at);
        match &self.publisher {
            Some(publisher) if result.output_count() > 0 => {
                let (shard, given_up) = (Rc::clone(&self.shard), Rc::clone(&self.given_up));
                let publishing = publish(shard, Rc::clone(publisher), given_up, flight, result);
                self.publishing.push(publishing.boxed_local());
            }
            _ => self.close(&flight, result),
        }
    }

    fn close(&self, flight: &Flight, result: DispatchResult) {
        if self.shard.supervised_results {
            self.interceptors.borrow_mut().after(&result);
            self.observers.borrow_mut().notify(&Event::Completed { result: &result });
        }
        flight.answer(result);
    }

    fn run(&mut self, cx: &mut TaskContext<'_>) {
        self.inbox.take(&mut self.batch, cx);
        let mut batch = std::mem::take(&mut self.batch);
        for settled in batch.drain(..) {
            guarded(|| self.settle(settled));
        }
        self.batch = batch;
        while let Poll::Ready(Some((flight, result))) = self.publishing.poll_next_unpin(cx) {
            guarded(|| self.close(&flight, result));
        }
    }
}

async fn publish(
    shard: Rc<Shard>,
    publisher: Rc<Publisher>,
    given_up: Rc<Semaphore>,
    flight: Rc<Flight>,
    mut result: DispatchResult,
) -> (Rc<Flight>, DispatchResult) {
    let Some(input) = flight.input() else { return (flight, result) };
    tokio::select! {
        biased;
        publication = publisher.publish(&shard, input, &result) => publication.fold_into(&mut result),
        _ = given_up.acquire() => {
            result.publish_failed("the engine stopped before the outputs were published");
        }
    }
    result.set_duration(shard.clock.now().since(flight.started));
    (flight, result)
}

impl Actor for Aggregator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Working);
    }
}

/// Works for as long as the aggregator lives.
struct Working;

impl ActorFuture<Aggregator> for Working {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        aggregator: &mut Aggregator,
        _: &mut Context<Aggregator>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let shard = Rc::clone(&aggregator.shard);
        if !guarded(|| shard.traced(|| aggregator.run(cx))) {
            // What was not reached is not announced again.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Handler<GiveUp> for Aggregator {
    type Result = ();

    fn handle(&mut self, _: GiveUp, _: &mut Self::Context) {
        self.given_up.close();
    }
}

impl Handler<Stop> for Aggregator {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
