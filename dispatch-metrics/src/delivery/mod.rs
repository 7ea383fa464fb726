//! What deliveries count: the snapshot, and the recorder that observers feed.
//!
//! - Every attempt ends once: `delivered + permanent + retry + retry_after + disabled + timed_out + abandoned`, and what
//!   is in flight, add up to the attempts.
//! - Counters are atomics: any thread may record, none ever waits for another.
//! - The number of destinations told apart is bounded; what comes beyond is counted together.
//! - A reset loses nothing and counts nothing twice: an event is counted before it or after it. One that comes with
//!   several figures may be split by a reset that happens at the same moment.

mod atomic;
mod kinds;
mod meter;
mod recorder;
mod snapshot;

pub use kinds::{AttemptMetrics, AttemptOutcome, BreakerMetrics, FailureMetrics};
pub use meter::DeliveryMeter;
pub use recorder::DeliveryRecorder;
pub use snapshot::{DeliveryMetrics, DestinationMetrics};
