//! Dispatchers: the forms in which they are registered, and the actor that each of them is.

mod actor;
mod blocking;
mod desk;
mod feed;
mod function;
mod handler;
mod lane;
mod link;
mod mail;
mod object;
mod pace;
mod registration;
mod supervised;
mod task;

pub(crate) use actor::{Abandon, AskCondition, DispatcherActor, Retire, SetLimits};
pub use blocking::BlockingFn;
pub(crate) use blocking::Pools;
pub(crate) use desk::Desk;
pub use function::HandlerFn;
pub(crate) use handler::{Condition, Fault, Handler};
pub(crate) use link::Link;
pub use mail::Deliver;
pub(crate) use pace::is_over_budget;
pub use registration::{DispatcherBuilder, Registration, on_command, on_event, on_intent};
pub(crate) use registration::{Limits, Parts};
