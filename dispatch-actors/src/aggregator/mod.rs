//! The aggregator: the actor that turns the answers to one dispatch into its one result.
//!
//! - It folds the outcomes in rank order, whatever the order in which they came.
//! - It lets interceptors and observers see the result, and publishes the outputs, before the caller gets it.
//! - Publishing is the only thing it waits for; results that publish nothing overtake those that do.
//!
//! In an engine in which nobody else wants to see the result, it goes straight back to the caller: whoever settles the
//! dispatch folds its outcomes, and there is nothing left to do here.

mod actor;
mod publish;

pub(crate) use actor::{Aggregator, GiveUp, Settled, Stop};
pub(crate) use publish::Publisher;
