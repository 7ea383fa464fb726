use dispatch_core::Sanitizer;
use serde_json::Value;

/// What is wrong with a value, without the value: it may be a secret in the wrong place.
pub(super) fn of(error: &serde_json::Error, value: &Value) -> String {
    let text = error.to_string();
    let found = kind(value);
    if let Some(names) = text.strip_prefix("unknown field ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        return format!("it holds an unknown name: expected {}", names.1);
    }
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {}, found {found}", plain(expected)),
        // A text of the type's own.
        None => Sanitizer::new().sanitize_text(&text),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(number) if number.is_i64() && !number.is_u64() => "a negative number",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// What Rust calls a type, as people call it.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "path string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    }
}
