//! Testing your dispatchers: an engine in virtual time, dispatchers that remember, dispatchers that follow a script.
//!
//! [`run`] gives a test a runtime of its own on one thread with the clock paused: an hour of time-outs passes in
//! milliseconds, and the same test takes the same course every time. [`builder`] starts an engine that fits it.
//!
//! ```
//! use std::time::Duration;
//! use dispatch_actors::prelude::*;
//! use dispatch_actors::testing::{self, Probe, Step};
//!
//! testing::run(async {
//!     let probe = Probe::new();
//!     let engine = testing::builder()
//!         .dispatcher(on_event("audit").route_all().run(probe.handler()))
//!         .dispatcher(on_event("mailer").route_all().run(testing::script([
//!             Step::fail("IoError", "mail server is down"),
//!             Step::hang(),
//!             Step::panic("bug"),
//!             Step::ok(),
//!         ])))
//!         .freeze()
//!         .unwrap();
//!     let topic = "shop.order.events";
//!     let first = engine.dispatch(topic, Envelope::new(Payload::Empty)).await.unwrap();
//!     assert_eq!(first.error_message(), Some("Dispatcher 'mailer' failed: IoError: mail server is down"));
//!     let second = engine.dispatch(topic, Envelope::new(Payload::Empty)).await.unwrap();
//!     assert_eq!(second.status(), DispatchStatus::Timeout); // 30 virtual seconds later
//!     assert_eq!(probe.received().len(), 2);
//!     assert_eq!(engine.metrics().await.unwrap().timeout_count, 1);
//! });
//! ```
//!
//! Inside [`run`] do not start a second arbiter, a `SyncArbiter` or a real socket: the paused clock would not
//! wait for them.

mod clock;
mod probe;
mod script;

use std::time::{Duration, SystemTime};

use actix::System;

use crate::EngineBuilder;

pub use clock::VirtualClock;
pub use probe::Probe;
pub use script::{Step, script};

/// Wall time at which a test begins: 2026-01-01T00:00:00Z.
#[must_use]
pub fn start_of_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// Runs a test on a system of its own, on this thread, with the clock paused.
///
/// # Panics
/// If the operating system gives no runtime, and if the test does.
#[expect(clippy::expect_used, reason = "a test that cannot run must say so")]
pub fn run<F: Future>(test: F) -> F::Output {
    let system = System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("the operating system gives a runtime")
    });
    system.block_on(test)
}

/// Begins to build an engine whose every run takes the same course: seeded ids, virtual wall time, no watchdog
/// thread.
pub fn builder() -> EngineBuilder {
    EngineBuilder::new().clock(VirtualClock::starting_at(start_of_time())).configure(|config| {
        config.seed = Some(1);
        config.stall_warn = Duration::ZERO;
    })
}
