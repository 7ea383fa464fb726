//! The bus: what is published reaches who has subscribed, as its guarantee says.

mod anything;
mod consumers;
mod durability;
mod exhausted;
mod metrics;
mod opening;
mod publishing;
mod supervised;
mod support;
mod upkeep;
