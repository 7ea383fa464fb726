//! The engine as a child in the program's own supervised tree.
//!
//! The warden is told when a dispatcher is down for good and restarts the whole engine: a new start for
//! everything in it. Callers ask the tree for the handle each time.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]
#![allow(clippy::panic, reason = "an actor panics on purpose")]

use actix::prelude::*;
use dispatch_adapters::model::policy::RestartPolicy;
use dispatch_adapters::prelude::{Deliver, DispatcherError, Engine, Envelope, Outputs, on_event};
use dispatch_adapters::{DispatcherDown, EngineActor, EngineBuilder, GetEngine, RestartEngine};

/// Dies of every `Poison`.
#[derive(Default)]
struct Taster;

impl Actor for Taster {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Taster {
    type Result = Result<Outputs, DispatcherError>;

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) -> Self::Result {
        if deliver.envelope.message_type().as_str() == "Poison" {
            panic!("poisoned")
        } else {
            Ok(Outputs::none())
        }
    }
}

/// The program's own supervisor: its child is the engine.
struct Warden {
    child: Option<Addr<EngineActor>>,
}

impl Actor for Warden {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let told = ctx.address().recipient();
        self.child = Some(Supervisor::start(move |_| EngineActor::new(move || engine(told.clone()))));
    }
}

fn engine(told: Recipient<DispatcherDown>) -> EngineBuilder {
    let never = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
    Engine::builder()
        .name("zoo")
        .escalate_to(told)
        .dispatcher(on_event("taster").route_all().restart(never).actor(Taster::default))
}

impl Handler<DispatcherDown> for Warden {
    type Result = ();

    fn handle(&mut self, down: DispatcherDown, _: &mut Self::Context) {
        println!(
            "warden: '{}' of engine '{}' is down, restarting the engine",
            down.dispatcher_id, down.engine
        );
        if let Some(child) = &self.child {
            child.do_send(RestartEngine);
        }
    }
}

/// Asks for the handle of the engine that runs now.
#[derive(Message)]
#[rtype(result = "Option<Engine>")]
struct CurrentEngine;

impl Handler<CurrentEngine> for Warden {
    type Result = ResponseFuture<Option<Engine>>;

    fn handle(&mut self, _: CurrentEngine, _: &mut Self::Context) -> Self::Result {
        let child = self.child.clone();
        Box::pin(async move { child?.send(GetEngine).await.ok()? })
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::panic::set_hook(Box::new(|_| println!("(the taster panics)")));
    let warden = Warden { child: None }.start();
    for message_type in ["Food", "Poison", "Food"] {
        let engine = warden.send(CurrentEngine).await?.ok_or("the engine does not start")?;
        let result = engine.dispatch("zoo.events", Envelope::json(message_type, true.into())).await?;
        println!("{message_type}: {} {}", result.status(), result.error_message().unwrap_or_default());
        // The taster's death is noticed after its last answer.
        while engine.health() == dispatch_adapters::EngineHealth::Ready && message_type == "Poison" {
            actix::clock::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    Ok(())
}
