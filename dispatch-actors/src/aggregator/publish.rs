use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use dispatch_core::delivery::SkippedDelivery;
use dispatch_core::dispatch::{DispatchResult, Identity};
use dispatch_core::{Adapter, Envelope, TraceContext};
use futures_util::FutureExt;

use crate::collector::Sample;
use crate::dispatcher::Fault;
use crate::shard::Shard;

/// Publishes the outputs of results through an adapter.
pub(crate) struct Publisher {
    adapter: Arc<dyn Adapter>,
}

/// Outputs of a result that could not be published, each with a reason that is fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not publish {}", list(.failed))]
pub(crate) struct PublishError {
    failed: Vec<(String, String)>,
}

fn list(failed: &[(String, String)]) -> String {
    /// A dispatcher may have a million outputs; a text need not.
    const SHOWN: usize = 20;
    let mut shown: Vec<_> =
        failed.iter().take(SHOWN).map(|(topic, why)| format!("'{topic}': {why}")).collect();
    if failed.len() > SHOWN {
        shown.push(format!("and {} more", failed.len() - SHOWN));
    }
    shown.join("; ")
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
    ) -> Result<(), PublishError> {
        let envelopes: Vec<_> =
            result.outputs().map(|output| outgoing(shard, output, input, result.identity())).collect();
        let all_failed = |why: &str| {
            let failed = envelopes.iter().map(|envelope| (topic_of(envelope), why.to_owned())).collect();
            Err(PublishError { failed })
        };
        // Called inside the guard: an adapter may panic before its first await, too.
        let delivery =
            AssertUnwindSafe(async { self.adapter.deliver_batch(&envelopes).await }).catch_unwind();
        let limit = shard.timeout.get();
        let answers = match tokio::time::timeout(limit, delivery).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(panic)) => return all_failed(&Fault::panicked(panic).text(&shard.sanitizer)),
            Err(_) => return all_failed(&format!("timed out after {} ms", limit.as_millis())),
        };
        let mut failed = Vec::new();
        let mut unpublishable = 0;
        let missing = envelopes.len().saturating_sub(answers.len());
        for (envelope, answer) in envelopes.iter().zip(answers) {
            match answer {
                Ok(receipt) if receipt.skipped == Some(SkippedDelivery::NoCategory) => unpublishable += 1,
                Ok(_) => {}
                Err(error) => {
                    failed.push((topic_of(envelope), shard.sanitizer.sanitize_text(&error.to_string())));
                }
            }
        }
        for envelope in envelopes.iter().rev().take(missing) {
            failed.push((topic_of(envelope), "the publisher did not answer for it".to_owned()));
        }
        if unpublishable > 0 {
            shard.sample(Sample::Unpublishable(unpublishable));
        }
        if failed.is_empty() { Ok(()) } else { Err(PublishError { failed }) }
    }
}

fn topic_of(envelope: &Envelope) -> String {
    envelope.topic().map(ToString::to_string).unwrap_or_default()
}

/// The envelope that carries an output: caused by the input, one hop further, in the same conversation.
fn outgoing(
    shard: &Shard,
    output: &dispatch_core::Output,
    input: &Envelope,
    identity: &Identity,
) -> Envelope {
    let envelope = match output.envelope() {
        // An input that is passed on is not its own cause, nor a duplicate of it.
        Some(own) if own.id() == input.id() => own.clone().with_id(shard.new_id()),
        Some(own) => own.clone(),
        None => Envelope::new(input.raw_payload().clone())
            .with_id(shard.new_id())
            .with_message_type(input.message_type().as_str())
            .with_headers(input.headers().clone()),
    };
    let correlation = envelope.correlation_id().unwrap_or(identity.correlation_id);
    let trace = envelope.trace().unwrap_or_else(|| TraceContext {
        trace_id: identity.trace_id,
        span_id: identity.span_id,
        sampled: input.trace().is_some_and(|trace| trace.sampled),
    });
    envelope
        .with_topic(output.topic())
        .with_causation_id(input.id())
        .with_correlation_id(correlation)
        .with_trace(trace)
        .with_hops(input.hops().saturating_add(1))
}
