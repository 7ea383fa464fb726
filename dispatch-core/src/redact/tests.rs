use proptest::prelude::*;

use super::patterns::fold;
use super::*;

const HIDDEN: Option<&str> = None;

/// Texts and what may be seen of them.
const CASES: &[(&str, Option<&str>)] = &[
    ("Something went wrong", Some("Something went wrong")),
    ("", Some("")),
    ("line1\nline2", Some("line1\nline2")),
    ("Failed with password=x1", HIDDEN),
    ("PASSWORD=x1", HIDDEN),
    ("tokenizer failed", HIDDEN),
    ("author not found", HIDDEN),
    ("pass word", Some("pass word")),
    ("session id 7", Some("session id 7")),
    ("session-id 7", HIDDEN),
    ("bad connection string", HIDDEN),
    ("found -----BEGIN X", HIDDEN),
    ("cannot reach postgres://h/db", HIDDEN),
    ("mongodb+srv://h", HIDDEN),
    ("amqps://h", HIDDEN),
    ("NATS://h:4222", HIDDEN),
    ("redis is down", Some("redis is down")),
    ("https://h/x", Some("https://h/x")),
    ("https://u:p@h/x", HIDDEN),
    ("https://u@h/x", HIDDEN),
    ("https://h:8443/x?m=a@b", Some("https://h:8443/x?m=a@b")),
];

#[test]
fn what_is_hidden_and_what_is_not() {
    let sanitizer = Sanitizer::new();
    for (text, seen) in CASES {
        assert_eq!(sanitizer.sanitize_text(text), seen.unwrap_or(REDACTED), "{text}");
        assert_eq!(sanitizer.is_sensitive(text), seen.is_none(), "{text}");
    }
}

#[test]
fn only_the_text_is_searched_not_the_type() {
    assert_eq!(Sanitizer::new().sanitize("AuthError", "boom"), "AuthError: boom");
}

#[test]
fn case_is_folded_beyond_ascii() {
    // The Kelvin sign and a dotted capital I.
    assert!(Sanitizer::new().is_sensitive("TO\u{212A}EN"));
    let sanitizer = Sanitizer::with_patterns(["ПАРОЛЬ", "ΚΩΔΙΚΟΣ"]).unwrap();
    for text in ["Пароль: 1", "κωδικος", "κωδικοσ", "ΚΩΔΙΚΟΣ"] {
        assert!(sanitizer.is_sensitive(text), "{text}");
    }
    assert!(!Sanitizer::new().is_sensitive("Пароль: 1"));
}

#[test]
fn the_end_of_a_long_text_is_searched_too() {
    let text = "é".repeat(1 << 20) + "bearer";
    assert_eq!(Sanitizer::new().sanitize_text(&text), REDACTED);
}

#[test]
fn exactly_the_limit_is_kept() {
    let sanitizer = Sanitizer::new();
    let (fits, over) = ("é".repeat(MAX_CHARS), "é".repeat(MAX_CHARS + 1));
    assert_eq!(sanitizer.sanitize_text(&fits), fits);
    assert_eq!(sanitizer.sanitize_text(&over), fits + TRUNCATED);
}

#[test]
fn patterns_are_neither_accepted_blank_nor_printed() {
    let error = Sanitizer::with_patterns(["x", " \t"]).unwrap_err();
    assert_eq!(error.to_string(), "sensitive pattern 2 is blank: remove it or write what shall be hidden");
    let sanitizer = Sanitizer::with_patterns(["hunter2"]).unwrap();
    assert!(!format!("{sanitizer:?}").contains("hunter2"));
}

/// The rules in their plainest form.
fn naively_sensitive(text: &str) -> bool {
    let lower: String = text.chars().flat_map(fold).collect();
    let userinfo = lower.match_indices("://").any(|(at, separator)| {
        lower[at + separator.len()..]
            .split(|c: char| c.is_whitespace() || "/?#".contains(c))
            .next()
            .is_some_and(|authority| authority.contains('@'))
    });
    userinfo || BUILT_IN.iter().any(|pattern| lower.contains(pattern))
}

fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "\\PC{0,12}",
        2 => "[a-zA-Z@:/ ?#._+-]{0,12}",
        1 => Just("é".repeat(300)),
        1 => proptest::sample::select(BUILT_IN).prop_map(str::to_uppercase),
        1 => Just("https://u:p@h/".to_owned()),
    ];
    proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn agrees_with_the_plain_rules(text in text()) {
        let sanitizer = Sanitizer::new();
        let sensitive = naively_sensitive(&text);
        prop_assert_eq!(sanitizer.is_sensitive(&text), sensitive);
        let seen = sanitizer.sanitize_text(&text);
        if sensitive {
            prop_assert_eq!(&seen, REDACTED);
        } else if text.chars().count() <= MAX_CHARS {
            prop_assert_eq!(&seen, &text);
        } else {
            let expected: String = text.chars().take(MAX_CHARS).chain(TRUNCATED.chars()).collect();
            prop_assert_eq!(&seen, &expected);
        }
        prop_assert!(seen.chars().count() <= MAX_CHARS + TRUNCATED.len());
        prop_assert_eq!(sanitizer.sanitize("E", &text), format!("E: {seen}"));
    }
}
