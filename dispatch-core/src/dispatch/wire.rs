//! The JSON form of a result.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::DispatchStatus;
use super::outcome::{Leg, Outcome};
use super::path::{Path, TopicText};
use super::result::{DispatchResult, Failure};
use super::subject::Identity;
use crate::dispatcher::Output;
use crate::error::ErrorCode;
use crate::ids::{DispatcherId, MessageType, RouteId, SpanId, TraceId};
use crate::time::rfc3339;
use crate::topic::{Category, Topic};

#[derive(Serialize)]
pub(super) struct ResultOut<'a> {
    dispatch_id: Uuid,
    status: DispatchStatus,
    route_id: Option<&'a RouteId>,
    dispatcher_ids: Vec<&'a DispatcherId>,
    topic: &'a str,
    message_category: Option<Category>,
    message_type: Option<&'a MessageType>,
    duration_ms: f64,
    #[serde(with = "rfc3339")]
    started_at: SystemTime,
    #[serde(with = "rfc3339")]
    completed_at: SystemTime,
    outputs: Vec<&'a Output>,
    output_count: usize,
    error_message: Option<&'a str>,
    error_code: Option<ErrorCode>,
    correlation_id: Uuid,
    trace_id: TraceId,
    span_id: SpanId,
    outcomes: Vec<OutcomeOut<'a>>,
}

#[derive(Serialize)]
struct OutcomeOut<'a> {
    dispatcher_id: &'a DispatcherId,
    route_id: Option<&'a RouteId>,
    status: DispatchStatus,
    outputs: &'a [Output],
    error_message: Option<&'a str>,
    duration_ms: f64,
    /// Said only if it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fallback: bool,
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl<'a> From<&'a DispatchResult> for ResultOut<'a> {
    fn from(result: &'a DispatchResult) -> Self {
        Self {
            dispatch_id: result.dispatch_id(),
            status: result.status(),
            route_id: result.route_id(),
            dispatcher_ids: result.dispatcher_ids().collect(),
            topic: result.topic(),
            message_category: result.message_category(),
            message_type: result.message_type(),
            duration_ms: millis(result.duration()),
            started_at: result.started_at(),
            completed_at: result.completed_at(),
            outputs: result.outputs().collect(),
            output_count: result.output_count(),
            error_message: result.error_message(),
            error_code: result.error_code(),
            correlation_id: result.correlation_id(),
            trace_id: result.trace_id(),
            span_id: result.span_id(),
            outcomes: result
                .path
                .legs
                .iter()
                .zip(&result.outcomes)
                .map(|(leg, outcome)| OutcomeOut {
                    dispatcher_id: &leg.dispatcher_id,
                    route_id: leg.route_id.as_ref(),
                    status: outcome.status(),
                    outputs: outcome.outputs(),
                    error_message: outcome.error_message(),
                    duration_ms: millis(outcome.duration()),
                    fallback: outcome.is_fallback(),
                })
                .collect(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ResultIn {
    dispatch_id: Uuid,
    status: DispatchStatus,
    route_id: Option<RouteId>,
    #[serde(default)]
    dispatcher_ids: Vec<DispatcherId>,
    topic: String,
    message_category: Option<Category>,
    message_type: Option<MessageType>,
    duration_ms: f64,
    #[serde(with = "rfc3339")]
    started_at: SystemTime,
    error_message: Option<String>,
    error_code: Option<ErrorCode>,
    correlation_id: Uuid,
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(default)]
    outcomes: Vec<OutcomeIn>,
}

#[derive(Deserialize)]
struct OutcomeIn {
    dispatcher_id: DispatcherId,
    route_id: Option<RouteId>,
    status: DispatchStatus,
    #[serde(default)]
    outputs: Vec<Topic>,
    error_message: Option<String>,
    duration_ms: f64,
    #[serde(default)]
    fallback: bool,
}

fn duration(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default()
}

impl From<ResultIn> for DispatchResult {
    fn from(read: ResultIn) -> Self {
        let mut legs: Vec<_> = read
            .outcomes
            .iter()
            .map(|outcome| Leg {
                dispatcher_id: outcome.dispatcher_id.clone(),
                route_id: outcome.route_id.clone(),
            })
            .collect();
        if legs.is_empty() {
            // Only routed: the ids are known, the outcomes are not.
            let mut route = read.route_id;
            legs.extend(
                read.dispatcher_ids.into_iter().map(|id| Leg { dispatcher_id: id, route_id: route.take() }),
            );
        }
        let outcomes = read.outcomes.into_iter().map(|outcome| {
            Outcome::restored(
                outcome.status,
                outcome.outputs.into_iter().filter_map(|topic| Output::on(topic).ok()).collect(),
                outcome.error_message.map(String::into_boxed_str),
                duration(outcome.duration_ms),
                outcome.fallback,
            )
        });
        let failure = read.error_message.map(|message| {
            Box::new(Failure { code: read.error_code.unwrap_or(ErrorCode::Rejected), message })
        });
        Self {
            identity: Identity {
                dispatch_id: read.dispatch_id,
                correlation_id: read.correlation_id,
                trace_id: read.trace_id,
                span_id: read.span_id,
            },
            path: Arc::new(Path {
                topic: Topic::new(&read.topic)
                    .map_or_else(|_| TopicText::refused(&read.topic), TopicText::Valid),
                category: read.message_category,
                message_type: read.message_type,
                legs: legs.into(),
            }),
            status: read.status,
            outcomes: outcomes.collect(),
            failure,
            started_at: read.started_at,
            duration: duration(read.duration_ms),
        }
    }
}
