use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use dispatch_core::dispatch::{DispatchResult, Publication, outgoing};
use dispatch_core::{Adapter, Envelope};
use futures_util::FutureExt;

use crate::dispatcher::Fault;
use crate::shard::Shard;

/// Publishes the outputs of results through an adapter.
pub(crate) struct Publisher {
    adapter: Arc<dyn Adapter>,
}

impl Publisher {
    pub(crate) fn new(adapter: Arc<dyn Adapter>) -> Self {
        Self { adapter }
    }

    /// Publishes every output of a result in order.
    pub(crate) async fn publish(
        &self,
        shard: &Rc<Shard>,
        input: &Envelope,
        result: &DispatchResult,
    ) -> Publication {
        let stamp = || (shard.new_id(), shard.clock.wall_at(shard.clock.now()));
        let envelopes: Vec<_> =
            result.outputs().map(|output| outgoing(output, input, result.identity(), stamp)).collect();
        // Called inside the guard: an adapter may panic before its first await, too.
        let delivery =
            AssertUnwindSafe(async { self.adapter.deliver_batch(&envelopes).await }).catch_unwind();
        let limit = shard.timeout.get();
        let publication = match tokio::time::timeout(limit, delivery).await {
            Ok(Ok(answers)) => Publication::answered(&envelopes, answers, &shard.sanitizer),
            Ok(Err(panic)) => Publication::failed(&envelopes, &Fault::panicked(panic).text(&shard.sanitizer)),
            Err(_) => Publication::failed(&envelopes, &format!("timed out after {} ms", limit.as_millis())),
        };
        if publication.unpublishable() > 0 {
            shard.recorder.borrow_mut().record_unpublishable(publication.unpublishable());
        }
        publication
    }
}
