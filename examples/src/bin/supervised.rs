//! An actor that the engine makes: it panics, comes back with a new state, and panics once too often.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]
#![allow(clippy::panic, reason = "the actor panics on purpose")]

use std::time::Duration;

use actix::prelude::{Actor, Context, Handler};
use dispatch_adapters::model::policy::RestartPolicy;
use dispatch_adapters::prelude::{Deliver, DispatcherError, Engine, Envelope, Outputs, on_event};

#[derive(Default)]
struct Counter {
    seen: u64,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Counter {
    type Result = Result<Outputs, DispatcherError>;

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) -> Self::Result {
        self.seen += 1;
        if deliver.envelope.message_type().as_str() == "Poison" {
            panic!("cannot digest event number {}", self.seen);
        }
        Ok(Outputs::none())
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The panics are part of the show: one line instead of a report.
    std::panic::set_hook(Box::new(|_| println!("(the actor panics)")));
    let policy =
        RestartPolicy { max_restarts: 2, backoff: Duration::from_millis(10), ..RestartPolicy::default() };
    let engine = Engine::builder()
        .dispatcher(on_event("counter").route_all().restart(policy).actor(Counter::default))
        .freeze()?;

    for message_type in ["Food", "Poison", "Food", "Poison", "Poison", "Food"] {
        let envelope = Envelope::json(message_type, true.into());
        let result = engine.dispatch("zoo.events", envelope).await?;
        println!("{message_type}: {} {}", result.status(), result.error_message().unwrap_or_default());
    }
    for child in engine.children().await? {
        println!("{:10} {:?} {:?}, {} restarts", child.id, child.strategy, child.state, child.restarts);
    }
    println!("health: {:?}", engine.health());
    Ok(())
}
