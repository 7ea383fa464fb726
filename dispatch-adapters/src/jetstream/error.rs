//! What the server and the client say, as errors of a log. None of it holds a value that was stored, or a password.

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind, RequestError, RequestErrorKind};
use dispatch_core::delivery::DeliveryError;
use dispatch_core::log::LogError;

/// No connection.
pub(super) fn of_connection(error: DeliveryError) -> LogError {
    let what = error.message().to_owned();
    if error.is_retryable() { LogError::unavailable(what, error) } else { LogError::failed(what, error) }
}

/// The server refused.
pub(super) fn of_refusal(doing: &str, error: jetstream::Error) -> LogError {
    let what = format!("{doing}: {error}");
    match error.error_code() {
        ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED
        | ErrorCode::STREAM_STORE_FAILED => LogError::Full { what },
        // As in HTTP: 4xx is about the question, 5xx about the server.
        _ if (400..500).contains(&error.code()) => LogError::failed(what, error),
        _ => LogError::unavailable(what, error),
    }
}

/// A question got no answer.
pub(super) fn of_request(doing: &str, error: RequestError) -> LogError {
    let why = match error.kind() {
        RequestErrorKind::NoResponders => "JetStream does not answer there; it may be off, or starting",
        RequestErrorKind::TimedOut => "no answer in time",
        _ => "the question could not be asked",
    };
    LogError::unavailable(format!("{doing}: {why}"), error)
}

/// A message was not stored, or nobody said that it was.
pub(super) fn of_publish(doing: &str, error: PublishError) -> LogError {
    let refused = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<jetstream::Error>())
        .map(|refused| of_refusal(doing, refused.clone()));
    if let Some(refused) = refused {
        return refused;
    }
    let kind = error.kind();
    LogError::unavailable(format!("{doing}: {kind}"), error)
}

/// There was no room for all of it: `Full` would say that nothing was appended.
pub(super) fn in_part(full: &str) -> LogError {
    let what = format!("{full}; a part is stored: make room, or trim the log");
    LogError::Unavailable { what, retry_in: None, source: None }
}

/// Whether the connection is gone for good.
pub(super) fn is_final(error: &LogError) -> bool {
    let LogError::Unavailable { source: Some(source), .. } = error else { return false };
    if let Some(error) = source.downcast_ref::<PublishError>() {
        return error.kind() == PublishErrorKind::Other;
    }
    source.downcast_ref::<RequestError>().is_some_and(|error| error.kind() == RequestErrorKind::Other)
}
