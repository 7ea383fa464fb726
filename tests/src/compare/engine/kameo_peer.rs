//! kameo: `ask` to actors that do nothing.

use std::sync::Arc;

use futures_util::future::join_all;
use kameo::mailbox;
use kameo::prelude::*;

use super::load;
use crate::compare::measure::Contender;

#[derive(Actor)]
struct Nothing;

struct Order(u64);

impl Message<Order> for Nothing {
    type Reply = u64;

    async fn handle(&mut self, order: Order, _: &mut Context<Self, u64>) -> u64 {
        order.0
    }
}

/// One ask to each of so many actors, and all their answers.
pub(crate) fn contender(actors: usize, tasks: u64) -> Contender {
    let runtime = load::runtime();
    let start = |_| Nothing::spawn_with_mailbox(Nothing, mailbox::unbounded());
    let all: Arc<[ActorRef<Nothing>]> = runtime.block_on(async { (0..actors).map(start).collect() });
    Contender::new("kameo ask", move |operations| {
        let all = Arc::clone(&all);
        if actors == 1 {
            runtime.block_on(load::shared(tasks, operations, move || {
                let all = Arc::clone(&all);
                async move { assert_eq!(all[0].ask(Order(7)).await.ok(), Some(7)) }
            }));
        } else {
            runtime.block_on(load::shared(tasks, operations, move || {
                let all = Arc::clone(&all);
                async move {
                    let asks = all.iter().map(|one| async move { one.ask(Order(7)).await });
                    assert!(join_all(asks).await.iter().all(Result::is_ok));
                }
            }));
        }
    })
}
