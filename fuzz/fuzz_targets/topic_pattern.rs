//! Any bytes as patterns and a topic: lines, of which the last one is the topic.
//!
//! `cargo +nightly fuzz run topic_pattern -- -max_total_time=60`

#![no_main]

#[path = "../../dispatch-core/tests/matcher/model.rs"]
mod model;

use dispatch_core::matcher::{MatcherBuilder, Scratch};
use dispatch_core::{Topic, TopicPattern};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (patterns, topic) = text.rsplit_once('\n').unwrap_or(("", &text));
    let patterns: Vec<TopicPattern> = patterns.split('\n').take(32).filter_map(parse).collect();

    let Ok(topic) = Topic::new(topic) else {
        assert!(patterns.iter().all(|pattern| !pattern.matches_str(topic)));
        return;
    };
    assert_eq!(topic.to_string().parse::<Topic>().as_ref(), Ok(&topic));

    let mut expected = Vec::new();
    for (rank, pattern) in (0..).zip(&patterns) {
        let matches = pattern.matches(&topic);
        assert_eq!(matches, model::matches(pattern.as_str(), topic.as_str()), "{pattern} {topic}");
        assert_eq!(matches, pattern.matches_str(topic.as_str()));
        if matches {
            expected.push(rank);
        }
    }
    for limit in [0, 1, MatcherBuilder::ANCHOR_LIMIT] {
        let mut builder = MatcherBuilder::new().anchor_limit(limit);
        for (rank, pattern) in (0..).zip(&patterns) {
            builder.insert(pattern, rank);
        }
        let mut found = Vec::new();
        builder.build().find(&topic, &mut Scratch::new(), &mut found);
        assert_eq!(found, expected, "limit {limit}, {topic}, {patterns:?}");
    }
});

/// Parses a pattern, and checks that its text means itself.
fn parse(text: &str) -> Option<TopicPattern> {
    match TopicPattern::new(text) {
        Ok(pattern) => {
            assert_eq!(pattern.as_str(), text);
            assert_eq!(pattern.to_string().parse::<TopicPattern>().as_ref(), Ok(&pattern));
            Some(pattern)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
