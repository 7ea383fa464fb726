//! The router: the actor that every envelope comes to first.
//!
//! - It owns the frozen table; a reload replaces the table between two envelopes, never inside one.
//! - It resolves once for each topic and type and remembers the way, in bounded memory.
//! - It reads the clock once for everything that waits in its mailbox, so that is the resolution of the start
//!   of a dispatch.
//! - What it does for a single envelope may include the first part of handlers; for more than one it never does.
//! - It answers what no dispatcher will: invalid messages, unmatched ones, filtered ones.

mod actor;
mod children;
mod control;
mod protocol;
mod resolve;

pub(crate) use actor::{Router, RouterParts};
pub(crate) use children::{Children, Nursery};
pub(crate) use protocol::{AskChildren, AskRoster, AskTable, Ping, Shutdown, Submit, Swap};
pub(crate) use resolve::Resolver;
