use std::time::SystemTime;

use uuid::Uuid;

use super::NodeKind;
use crate::ids::{DispatcherId, SpanId, TraceId};
use crate::topic::Topic;

/// What a dispatcher may know about the dispatch it takes part in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// The dispatcher's own id.
    pub dispatcher_id: DispatcherId,
    /// The topic of the dispatch.
    pub topic: Topic,
    /// Id of the dispatch.
    pub dispatch_id: Uuid,
    /// Correlation id of the envelope, or the one generated for it.
    pub correlation_id: Uuid,
    /// Trace of the envelope, or the one generated for it.
    pub trace_id: TraceId,
    /// The span of this dispatch.
    pub span_id: SpanId,
    /// The kind the dispatcher was registered with.
    pub node_kind: Option<NodeKind>,
    /// Wall time at which the envelope was routed. Absent for kinds that must be deterministic.
    pub now: Option<SystemTime>,
}

/// The parts of a [`Context`]; the form in which an engine makes one.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of Context")]
pub struct ContextParts {
    pub dispatcher_id: DispatcherId,
    pub topic: Topic,
    pub dispatch_id: Uuid,
    pub correlation_id: Uuid,
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub node_kind: Option<NodeKind>,
    pub now: SystemTime,
}

impl From<ContextParts> for Context {
    fn from(parts: ContextParts) -> Self {
        let deterministic = parts.node_kind.is_some_and(NodeKind::is_deterministic);
        Self {
            dispatcher_id: parts.dispatcher_id,
            topic: parts.topic,
            dispatch_id: parts.dispatch_id,
            correlation_id: parts.correlation_id,
            trace_id: parts.trace_id,
            span_id: parts.span_id,
            node_kind: parts.node_kind,
            now: (!deterministic).then_some(parts.now),
        }
    }
}
