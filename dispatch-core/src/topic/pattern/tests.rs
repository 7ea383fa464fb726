use super::*;

fn matches(pattern: &str, topic: &str) -> bool {
    TopicPattern::new(pattern).unwrap().matches(&Topic::new(topic).unwrap())
}

#[test]
fn a_star_is_exactly_one_segment() {
    assert!(matches("a.*.c", "a.b.c"));
    assert!(!matches("a.*", "a"));
    assert!(!matches("*", "a.b"));
}

#[test]
fn two_stars_are_zero_or_more_segments_anywhere() {
    for topic in ["a", "a.b", "a.b.c"] {
        assert!(matches("a.**", topic), "{topic}");
        assert!(matches("**", topic), "{topic}");
        assert!(matches("**.a.**", topic), "{topic}");
    }
    assert!(matches("a.**.c", "a.c"));
    assert!(!matches("a.**.a", "a"));
}

#[test]
fn a_first_try_of_two_stars_is_undone() {
    assert!(matches("**.a.b", "a.a.b"));
    assert!(matches("**.a.*.**.c", "a.x.a.y.c.c"));
    assert!(!matches("a.**.b.**.c", "a.c.b"));
}

#[test]
fn wildcards_in_a_segment_do_not_cross_dots() {
    assert!(matches("user-*", "user-"));
    assert!(!matches("user-*", "user-1.x"));
    assert!(!matches("a?c", "a.c"));
}

#[test]
fn wildcards_in_the_topic_have_no_meaning() {
    assert!(!matches("a.b", "a.*"));
    assert!(matches("a.*", "a.*"));
    assert!(!matches("a.b.c", "a.**"));
}

#[test]
fn only_ascii_letters_fold() {
    assert!(matches("Shop.ORDER-*", "sHOP.order-X"));
    assert!(matches("caf\u{e9}", "CAF\u{e9}"));
    assert!(!matches("caf\u{e9}", "CAF\u{c9}"));
    assert!(!matches("k", "\u{212a}"));
    assert!(!matches("[a", "{a"));
}

#[test]
fn limits_are_the_topics() {
    assert!(TopicPattern::new("a".repeat(1024)).is_ok());
    assert_eq!(TopicPattern::new("a".repeat(1025)), Err(PatternError::TooLong { bytes: 1025 }));
    assert!(TopicPattern::new(["*"; 64].join(".")).is_ok());
    assert_eq!(TopicPattern::new(["*"; 65].join(".")), Err(PatternError::TooManySegments { segments: 65 }));
    assert_eq!(TopicPattern::new(""), Err(PatternError::Empty));
}

#[test]
fn errors_name_the_segment() {
    let error = |text: &str| TopicPattern::new(text).unwrap_err();
    assert_eq!(error("a..b"), PatternError::EmptySegment { segment: 2 });
    assert_eq!(error("a.**.**"), PatternError::RepeatedRest { segment: 3 });
    assert_eq!(error("a.b c"), PatternError::ForbiddenCharacter { character: ' ', segment: 2 });
    for text in ["a.**b", "a.***", "a.****", "a.?**"] {
        assert!(matches!(error(text), PatternError::GluedRest { segment: 2, .. }), "{text}");
    }
}

#[test]
fn a_long_segment_is_cut_in_the_message() {
    let PatternError::GluedRest { text, .. } = TopicPattern::new("é".repeat(100) + "**").unwrap_err() else {
        panic!("not the expected error");
    };
    assert_eq!(text, "é".repeat(40));
}

#[test]
fn equality_is_by_text() {
    let pattern = TopicPattern::new("a.*").unwrap();
    assert_eq!(pattern, "a.*".parse().unwrap());
    assert_ne!(pattern, "A.*".parse().unwrap());
    assert!(!pattern.is_literal());
    assert!(TopicPattern::new("a.[b]").unwrap().is_literal());
}

#[test]
fn serde_writes_the_text_and_refuses_what_new_refuses() {
    let pattern: TopicPattern = serde_json::from_str("\"a.**\"").unwrap();
    assert_eq!(serde_json::to_string(&pattern).unwrap(), "\"a.**\"");
    let error = serde_json::from_str::<TopicPattern>("\"a.**.**\"").unwrap_err();
    assert!(error.to_string().contains("segment 3"), "{error}");
}

#[test]
fn hard_patterns_stay_cheap() {
    // Backtracking over every `**`, or every `*` of a segment, would not end within the age of the universe.
    let pattern = ["**.a"; 31].join(".") + ".**.b";
    assert!(!matches(&pattern, &["a"; 64].join(".")));
    assert!(!matches(&("a*".repeat(200) + "b"), &"a".repeat(1000)));
}
