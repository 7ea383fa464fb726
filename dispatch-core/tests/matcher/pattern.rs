//! `TopicPattern` alone.

use dispatch_core::{Topic, TopicPattern};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model;
use crate::strategies::{pattern, topic};

proptest! {
    // 64 pairs of a pattern and a topic in a case, 16,384 in a run; 1,638,400 with DISPATCH_PROOF=100.
    #![proptest_config(crate::cases(256))]

    #[test]
    fn matches_what_the_model_matches(patterns in vec(pattern(), 8), topics in vec(topic(), 8)) {
        for pattern in &patterns {
            for topic in &topics {
                let expected = model::matches(pattern.as_str(), topic.as_str());
                prop_assert_eq!(pattern.matches(topic), expected, "{} {}", pattern, topic);
                prop_assert_eq!(pattern.matches_str(topic.as_str()), expected);
            }
        }
    }

    #[test]
    fn a_literal_pattern_matches_itself_in_any_case(topic in topic()) {
        if let Ok(pattern) = TopicPattern::new(topic.as_str()) {
            prop_assert!(pattern.matches(&topic), "wildcards match themselves too");
            let upper = Topic::new(topic.as_str().to_ascii_uppercase()).expect("still valid");
            prop_assert!(pattern.matches(&upper));
            prop_assert_eq!(pattern.is_literal(), !topic.as_str().contains(['*', '?']));
        }
    }

    #[test]
    fn a_pattern_survives_text_and_json(pattern in pattern()) {
        prop_assert_eq!(&pattern.to_string().parse::<TopicPattern>(), &Ok(pattern.clone()));
        let json = serde_json::to_string(&pattern).expect("a string");
        prop_assert_eq!(serde_json::from_str::<TopicPattern>(&json).expect("the same string"), pattern);
    }

    #[test]
    fn any_text_is_accepted_or_refused_with_a_reason(text in "[ab*?. \u{0}é]{0,12}") {
        let stars_glued = text.split('.').any(|part| part != "**" && part.contains("**"));
        let valid = Topic::new(&text).is_ok() && !stars_glued && !format!(".{text}.").contains(".**.**.");
        match TopicPattern::new(&text) {
            Ok(pattern) => {
                prop_assert!(valid, "{:?} was accepted", text);
                prop_assert_eq!(pattern.as_str(), text);
            }
            Err(error) => {
                prop_assert!(!valid, "{:?} was refused: {}", text, error);
                prop_assert!(error.to_string().contains("pattern"));
            }
        }
    }
}
