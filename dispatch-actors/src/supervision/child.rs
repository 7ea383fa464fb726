use std::time::Duration;

use actix::prelude::*;
use dispatch_core::policy::{RestartDecision, RestartPolicy, RestartState};
use tokio::time::Instant;

use super::ChildKind;
use crate::engine::{Engine, EngineBuilder, StartError};

/// An engine as a child in the caller's own supervised tree.
///
/// The actor makes its engine when it starts and shuts it down when it stops; under an actix
/// [`Supervisor`] a restart makes a new one. Ask it for the handle with [`GetEngine`].
///
/// ```
/// use actix::prelude::*;
/// use dispatch_actors::prelude::*;
/// use dispatch_actors::{EngineActor, GetEngine};
///
/// #[actix::main]
/// async fn main() {
///     let child = Supervisor::start(|_| {
///         EngineActor::new(|| Engine::builder().dispatcher(
///             on_event("log").route_all().run(|envelope: Envelope| async move { println!("{envelope:?}") }),
///         ))
///     });
///     let engine = child.send(GetEngine).await.unwrap().unwrap();
///     let result = engine.dispatch("shop.order.events", Envelope::new(Payload::Empty)).await.unwrap();
///     assert!(result.is_successful());
/// }
/// ```
pub struct EngineActor {
    make: Box<dyn Fn() -> EngineBuilder>,
    engine: Option<Result<Engine, StartError>>,
    grace: Duration,
    restarts: RestartState,
    origin: Option<Instant>,
}

impl EngineActor {
    /// An actor that makes an engine of what `make` returns, each time it starts.
    pub fn new(make: impl Fn() -> EngineBuilder + 'static) -> Self {
        Self {
            make: Box::new(make),
            engine: None,
            grace: Duration::from_secs(5),
            restarts: RestartState::new(RestartPolicy::default()),
            origin: None,
        }
    }

    /// How long what is in flight may take when the actor stops; 5 s without this.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Starts the engine; if that fails, tries again as the restart policy allows.
    fn begin(&mut self, ctx: &mut Context<Self>) {
        let engine = (self.make)().freeze();
        if let Err(error) = &engine {
            tracing::error!(target: crate::trace::TARGET, %error, "engine child could not start");
            // The actor stays, without an engine: a supervisor would start it again at once, and for ever.
            let since = self.origin.get_or_insert_with(Instant::now).elapsed();
            if let RestartDecision::RestartIn(delay) = self.restarts.died(since) {
                ctx.run_later(delay, Self::begin);
            }
        }
        self.engine = Some(engine);
    }

    fn end(&mut self) {
        if let Some(Ok(engine)) = self.engine.take() {
            let grace = self.grace;
            actix::spawn(async move {
                // An engine that was shut down by somebody else is what was wanted.
                let _ = engine.shutdown(grace).await;
            });
        }
    }
}

impl Actor for EngineActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.begin(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.end();
    }
}

impl Supervised for EngineActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.end();
    }
}

/// Asks an [`EngineActor`] for the handle of its engine; `None` if it could not be started.
#[derive(Debug, Message)]
#[rtype(result = "Option<Engine>")]
pub struct GetEngine;

impl Handler<GetEngine> for EngineActor {
    type Result = Option<Engine>;

    fn handle(&mut self, _: GetEngine, _: &mut Self::Context) -> Self::Result {
        self.engine.as_ref()?.as_ref().ok().cloned()
    }
}

/// Ends the engine and with it the actor; a supervisor makes both anew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RestartEngine;

impl Handler<RestartEngine> for EngineActor {
    type Result = ();

    fn handle(&mut self, _: RestartEngine, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl std::fmt::Debug for EngineActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineActor").field("kind", &ChildKind::Engine).field("engine", &self.engine).finish()
    }
}
