//! `Matcher::find` against one comparison after the other.

use std::collections::BTreeSet;

use dispatch_core::TopicPattern;
use dispatch_core::matcher::{MatcherBuilder, Scratch};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model;
use crate::strategies::{pattern, topic};

proptest! {
    // Up to 40 patterns and 6 topics in a case, each in three matchers; about 30,000 pairs in a run, 3,000,000
    // with DISPATCH_PROOF=100.
    #![proptest_config(crate::cases(256))]

    #[test]
    fn finds_the_ranks_of_the_patterns_that_match(
        routes in vec((pattern(), any::<u32>()), 0..40),
        topics in vec(topic(), 6),
    ) {
        let mut scratch = Scratch::new();
        let mut found = vec![7];
        // The trie alone, as few anchors as there can be, and the default.
        for limit in [0, 1, MatcherBuilder::ANCHOR_LIMIT] {
            let mut builder = MatcherBuilder::new().anchor_limit(limit);
            for (pattern, rank) in &routes {
                builder.insert(pattern, *rank);
            }
            let matcher = builder.build();
            prop_assert_eq!(matcher.len(), routes.len());
            for topic in &topics {
                matcher.find(topic, &mut scratch, &mut found);
                let expected: BTreeSet<u32> = routes
                    .iter()
                    .filter(|(pattern, _)| model::matches(pattern.as_str(), topic.as_str()))
                    .map(|(_, rank)| *rank)
                    .collect();
                prop_assert_eq!(&found, &Vec::from_iter(expected), "limit {}, {}", limit, topic);
            }
        }
    }

    #[test]
    fn the_order_of_insertion_has_no_effect(
        routes in vec((pattern(), any::<u32>()), 1..20),
        topics in vec(topic(), 6),
    ) {
        let build = |routes: Vec<&(TopicPattern, u32)>| {
            let mut builder = MatcherBuilder::new();
            for (pattern, rank) in routes {
                builder.insert(pattern, *rank);
            }
            builder.build()
        };
        let (one, other) = (build(routes.iter().collect()), build(routes.iter().rev().collect()));
        let mut scratch = Scratch::new();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for topic in &topics {
            one.find(topic, &mut scratch, &mut a);
            other.find(topic, &mut scratch, &mut b);
            prop_assert_eq!(&a, &b);
        }
    }
}
