//! ractor: `call` to actors that do nothing.

use std::sync::Arc;

use futures_util::future::join_all;
use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::load;
use crate::compare::measure::Contender;

struct Nothing;

enum Order {
    Placed(u64, RpcReplyPort<u64>),
}

impl Actor for Nothing {
    type Msg = Order;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let Order::Placed(number, answer) = order;
        answer.send(number).map_err(Into::into)
    }
}

async fn call(actor: &ActorRef<Order>) -> bool {
    matches!(actor.call(|answer| Order::Placed(7, answer), None).await, Ok(CallResult::Success(7)))
}

/// One call to each of so many actors, and all their answers.
pub(crate) fn contender(actors: usize, tasks: u64) -> Contender {
    let runtime = load::runtime();
    let all: Arc<[ActorRef<Order>]> = runtime.block_on(async {
        let started = join_all((0..actors).map(|_| Actor::spawn(None, Nothing, ()))).await;
        started.into_iter().map(|actor| actor.expect("the actor starts").0).collect()
    });
    Contender::new("ractor call", move |operations| {
        let all = Arc::clone(&all);
        if actors == 1 {
            runtime.block_on(load::shared(tasks, operations, move || {
                let all = Arc::clone(&all);
                async move { assert!(call(&all[0]).await) }
            }));
        } else {
            runtime.block_on(load::shared(tasks, operations, move || {
                let all = Arc::clone(&all);
                async move { assert!(join_all(all.iter().map(call)).await.iter().all(|done| *done)) }
            }));
        }
    })
}
