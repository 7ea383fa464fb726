//! Guides: how to use the engine, with examples that are compiled and run as tests.
//!
//! There is no code in here.
//!
//! | guide | answers |
//! |---|---|
//! | [`lifecycle`] | how an engine is built, frozen, reloaded and shut down; which thread may do what |
//! | [`routing`] | how a topic gets its category; patterns, message types, order; what can never match |
//! | [`envelopes`] | what a handler gets and may return; when a payload is serialised |
//! | [`blocking`] | where blocking and CPU-bound work belongs, and what to watch |
//! | [`supervision`] | what happens when a dispatcher dies, and who is told |
//! | [`subscriptions`] | which subscription to choose, and what it costs; keys, actors, retention, metrics |
//! | [`at_least_once`] | what can and cannot happen to a message that comes until it is acknowledged |
//! | [`at_most_once`] | what can and cannot happen to a message that is offered once |
//! | [`logs`] | spans and events, and how error texts are redacted |
//! | [`limits`] | what the engine does not do, and what to do instead |
//! | `testing` | how to test dispatchers in virtual time (with the feature `testing`) |

#[doc = include_str!("../docs/at-least-once.md")]
pub mod at_least_once {}

#[doc = include_str!("../docs/at-most-once.md")]
pub mod at_most_once {}

#[doc = include_str!("../docs/blocking.md")]
pub mod blocking {}

#[doc = include_str!("../docs/envelopes.md")]
pub mod envelopes {}

#[doc = include_str!("../docs/lifecycle.md")]
pub mod lifecycle {}

#[doc = include_str!("../docs/limits.md")]
pub mod limits {}

#[doc = include_str!("../docs/logs.md")]
pub mod logs {}

#[doc = include_str!("../docs/routing.md")]
pub mod routing {}

#[doc = include_str!("../docs/subscriptions.md")]
pub mod subscriptions {}

#[doc = include_str!("../docs/supervision.md")]
pub mod supervision {}

#[cfg(feature = "testing")]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}
