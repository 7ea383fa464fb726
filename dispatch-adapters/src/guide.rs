//! Guides: how to deliver, with examples that are compiled and run as tests.
//!
//! There is no code in here. The guides of the engine are in `dispatch_actors::guide`.
//!
//! | guide | answers |
//! |---|---|
//! | [`messenger`] | background messages: how to send and handle them, which store; what can and cannot happen |
//! | [`resilience`] | why the engine does not retry; policies around a dispatcher, inside it, around a destination |

#[doc = include_str!("../docs/messenger.md")]
pub mod messenger {}

#[doc = include_str!("../docs/resilience.md")]
pub mod resilience {}
