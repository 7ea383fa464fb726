//! Support for tests: virtual time, dispatchers that misbehave on demand, logs that can be read, and such
//! that fail.

mod act;
mod between;
mod flaky;
mod logs;
mod proof;
mod puppet;
mod time;
mod told;

pub use act::Act;
pub use between::{Asked, Between, Trouble};
pub use flaky::{Chance, FlakyLog};
pub use logs::{Entry, Logs};
pub use proof::{cases, env_u64};
pub use puppet::Puppet;
pub use time::{in_real_time, paused};
pub use told::{Told, ToldLog};

use std::time::Duration;

use dispatch_actors::{Engine, EngineBuilder};
use dispatch_core::{Envelope, Payload};

/// A builder for an engine that can be replayed: its ids are seeded, and no watchdog thread looks on.
pub fn builder() -> EngineBuilder {
    Engine::builder().configure(|config| {
        config.seed = Some(7);
        config.stall_warn = Duration::ZERO;
    })
}

/// An envelope with nothing in it.
#[must_use]
pub fn empty() -> Envelope {
    Envelope::new(Payload::Empty)
}
