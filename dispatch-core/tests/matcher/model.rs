//! What a match is, written for nothing but to be read.

/// Whether a valid pattern matches a valid topic.
pub(crate) fn matches(pattern: &str, topic: &str) -> bool {
    let (pattern, topic) = (pattern.to_ascii_lowercase(), topic.to_ascii_lowercase());
    let pattern: Vec<&str> = pattern.split('.').collect();
    let topic: Vec<&str> = topic.split('.').collect();
    sequence(
        &pattern,
        &topic,
        |part| *part == "**",
        |part, segment| {
            let (part, segment): (Vec<char>, Vec<char>) = (part.chars().collect(), segment.chars().collect());
            sequence(&part, &segment, |c| *c == '*', |c, other| *c == '?' || c == other)
        },
    )
}

/// Whether each part stands for one item in turn, where a "many" stands for any number of items.
///
/// `table[p][i]` says whether the parts from `p` on match the items from `i` on.
fn sequence<T>(parts: &[T], items: &[T], many: impl Fn(&T) -> bool, one: impl Fn(&T, &T) -> bool) -> bool {
    let mut table = vec![vec![false; items.len() + 1]; parts.len() + 1];
    table[parts.len()][items.len()] = true;
    for p in (0..parts.len()).rev() {
        for i in (0..=items.len()).rev() {
            table[p][i] = if many(&parts[p]) {
                table[p + 1][i] || (i < items.len() && table[p][i + 1])
            } else {
                i < items.len() && one(&parts[p], &items[i]) && table[p + 1][i + 1]
            };
        }
    }
    table[0][0]
}

#[test]
fn the_model_knows_the_rules() {
    for (pattern, topic, expected) in [
        ("a.**", "A", true),
        ("**.a.b", "a.a.b", true),
        ("a.**.a", "a", false),
        ("a*b*c", "abcbc", true),
        ("v?", "v", false),
        ("k", "\u{212a}", false),
        ("us*er", "us.er", false),
    ] {
        assert_eq!(matches(pattern, topic), expected, "{pattern} {topic}");
    }
}
