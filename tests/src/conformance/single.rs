//! Kinds that ask one question of one type: `sanitize`, `status`, `histogram_bucket`, `shape`.

use dispatch_core::{Category, DispatchStatus, NodeKind, Sanitizer};
use dispatch_metrics::Histogram;
use serde_json::{Value, json};

use super::case::{read, text};

pub(super) fn sanitize(input: &Value) -> Result<Value, String> {
    let (error_type, message) = (text(input, "error_type")?, text(input, "message")?);
    Ok(Sanitizer::new().sanitize(error_type, message).into())
}

pub(super) fn status(input: &Value) -> Result<Value, String> {
    let status: DispatchStatus = read(&input["status"])?;
    Ok(json!({
        "is_terminal": status.is_terminal(),
        "is_successful": status.is_successful(),
        "is_error": status.is_error(),
        "requires_retry": status.requires_retry(),
    }))
}

pub(super) fn histogram_bucket(input: &Value) -> Result<Value, String> {
    let duration_ms = input["duration_ms"].as_f64().ok_or("no number 'duration_ms'")?;
    Ok(Histogram::bucket_of_ms(duration_ms).into())
}

pub(super) fn shape(input: &Value) -> Result<Value, String> {
    let (category, kind): (Category, NodeKind) = (read(&input["category"])?, read(&input["node_kind"])?);
    Ok(kind.accepts(category).into())
}
