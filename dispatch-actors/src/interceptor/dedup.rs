use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::messenger::QueuedMessage;
use dispatch_core::policy::DedupWindow;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Interceptor, Verdict};

/// Skips an envelope whose id was seen before, inside a bounded window.
///
/// Another attempt at a background message has the id of the first, and is not skipped: the claim that it was taken with is
/// another one.
#[derive(Debug)]
pub struct Deduplicate {
    seen: DedupWindow<(Uuid, Option<u64>)>,
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
        let claim = envelope.headers().get(QueuedMessage::CLAIM_HEADER).and_then(|claim| claim.parse().ok());
        if self.seen.insert((envelope.id(), claim), now) {
            Verdict::Continue
        } else {
            Verdict::Skip(format!("duplicate of envelope {}", envelope.id()))
        }
    }
}
