use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::*;
use dispatch_actors::Deliver;
use dispatch_core::{DispatcherError, Outputs};

use super::Act;

/// An actor that does what its envelopes say, and dies if they say so.
///
/// What it has in hand dies with it.
#[derive(Debug, Default)]
pub struct Puppet {
    /// Envelopes that this life of the actor has seen.
    pub seen: u64,
}

impl Actor for Puppet {
    type Context = Context<Self>;
}

type Answer = Result<Outputs, DispatcherError>;

/// What becomes of a message.
pub enum Reply {
    /// An answer at once.
    Now(Answer),
    /// An answer that the actor works on.
    Later(Act),
    /// No answer: the actor has stopped.
    Never,
}

impl Handler<Deliver> for Puppet {
    type Result = Reply;

    fn handle(&mut self, deliver: Deliver, ctx: &mut Context<Self>) -> Reply {
        self.seen += 1;
        match deliver.envelope.cast::<Act>() {
            Err(mismatch) => Reply::Now(Err(mismatch.into())),
            Ok(envelope) => match envelope.payload().clone() {
                Act::Panic(text) => panic!("{text}"),
                Act::Stop => {
                    ctx.terminate();
                    Reply::Never
                }
                act => Reply::Later(act),
            },
        }
    }
}

impl MessageResponse<Puppet, Deliver> for Reply {
    fn handle(self, ctx: &mut Context<Puppet>, caller: Option<OneshotSender<Answer>>) {
        let Some(caller) = caller else { return };
        match self {
            // A caller that is gone wants no answer.
            Self::Now(answer) => drop(caller.send(answer)),
            Self::Later(act) => {
                let answer = async move { drop(caller.send(act.run().await)) };
                ctx.spawn(fut::wrap_future::<_, Puppet>(answer));
            }
            Self::Never => {}
        }
    }
}
