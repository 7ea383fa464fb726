//! The bus: what is published reaches who has subscribed, as its guarantee says.

mod anything;
mod broken_log;
mod clocks;
mod consumers;
mod deaths;
mod duplicates;
mod durability;
mod ending;
mod exhausted;
mod hanging;
mod limits;
mod lives;
mod lost_end;
mod metrics;
mod opening;
mod publishing;
mod refusals;
mod retention;
mod shared_log;
mod stalls;
mod supervised;
mod support;
mod unsubscribing;
mod upkeep;
