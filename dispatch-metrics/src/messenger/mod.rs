//! What a messenger counts: the depth of its transports, what was sent, and what workers have done.
//!
//! - A worker owns its figures: plain numbers, without a lock or an atomic. Whoever asks gets a copy.
//! - An attempt that was begun ends as done, retried or failed, is lost or abandoned, or still runs.
//! - The number of message types told apart is bounded for each transport; what comes beyond is counted together.

mod health;
mod merge;
mod snapshot;
mod work;

pub use health::HealthLimits;
pub use snapshot::{MessengerMetrics, QueueMetrics, SendMetrics, TransportMetrics, WorkerMetrics};
pub use work::{TypeMetrics, WorkMetrics};
