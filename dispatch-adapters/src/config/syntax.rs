use serde_json::Value;

use super::TargetError;

/// Reads TOML. The error says where it is wrong and nothing of what is there: it may be a secret.
pub(super) fn toml(text: &str) -> Result<Value, TargetError> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        TargetError::Syntax { format: "TOML", line: before.matches('\n').count() + 1 }
    })
}

/// Reads JSON, with an error of the same kind.
pub(super) fn json(text: &str) -> Result<Value, TargetError> {
    serde_json::from_str(text).map_err(|error| TargetError::Syntax { format: "JSON", line: error.line() })
}
