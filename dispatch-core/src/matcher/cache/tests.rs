use super::*;

fn topic(text: impl AsRef<str>) -> Topic {
    Topic::new(text).unwrap()
}

fn admit<V: Clone>(cache: &mut TopicCache<V>, topic: &Topic, message_type: &Arc<str>, value: V) {
    cache.offer(topic, message_type, value.clone());
    cache.offer(topic, message_type, value);
}

#[test]
fn a_key_is_admitted_on_its_second_sighting() {
    let mut cache = TopicCache::new(64);
    let (topic, message_type) = (topic("a.events"), Arc::from("T"));
    cache.offer(&topic, &message_type, 1);
    assert_eq!(cache.get(&topic, "T"), None);
    cache.offer(&topic, &message_type, 2);
    assert_eq!(cache.get(&topic, "T"), Some(&2));
    cache.offer(&topic, &message_type, 3);
    assert_eq!(cache.get(&topic, "T"), Some(&3));
}

#[test]
fn case_and_message_type_are_part_of_the_key() {
    let mut cache = TopicCache::new(64);
    let message_type = Arc::from("T");
    admit(&mut cache, &topic("a.events"), &message_type, 1);
    assert_eq!(cache.get(&topic("a.events"), &message_type), Some(&1));
    assert_eq!(cache.get(&topic("A.events"), &message_type), None);
    assert_eq!(cache.get(&topic("a.events"), "t"), None);
    assert_eq!(cache.get(&topic("a.events"), ""), None);
}

#[test]
fn a_flood_of_keys_evicts_and_no_more() {
    let mut cache = TopicCache::new(8);
    let message_type = Arc::from("T");
    for n in 0..1000 {
        admit(&mut cache, &topic(format!("a.{n}")), &message_type, n);
    }
    let kept = (0..1000).filter(|n| cache.get(&topic(format!("a.{n}")), "T") == Some(n)).count();
    assert!((1..=8).contains(&kept), "{kept}");
    assert_eq!(cache.stats().evictions, 1000 - kept as u64);
}

#[test]
fn what_is_hit_often_survives_what_is_not() {
    let mut cache = TopicCache::new(4);
    let message_type = Arc::from("T");
    let hot = topic("hot");
    admit(&mut cache, &hot, &message_type, 0);
    for n in 1..100 {
        assert_eq!(cache.get(&hot, "T"), Some(&0), "{n}");
        admit(&mut cache, &topic(format!("cold.{n}")), &message_type, n);
    }
}

#[test]
fn clear_forgets_values_and_sightings() {
    let mut cache = TopicCache::new(64);
    let message_type = Arc::from("T");
    admit(&mut cache, &topic("a"), &message_type, 1);
    cache.offer(&topic("b"), &message_type, 1);
    cache.clear();
    cache.offer(&topic("b"), &message_type, 2);
    assert_eq!(cache.get(&topic("a"), "T"), None);
    assert_eq!(cache.get(&topic("b"), "T"), None);
}

#[test]
fn topics_that_never_come_again_are_bypassed() {
    let mut cache = TopicCache::new(16);
    let message_type = Arc::from("T");
    for n in 0..20_000 {
        let topic = topic(format!("a.{n}"));
        assert_eq!(cache.get(&topic, "T"), None);
        cache.offer(&topic, &message_type, n);
    }
    let stats = cache.stats();
    assert!(stats.bypassed > 15_000, "{stats:?}");
    assert_eq!(stats.bypassed + stats.misses, 20_000);
    assert_eq!((stats.hits, stats.evictions), (0, 0));
}

#[test]
fn the_number_of_slots_is_rounded_up() {
    for (asked, given) in [(0, 4), (4, 4), (5, 8), (8192, 8192), (8193, 16384)] {
        assert_eq!(TopicCache::<()>::new(asked).slots(), given);
    }
}

#[test]
fn replaced_while_bypassing_a_value_is_still_the_last_one_offered() {
    let mut cache = TopicCache::new(16);
    let message_type = Arc::from("T");
    let kept = topic("kept");
    admit(&mut cache, &kept, &message_type, 1);
    let other = topic("other");
    while cache.stats().bypassed == 0 {
        cache.get(&other, "T");
    }
    cache.offer(&kept, &message_type, 2);
    let bypassed = |cache: &TopicCache<i32>| cache.stats().bypassed;
    let mut before = 0;
    while bypassed(&cache) != before {
        before = bypassed(&cache);
        cache.get(&other, "T");
    }
    assert_eq!(cache.get(&kept, "T"), Some(&2));
}
