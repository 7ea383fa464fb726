use super::*;

fn matcher(patterns: &[&str]) -> [Matcher; 2] {
    let build = |limit| {
        let mut builder = MatcherBuilder::new().anchor_limit(limit);
        for (rank, pattern) in (0..).zip(patterns) {
            builder.insert(&TopicPattern::new(pattern).unwrap(), rank);
        }
        builder.build()
    };
    [build(MatcherBuilder::ANCHOR_LIMIT), build(0)]
}

fn find(matcher: &Matcher, topic: &str) -> Vec<u32> {
    let mut out = vec![99];
    matcher.find(&Topic::new(topic).unwrap(), &mut Scratch::new(), &mut out);
    out
}

#[test]
fn ranks_come_in_ascending_order_and_once() {
    let patterns = ["**.a.**", "a.*", "**", "a.b", "*.b", "A.B", "a.**", "?.b", "**.a.*.**", "a.c"];
    for matcher in matcher(&patterns) {
        assert_eq!(find(&matcher, "a.b"), [0, 1, 2, 3, 4, 5, 6, 7, 8], "{matcher:?}");
        assert_eq!(find(&matcher, "a.a.a.a"), [0, 2, 6, 8], "{matcher:?}");
    }
}

#[test]
fn every_rank_of_a_shared_pattern_is_found() {
    let pattern = TopicPattern::new("a.*").unwrap();
    let matcher: Matcher = [9, 3, 7, 3].map(|rank| (pattern.clone(), rank)).into_iter().collect();
    assert_eq!(find(&matcher, "a.b"), [3, 7, 9]);
    assert_eq!(matcher.len(), 4);
}

#[test]
fn an_empty_matcher_finds_nothing() {
    assert!(Matcher::default().is_empty());
    assert!(find(&Matcher::default(), "a").is_empty());
}

#[test]
fn segments_that_no_pattern_names_still_match_wildcards() {
    for matcher in matcher(&["*.known", "un*.*", "**"]) {
        assert_eq!(find(&matcher, "unheard.of"), [1, 2]);
    }
}

#[test]
fn literals_of_any_length_are_told_apart() {
    let texts: Vec<String> = (1..60).map(|length| "x".repeat(length) + ".é").collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for matcher in matcher(&texts) {
        for (rank, text) in (0..).zip(&texts) {
            assert_eq!(find(&matcher, text), [rank]);
            assert_eq!(find(&matcher, &text.to_ascii_uppercase()), [rank]);
        }
    }
}

#[test]
fn a_thousand_armed_rests_and_the_longest_topic_are_no_trouble() {
    let texts: Vec<String> = (0..1000).map(|n| format!("**.a.**.a.**.s{n}.**")).collect();
    let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let hard = ["**.a"; 31].join(".") + ".**.b";
    texts.push(&hard);
    texts.push("**.a.**.a");
    for matcher in matcher(&texts) {
        assert_eq!(find(&matcher, &["a"; 64].join(".")), [1001]);
        assert_eq!(find(&matcher, &(["a"; 63].join(".") + ".s7")), [7]);
    }
}

#[test]
fn a_scratch_serves_any_matcher_in_turn() {
    let mut scratch = Scratch::new();
    let mut out = Vec::new();
    let [one, other] = matcher(&["**.a.**.b.**.c", "**.a.**.b.**.d"]);
    for _ in 0..3 {
        for (matcher, topic, expected) in
            [(&one, "a.b.c", vec![0]), (&other, "a.x.b.y.d", vec![1]), (&Matcher::default(), "a.b.c", vec![])]
        {
            matcher.find(&Topic::new(topic).unwrap(), &mut scratch, &mut out);
            assert_eq!(out, expected);
        }
    }
}

#[test]
fn a_matcher_is_shared_by_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Matcher>();
    shared::<Scratch>();
}

#[test]
fn a_pattern_with_a_rare_literal_is_anchored() {
    let [anchored, planted] = matcher(&["shop.*.events", "shop.**", "*.*"]);
    assert_eq!((anchored.anchored, anchored.trie.nodes.len()), (2, 1));
    assert_eq!(planted.anchored, 0);
    assert!(anchored.heap_bytes() > 0);
}
