//! Patterns and topics from a small alphabet, so that they match often.

use dispatch_core::{Topic, TopicPattern};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Letters of both cases, a non-ASCII pair that must not fold, the Kelvin sign beside `k`, and a hyphen.
const CHARACTERS: [char; 9] = ['a', 'a', 'b', 'A', 'k', '\u{212a}', 'é', 'É', '-'];
/// Segments whose lengths lie around those at which the matcher changes its mind.
const WORDS: [&str; 8] = [
    "seven-b",
    "eight-by",
    "EIGHT-BY",
    "nine-byte",
    "fifteen-bytes-a",
    "sixteen-bytes-ab",
    "sixteen-bytes-ac",
    "twenty-four-bytes-abcdef",
];

fn text(length: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    vec(select(&CHARACTERS[..]), length).prop_map(String::from_iter)
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![6 => text(1..=1), 4 => text(1..=4), 2 => select(&WORDS[..]).prop_map(String::from)]
}

fn glob() -> impl Strategy<Value = String> {
    let characters = [&CHARACTERS[..], &['*', '*', '*', '?', '?']].concat();
    prop_oneof![
        3 => vec(select(characters), 1..=5).prop_map(String::from_iter),
        1 => (segment(), text(0..=1)).prop_map(|(head, tail)| format!("{head}*{tail}")),
        1 => (text(0..=1), segment()).prop_map(|(head, tail)| format!("{head}*{tail}")),
        1 => segment().prop_map(|word| word.chars().skip(1).fold(String::from("?"), |word, c| word + &c.to_string())),
    ]
}

/// Any valid pattern, `**` at any place and more than once.
pub(crate) fn pattern() -> impl Strategy<Value = TopicPattern> {
    let part = prop_oneof![
        5 => segment(),
        3 => Just(String::from("*")),
        4 => Just(String::from("**")),
        3 => glob(),
    ];
    vec(part, 1..=7).prop_map(|mut parts| {
        for part in parts.iter_mut().filter(|part| *part != "**") {
            while part.contains("**") {
                *part = part.replace("**", "*");
            }
        }
        parts.dedup_by(|a, b| a == "**" && b == "**");
        TopicPattern::new(parts.join(".")).expect("the parts are valid")
    })
}

/// Any valid topic, wildcard characters included.
pub(crate) fn topic() -> impl Strategy<Value = Topic> {
    let segment =
        prop_oneof![20 => segment(), 1 => select(&["*", "?", "a*", "**"][..]).prop_map(String::from)];
    vec(segment, 1..=7).prop_map(|segments| Topic::new(segments.join(".")).expect("the segments are valid"))
}
