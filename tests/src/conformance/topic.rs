//! Kinds `topic_valid` and `topic_category`.

use dispatch_core::{Category, Topic};
use serde_json::{Value, json};

use super::case::text;

pub(super) fn valid(input: &Value) -> Result<Value, String> {
    Ok(Topic::new(text(input, "topic")?).is_ok().into())
}

pub(super) fn category(input: &Value) -> Result<Value, String> {
    Ok(json!(Category::of_topic(text(input, "topic")?)))
}
