use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::policy::DedupWindow;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Interceptor, Verdict};

/// Skips an envelope whose id was seen before, inside a bounded window.
#[derive(Debug)]
pub struct Deduplicate {
    seen: DedupWindow<Uuid>,
    /// Set with the first envelope, on the engine's thread and its clock.
    origin: Option<Instant>,
}

impl Deduplicate {
    /// Remembers the last `capacity` ids for `max_age`.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        Self { seen: DedupWindow::new(capacity, max_age), origin: None }
    }
}

impl Interceptor for Deduplicate {
    fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        let now = self.origin.get_or_insert_with(Instant::now).elapsed();
        if self.seen.insert(envelope.id(), now) {
            Verdict::Continue
        } else {
            Verdict::Skip(format!("duplicate of envelope {}", envelope.id()))
        }
    }
}
