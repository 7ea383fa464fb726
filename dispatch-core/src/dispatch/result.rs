use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use uuid::Uuid;

use super::outcome::{Leg, Outcome, OutcomeOf};
use super::path::Path;
use super::subject::{Identity, Subject};
use super::{DispatchStatus, wire};
use crate::dispatcher::{DispatcherError, Output, Outputs};
use crate::error::ErrorCode;
use crate::ids::{DispatcherId, MessageType, RouteId, SpanId, TraceId};
use crate::redact::Sanitizer;
use crate::topic::Category;

/// Outcomes of a dispatch in rank order; the common case of one needs no allocation.
pub type Outcomes = SmallVec<[Outcome; 1]>;

/// The one result of one dispatch.
///
/// Serialises to the names its methods have; `outputs` is a list of topics and never null, durations are in
/// milliseconds, times are RFC 3339. Reading accepts what writing produces.
#[derive(Debug, Clone)]
pub struct DispatchResult {
    pub(super) identity: Identity,
    pub(super) path: Arc<Path>,
    pub(super) status: DispatchStatus,
    pub(super) outcomes: Outcomes,
    pub(super) failure: Option<Box<Failure>>,
    pub(super) started_at: SystemTime,
    pub(super) duration: Duration,
}

/// The code and the text of a failed dispatch; the text is sanitised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// What went wrong.
    pub message: String,
}

impl DispatchResult {
    /// The result of a dispatch whose dispatchers have all answered: folds their outcomes.
    #[must_use]
    pub fn folded(subject: Subject, outcomes: Outcomes, duration: Duration) -> Self {
        let (status, failure) = super::fold(&subject.path.legs, &outcomes);
        Self { outcomes, ..Self::closed(subject, status, failure, duration) }
    }

    /// The result of a dispatch that was only handed on.
    #[must_use]
    pub fn routed(subject: Subject, duration: Duration) -> Self {
        Self::closed(subject, DispatchStatus::Routed, None, duration)
    }

    /// The result of a dispatch that no dispatcher saw.
    #[must_use]
    pub fn unhandled(subject: Subject, status: DispatchStatus, failure: Failure, duration: Duration) -> Self {
        Self::closed(subject, status, Some(Box::new(failure)), duration)
    }

    /// The result of a dispatch that was filtered out; the reason is its `error_message`, without a code.
    #[must_use]
    pub fn filtered(subject: Subject, reason: impl Into<String>, duration: Duration) -> Self {
        // A skipped dispatch has no code: the reason is kept as an outcome-less failure text.
        let failure = Failure { code: ErrorCode::Rejected, message: reason.into() };
        Self::closed(subject, DispatchStatus::Skipped, Some(Box::new(failure)), duration)
    }

    fn closed(
        subject: Subject,
        status: DispatchStatus,
        failure: Option<Box<Failure>>,
        duration: Duration,
    ) -> Self {
        Self {
            identity: subject.identity,
            path: subject.path,
            status,
            outcomes: Outcomes::new(),
            failure,
            started_at: subject.started_at,
            duration,
        }
    }

    /// For a dispatcher that answers with a result of its own: success with outputs.
    ///
    /// The ids are new and random, the topic is empty; an outer dispatch takes only status, error and outputs.
    pub fn success(dispatcher_id: impl Into<DispatcherId>, outputs: Outputs) -> Self {
        let subject = Subject::unknown([Leg { dispatcher_id: dispatcher_id.into(), route_id: None }]);
        let outcomes = SmallVec::from_iter([Outcome::success(outputs, Duration::ZERO)]);
        Self::folded(subject, outcomes, Duration::ZERO)
    }

    /// For a dispatcher that answers with a result of its own: failure. The error is sanitised here.
    pub fn failed(dispatcher_id: impl Into<DispatcherId>, error: &DispatcherError) -> Self {
        let subject = Subject::unknown([Leg { dispatcher_id: dispatcher_id.into(), route_id: None }]);
        let text = Sanitizer::default().sanitize(error.error_type(), error.message());
        let outcomes = SmallVec::from_iter([Outcome::error(text, Duration::ZERO)]);
        Self::folded(subject, outcomes, Duration::ZERO)
    }

    /// For a dispatcher that answers with a result of its own: nothing to do, for a reason.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::filtered(Subject::unknown([]), reason, Duration::ZERO)
    }

    /// Makes this a [`DispatchStatus::PublishFailed`] that lists the topics which could not be published. A
    /// result that is an error already keeps its status and code; its message says both.
    pub fn publish_failed(&mut self, message: impl Into<String>) {
        match &mut self.failure {
            Some(failure) if self.status.is_error() => {
                failure.message.push_str("; ");
                failure.message.push_str(&message.into());
            }
            failure => {
                let message = message.into();
                *failure = Some(Box::new(Failure { code: ErrorCode::PublishFailed, message }));
                self.status = DispatchStatus::PublishFailed;
            }
        }
    }

    /// Sets how long the dispatch took: for an engine that does more after the fold.
    pub fn set_duration(&mut self, duration: Duration) {
        self.duration = duration;
    }

    /// Where the envelope went.
    #[must_use]
    pub fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// All the ids.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Id of the dispatch, a UUID v7.
    #[must_use]
    pub const fn dispatch_id(&self) -> Uuid {
        self.identity.dispatch_id
    }

    /// How the dispatch ended.
    #[must_use]
    pub const fn status(&self) -> DispatchStatus {
        self.status
    }

    /// The first route that led to a dispatcher which was handed the envelope.
    #[must_use]
    pub fn route_id(&self) -> Option<&RouteId> {
        self.path.legs.iter().find_map(|leg| leg.route_id.as_ref())
    }

    /// The dispatchers that were handed the envelope, in rank order; failed and late ones are among them.
    pub fn dispatcher_ids(&self) -> impl ExactSizeIterator<Item = &DispatcherId> {
        self.path.legs.iter().map(|leg| &leg.dispatcher_id)
    }

    /// The topic, or the text that is not one.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.path.topic_str()
    }

    /// The category of the topic, if it has one.
    #[must_use]
    pub fn message_category(&self) -> Option<Category> {
        self.path.category
    }

    /// The message type that was routed by.
    #[must_use]
    pub fn message_type(&self) -> Option<&MessageType> {
        self.path.message_type.as_ref()
    }

    /// When the dispatch began.
    #[must_use]
    pub const fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// When the dispatch ended.
    #[must_use]
    pub fn completed_at(&self) -> SystemTime {
        self.started_at + self.duration
    }

    /// How long the dispatch took.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// One outcome per dispatcher in rank order; none while the dispatch is only routed.
    pub fn outcomes(&self) -> impl Iterator<Item = OutcomeOf<'_>> {
        self.path.legs.iter().zip(&self.outcomes).map(OutcomeOf::new)
    }

    /// The outputs of all dispatchers in rank order, duplicates kept.
    pub fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.outcomes.iter().flat_map(Outcome::outputs)
    }

    /// Number of outputs.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.outputs().len()).sum()
    }

    pub(crate) fn into_outputs_vec(self) -> Vec<Output> {
        let mut outcomes = self.outcomes.into_iter().map(Outcome::into_outputs);
        let mut outputs = outcomes.next().unwrap_or_default();
        outputs.extend(outcomes.flatten());
        outputs
    }

    /// What went wrong, sanitised; for a skipped dispatch, why it was skipped.
    #[must_use]
    pub fn error_message(&self) -> Option<&str> {
        self.failure.as_deref().map(|failure| failure.message.as_str())
    }

    /// The code of what went wrong.
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.failure.as_deref().map(|failure| failure.code).filter(|_| self.status.is_error())
    }

    /// Correlation id of the envelope, or the one generated for it.
    #[must_use]
    pub const fn correlation_id(&self) -> Uuid {
        self.identity.correlation_id
    }

    /// Trace of the envelope, or the one generated for it.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.identity.trace_id
    }

    /// The span of this dispatch.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.identity.span_id
    }

    /// Whether every dispatcher succeeded and everything was published.
    #[must_use]
    pub const fn is_successful(&self) -> bool {
        self.status.is_successful()
    }

    /// Whether something went wrong.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.status.is_error()
    }

    /// Whether the same dispatch may succeed when it is tried again.
    #[must_use]
    pub const fn requires_retry(&self) -> bool {
        self.status.requires_retry()
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }
}

impl Serialize for DispatchResult {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::ResultOut::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DispatchResult {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::ResultIn::deserialize(deserializer).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatcher::IntoOutputs;

    #[test]
    fn a_result_of_an_inner_dispatch_is_taken_over() {
        let outputs = ["a.b"].into_outputs().unwrap();
        assert_eq!(DispatchResult::success("d", outputs).into_outputs().unwrap().len(), 1);
        let failed = DispatchResult::failed("d", &DispatcherError::new("IoError", "disk full"));
        let error = failed.into_outputs().unwrap_err();
        assert_eq!(error.error_type(), "HANDLER_EXECUTION_ERROR");
        assert_eq!(error.message(), "Dispatcher 'd' failed: IoError: disk full");
        assert!(DispatchResult::skipped("seen before").into_outputs().unwrap().is_empty());
    }

    #[test]
    fn publishing_failed_does_not_hide_an_error() {
        let mut result = DispatchResult::failed("d", &DispatcherError::msg("x"));
        result.publish_failed("a.b");
        assert_eq!(result.status(), DispatchStatus::DispatcherError);
        let mut result = DispatchResult::success("d", Outputs::none());
        result.publish_failed("a.b");
        assert_eq!(result.error_code(), Some(ErrorCode::PublishFailed));
    }

    #[test]
    fn json_round_trips() {
        let outputs = ["a.b", "a.b"].into_outputs().unwrap();
        let result = DispatchResult::success("d", outputs);
        let json = serde_json::to_value(&result).unwrap();
        let back: DispatchResult = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), json);
        assert_eq!(json["outputs"], serde_json::json!(["a.b", "a.b"]));
        assert_eq!(json["error_code"], serde_json::Value::Null);
        assert_eq!(json["dispatcher_ids"], serde_json::json!(["d"]));
    }

    #[test]
    fn a_skipped_result_has_a_reason_but_no_code() {
        let result = DispatchResult::skipped("seen before");
        assert_eq!((result.error_code(), result.error_message()), (None, Some("seen before")));
        let json = serde_json::to_value(&result).unwrap();
        let back: DispatchResult = serde_json::from_value(json).unwrap();
        assert_eq!(back.error_message(), Some("seen before"));
    }
}
