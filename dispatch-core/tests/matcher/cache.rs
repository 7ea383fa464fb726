//! `TopicCache` against a map.

use std::collections::HashMap;
use std::sync::Arc;

use dispatch_core::Topic;
use dispatch_core::matcher::TopicCache;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Get(usize, usize),
    Offer(usize, usize),
    Clear,
}

/// Message types that agree in length and in their first and last eight bytes, and some that do not.
const TYPES: [&str; 5] = ["", "T", "t", "OrderPlaced-1-by-Customer", "OrderPlaced-2-by-Customer"];

fn step(topics: usize) -> impl Strategy<Value = Step> {
    let key = || (0..topics, 0..TYPES.len());
    prop_oneof![
        200 => key().prop_map(|(topic, message_type)| Step::Get(topic, message_type)),
        200 => key().prop_map(|(topic, message_type)| Step::Offer(topic, message_type)),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(crate::cases(64))]

    #[test]
    fn a_hit_is_the_value_offered_last_for_exactly_this_key(
        slots in 0_usize..40,
        steps in vec(step(30), 1..4000),
    ) {
        let mut cache = TopicCache::new(slots);
        let mut offered: HashMap<(String, &str), usize> = HashMap::new();
        let types = TYPES.map(Arc::<str>::from);
        // Pairs that differ in case only, each topic made anew for every step.
        let text = |topic: usize| format!("{}.{}", ["a", "A"][topic % 2], topic / 2);
        let mut gets = 0;
        for (value, step) in steps.into_iter().enumerate() {
            match step {
                Step::Get(topic, message_type) => {
                    gets += 1;
                    let found = cache.get(&Topic::new(text(topic)).expect("valid"), TYPES[message_type]);
                    if let Some(found) = found {
                        prop_assert_eq!(Some(found), offered.get(&(text(topic), TYPES[message_type])));
                    }
                }
                Step::Offer(topic, message_type) => {
                    cache.offer(&Topic::new(text(topic)).expect("valid"), &types[message_type], value);
                    offered.insert((text(topic), TYPES[message_type]), value);
                }
                Step::Clear => {
                    cache.clear();
                    offered.clear();
                }
            }
        }
        let stats = cache.stats();
        prop_assert_eq!(stats.hits + stats.misses + stats.bypassed, gets);
    }

    #[test]
    fn with_room_to_spare_every_second_sighting_stays(keys in vec(0_usize..8, 1..200)) {
        let mut cache = TopicCache::new(4096);
        let message_type = Arc::from("T");
        let topics: Vec<Topic> = (0..8).map(|n| Topic::new(format!("t.{n}")).expect("valid")).collect();
        let mut sightings = [0; 8];
        for key in keys {
            let found = cache.get(&topics[key], "T").copied();
            prop_assert_eq!(found, (sightings[key] >= 2).then_some(key));
            cache.offer(&topics[key], &message_type, key);
            sightings[key] += 1;
        }
    }
}
