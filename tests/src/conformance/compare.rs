use serde_json::{Map, Number, Value};

/// Whether an answer is what a case expects.
///
/// Of an object only the keys that are expected count, recursively; arrays count whole and in order. An expected
/// `{}` means any error: an object that names a code or several.
///
/// ```
/// use dispatch_tests::conformance::matches;
/// use serde_json::json;
///
/// assert!(matches(&json!({"a": 1}), &json!({"a": 1.0, "b": 2})));
/// assert!(!matches(&json!([1]), &json!([1, 2])));
/// assert!(matches(&json!({}), &json!({"error": "TIMEOUT"})));
/// assert!(!matches(&json!({}), &json!("ok")));
/// ```
#[must_use]
pub fn matches(expected: &Value, got: &Value) -> bool {
    match expected {
        Value::Object(keys) if keys.is_empty() => is_error(got),
        _ => same(expected, got),
    }
}

fn is_error(got: &Value) -> bool {
    got.get("error").is_some() || got.get("errors").is_some()
}

fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => same_keys(expected, got),
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| same(expected, got))
        }
        (Value::Number(expected), Value::Number(got)) => same_number(expected, got),
        _ => expected == got,
    }
}

/// A key that is absent is null.
fn same_keys(expected: &Map<String, Value>, got: &Map<String, Value>) -> bool {
    expected.iter().all(|(key, expected)| same(expected, got.get(key).unwrap_or(&Value::Null)))
}

/// JSON has one kind of number: `1` is `1.0`.
fn same_number(expected: &Number, got: &Number) -> bool {
    if expected == got {
        return true;
    }
    let (Some(expected), Some(got)) = (expected.as_f64(), got.as_f64()) else { return false };
    (expected - got).abs() <= f64::EPSILON * expected.abs().max(got.abs())
}
