/// The known name that is most like a wrong one, if any is like it.
pub(super) fn most_like<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase();
    // A third of the letters may be wrong.
    let most = wrong.chars().count().div_ceil(3).max(1);
    let scored = known.into_iter().map(|name| (strsim::damerau_levenshtein(&wrong, name), name));
    scored.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// ` did you mean 'x'?`, or nothing.
pub(super) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    most_like(wrong, known).map(|name| format!("did you mean '{name}'?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_guess_is_not() {
        let known = ["level", "template", "metadata", "include_data"];
        assert_eq!(most_like("levl", known), Some("level"));
        assert_eq!(most_like("Template", known), Some("template"));
        assert_eq!(most_like("includedata", known), Some("include_data"));
        assert_eq!(most_like("colour", known), None);
    }
}
