//! Raw actix: `send().await` to actors with a synchronous handler that does nothing.

use std::rc::Rc;

use actix::prelude::*;
use futures_util::future::join_all;

use super::load;
use super::ours::SharedSystem;
use crate::compare::measure::Contender;

struct Nothing;

impl Actor for Nothing {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Past its capacity a mailbox makes senders wait, which is slower.
        ctx.set_mailbox_capacity(4096);
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Order(u64);

impl Handler<Order> for Nothing {
    type Result = u64;

    fn handle(&mut self, order: Order, _: &mut Self::Context) -> u64 {
        order.0
    }
}

/// One message to each of so many actors, and all their answers.
pub(crate) fn contender(system: &SharedSystem, actors: usize, tasks: u64) -> Contender {
    let system = Rc::clone(system);
    let all: Rc<[_]> = system.block_on(async { (0..actors).map(|_| Nothing.start()).collect() });
    Contender::new("actix send", move |operations| {
        let all = Rc::clone(&all);
        if let [one] = &*all {
            let one = one.clone();
            system.block_on(load::local(tasks, operations, move || {
                let answer = one.send(Order(7));
                async move { assert_eq!(answer.await, Ok(7)) }
            }));
        } else {
            system.block_on(load::local(tasks, operations, move || {
                let answers = join_all(all.iter().map(|one| one.send(Order(7))));
                async move { assert!(answers.await.iter().all(Result::is_ok)) }
            }));
        }
    })
}
