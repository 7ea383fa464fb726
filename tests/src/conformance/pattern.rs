//! Kinds `pattern_valid` and `pattern_match`.

use dispatch_core::matcher::Scratch;
use dispatch_core::{MatcherBuilder, Topic, TopicPattern};
use serde_json::{Value, json};

use super::case::text;

pub(super) fn valid(input: &Value) -> Result<Value, String> {
    Ok(TopicPattern::new(text(input, "pattern")?).is_ok().into())
}

/// What is not valid matches nothing. The single pattern and the compiled set must agree.
pub(super) fn matches(input: &Value) -> Result<Value, String> {
    let (pattern, topic) = (text(input, "pattern")?, text(input, "topic")?);
    let (Ok(pattern), Ok(topic)) = (TopicPattern::new(pattern), Topic::new(topic)) else {
        return Ok(false.into());
    };
    let single = pattern.matches(&topic);
    let mut builder = MatcherBuilder::new();
    builder.insert(&pattern, 0);
    let mut found = Vec::new();
    builder.build().find(&topic, &mut Scratch::default(), &mut found);
    let compiled = !found.is_empty();
    Ok(if single == compiled { single.into() } else { json!({"pattern": single, "matcher": compiled}) })
}
