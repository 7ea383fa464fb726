//! Guides: how to deliver, with examples that are compiled and run as tests.
//!
//! There is no code in here. The guides of the engine are in `dispatch_actors::guide`.
//!
//! | guide | answers |
//! |---|---|
//! | [`resilience`] | why the engine does not retry; policies around a dispatcher, inside it, around a destination |

#[doc = include_str!("../docs/resilience.md")]
pub mod resilience {}
