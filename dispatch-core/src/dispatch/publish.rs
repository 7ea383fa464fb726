//! Publishing what dispatchers emit: the envelopes that go out, and what the publisher's answers mean.
//!
//! - Outputs go out in rank order, one envelope each, duplicates kept.
//! - An envelope that goes out has made one hop more than the input. [`accept`](super::accept) refuses what has made
//!   more than `max_hops`, so outputs that lead back to their own input end in an error.
//! - What has no category is not an error: an engine cannot route it, so it is only returned, and counted.
//! - Everything else that the publisher did not take is listed in the result, with a reason that is fit to be shown.

use std::fmt;
use std::time::SystemTime;

use uuid::Uuid;

use super::{DispatchResult, Identity};
use crate::delivery::{DeliveryError, Receipt, SkippedDelivery};
use crate::dispatcher::Output;
use crate::envelope::{Envelope, TraceContext};
use crate::redact::Sanitizer;

/// The envelope that carries an output: caused by the input, one hop further, in the same conversation.
///
/// A bare topic carries the input's payload, type and headers in an envelope with the id and the time that `stamp`
/// gives. An envelope of its own keeps its id (unless it is the input's, passed on) and its time, and what it says about correlation and trace.
#[must_use]
pub fn outgoing(
    output: &Output,
    input: &Envelope,
    identity: &Identity,
    stamp: impl FnOnce() -> (Uuid, SystemTime),
) -> Envelope {
    let envelope = match output.envelope() {
        // An input that is passed on is not its own cause, nor a duplicate of it.
        Some(own) if own.id() == input.id() => own.clone().with_id(stamp().0),
        Some(own) => own.clone(),
        None => {
            let (id, created_at) = stamp();
            Envelope::made(id, created_at, input.raw_payload().clone())
                .with_message_type(input.message_type().as_str())
                .with_headers(input.headers().clone())
        }
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

/// What became of the outputs of one result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    failed: Vec<Unpublished>,
    unpublishable: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Unpublished {
    topic: String,
    why: String,
}

impl Unpublished {
    fn new(envelope: &Envelope, why: impl Into<String>) -> Self {
        Self { topic: envelope.topic().map(ToString::to_string).unwrap_or_default(), why: why.into() }
    }
}

impl Publication {
    /// The publisher has answered for the envelopes, in their order; one that it did not answer for has failed.
    #[must_use]
    pub fn answered(
        envelopes: &[Envelope],
        answers: Vec<Result<Receipt, DeliveryError>>,
        sanitizer: &Sanitizer,
    ) -> Self {
        let mut publication = Self::default();
        let unanswered = envelopes.get(answers.len()..).unwrap_or_default();
        for (envelope, answer) in envelopes.iter().zip(answers) {
            match answer {
                Ok(receipt) if receipt.skipped == Some(SkippedDelivery::NoCategory) => {
                    publication.unpublishable += 1;
                }
                Ok(_) => {}
                Err(error) => {
                    let why = sanitizer.sanitize_text(&error.to_string());
                    publication.failed.push(Unpublished::new(envelope, why));
                }
            }
        }
        let why = "the publisher did not answer for it";
        publication.failed.extend(unanswered.iter().map(|envelope| Unpublished::new(envelope, why)));
        publication
    }

    /// The publisher failed as a whole, for a reason that is fit to be shown: nothing is published.
    #[must_use]
    pub fn failed(envelopes: &[Envelope], why: &str) -> Self {
        let failed = envelopes.iter().map(|envelope| Unpublished::new(envelope, why)).collect();
        Self { failed, unpublishable: 0 }
    }

    /// Whether everything that can be published is.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }

    /// Number of outputs that are only returned, because their topics have no category.
    #[must_use]
    pub const fn unpublishable(&self) -> u64 {
        self.unpublishable
    }

    /// Lists in the result what is not published, if anything; see [`DispatchResult::publish_failed`].
    pub fn fold_into(&self, result: &mut DispatchResult) {
        if !self.is_complete() {
            result.publish_failed(self.to_string());
        }
    }
}

impl fmt::Display for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A dispatcher may have a million outputs; a text need not.
        const SHOWN: usize = 20;
        if self.is_complete() {
            return f.write_str("everything is published");
        }
        f.write_str("could not publish ")?;
        for (place, Unpublished { topic, why }) in self.failed.iter().take(SHOWN).enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}'{topic}': {why}")?;
        }
        if self.failed.len() > SHOWN { write!(f, "; and {} more", self.failed.len() - SHOWN) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::dispatch::{DispatchStatus, accept};
    use crate::dispatcher::Outputs;
    use crate::envelope::Payload;
    use crate::ids::{IdGenerator, SpanId, TraceId};
    use crate::topic::Topic;

    const STAMP: (Uuid, SystemTime) = (Uuid::max(), SystemTime::UNIX_EPOCH);

    fn topic(text: &str) -> Topic {
        Topic::new(text).unwrap()
    }

    fn trace() -> impl Strategy<Value = TraceContext> {
        (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace, span, sampled)| TraceContext {
            trace_id: TraceId::from_bytes(trace.to_be_bytes()).unwrap(),
            span_id: SpanId::from_bytes(span.to_be_bytes()).unwrap(),
            sampled,
        })
    }

    prop_compose! {
        fn envelope()(
            (id, hops) in (any::<u128>(), any::<u16>()),
            name in select(vec!["", "A", "B"]),
            text in select(vec!["x", "y"]),
            correlation in of(any::<u128>()),
            causation in of(any::<u128>()),
            trace in of(trace()),
            key in of(select(vec!["k", "l"])),
        ) -> Envelope {
            let mut envelope = Envelope::json(name, text.into()).with_id(Uuid::from_u128(id)).with_hops(hops);
            envelope = envelope.with_header("h", text);
            if let Some(id) = correlation { envelope = envelope.with_correlation_id(Uuid::from_u128(id)); }
            if let Some(id) = causation { envelope = envelope.with_causation_id(Uuid::from_u128(id)); }
            if let Some(trace) = trace { envelope = envelope.with_trace(trace); }
            if let Some(key) = key { envelope = envelope.with_key(key); }
            envelope
        }
    }

    fn identity(input: &Envelope) -> Identity {
        let mut ids = IdGenerator::from_seed(7);
        Identity::of(input, ids.uuid_v4(), ids.span_id())
    }

    proptest! {
        #[test]
        fn an_output_is_one_hop_further_in_the_same_conversation(input in envelope(), own in of(envelope())) {
            let (on, identity) = (topic("a.events"), identity(&input));
            let output = match &own {
                Some(own) => Output::to("a.events", own.clone()).unwrap(),
                None => Output::on(on.clone()).unwrap(),
            };
            let out = outgoing(&output, &input, &identity, || STAMP);

            prop_assert_eq!(out.topic(), Some(&on));
            prop_assert_eq!(out.causation_id(), Some(input.id()));
            prop_assert_eq!(out.hops(), input.hops().saturating_add(1));
            let correlation = own.as_ref().and_then(Envelope::correlation_id).or(input.correlation_id());
            prop_assert_eq!(out.correlation_id(), correlation.or(Some(identity.dispatch_id)));
            let trace = out.trace().unwrap();
            match own.as_ref().and_then(Envelope::trace) {
                Some(own) => prop_assert_eq!(trace, own),
                None => {
                    prop_assert_eq!((trace.trace_id, trace.span_id), (identity.trace_id, identity.span_id));
                    prop_assert_eq!(trace.sampled, input.trace().is_some_and(|trace| trace.sampled));
                }
            }
            // What it says and about what: its own, or the input's.
            let said = own.as_ref().unwrap_or(&input);
            prop_assert_eq!(out.message_type(), said.message_type());
            prop_assert_eq!(out.headers(), said.headers());
            prop_assert_eq!(out.raw_payload().to_json().unwrap(), said.raw_payload().to_json().unwrap());
            // A bare topic has no key: it is a message of its own.
            prop_assert_eq!(out.key(), own.as_ref().and_then(Envelope::key));
            let stamped = own.as_ref().map_or(STAMP, |own| (own.id(), own.created_at()));
            prop_assert_eq!((out.id(), out.created_at()), stamped);
        }

        /// Outputs that lead back to their own input are dispatched `max_hops` times and then refused.
        #[test]
        fn a_loop_ends(max_hops in 0u16..40, start in 0u16..40, own in any::<bool>()) {
            let on = topic("a.events");
            let output = if own {
                Output::to("a.events", Envelope::new(Payload::Empty)).unwrap()
            } else {
                Output::on(on.clone()).unwrap()
            };
            let (mut envelope, mut dispatches) = (Envelope::new(Payload::Empty).with_hops(start), 0);
            while accept(&on, &mut envelope, max_hops, Some(|_: &mut _| Ok(()))).is_ok() {
                dispatches += 1;
                envelope = outgoing(&output, &envelope, &identity(&envelope), || STAMP);
            }
            prop_assert_eq!(dispatches, (max_hops + 1).saturating_sub(start));
        }

        /// Every output is published, only returned, or listed: none is lost, none counts twice.
        #[test]
        fn every_output_is_accounted_for(sent in 0usize..30, answers in vec(0u8..4, 0..35)) {
            let envelopes: Vec<_> =
                (0..sent).map(|n| Envelope::new(Payload::Empty).with_topic(&topic(&format!("t{n}.events")))).collect();
            let (mut listed, mut unpublishable) = (Vec::new(), 0);
            for (n, answer) in (0..sent).zip(&answers) {
                match answer {
                    0 => listed.push(format!("'t{n}.events': full")),
                    1 => unpublishable += 1,
                    _ => {}
                }
            }
            let unanswered = answers.len()..sent;
            listed.extend(unanswered.map(|n| format!("'t{n}.events': the publisher did not answer for it")));

            let answers = answers.iter().map(|answer| match answer {
                0 => Err(DeliveryError::permanent("full")),
                1 => Ok(Receipt::skipped(SkippedDelivery::NoCategory)),
                _ => Ok(Receipt::default()),
            });
            let publication = Publication::answered(&envelopes, answers.collect(), &Sanitizer::default());
            prop_assert_eq!(publication.unpublishable(), unpublishable);
            prop_assert_eq!(publication.is_complete(), listed.is_empty());
            let mut result = DispatchResult::success("d", Outputs::none());
            publication.fold_into(&mut result);
            if listed.is_empty() {
                prop_assert_eq!(result.status(), DispatchStatus::Success);
            } else {
                let more = listed.len().saturating_sub(20);
                listed.truncate(20);
                if more > 0 {
                    listed.push(format!("and {more} more"));
                }
                prop_assert_eq!(result.status(), DispatchStatus::PublishFailed);
                prop_assert_eq!(result.error_message().unwrap(), format!("could not publish {}", listed.join("; ")));
            }
        }
    }

    #[test]
    fn a_publisher_that_fails_as_a_whole_has_published_nothing() {
        let envelopes =
            ["a.events", "b.events"].map(|on| Envelope::new(Payload::Empty).with_topic(&topic(on)));
        let publication = Publication::failed(&envelopes, "timed out after 5 ms");
        insta::assert_snapshot!(publication, @"could not publish 'a.events': timed out after 5 ms; 'b.events': timed out after 5 ms");
    }

    #[test]
    fn a_secret_in_a_delivery_error_is_not_listed() {
        let sanitizer = Sanitizer::with_patterns(["sesame"]).unwrap();
        let envelopes = [Envelope::new(Payload::Empty).with_topic(&topic("a.events"))];
        let answers = vec![Err(DeliveryError::permanent("open sesame"))];
        assert!(!Publication::answered(&envelopes, answers, &sanitizer).to_string().contains("sesame"));
    }
}
