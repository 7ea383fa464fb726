//! The aggregator: the actor that turns the answers to one dispatch into its one result.
//!
//! - It folds the outcomes in rank order, whatever the order in which they came.
//! - It lets interceptors and observers see the result, and publishes the outputs, before the caller gets it.
//! - Publishing is the only thing it waits for; results that publish nothing overtake those that do.
//!
//! A dispatch that a single dispatcher answers, in an engine in which nobody else wants to see the result, goes
//! straight back to the caller: the fold of one outcome is that outcome.

mod actor;
mod publish;

pub(crate) use actor::{Aggregator, GiveUp, Settled, Stop};
pub(crate) use publish::Publisher;
