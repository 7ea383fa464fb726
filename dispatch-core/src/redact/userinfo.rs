/// Finds a URL with user information in a text that is read character by character: an `@` between `://` and the
/// end of the authority, which is a `/`, `?`, `#` or white space.
#[derive(Debug, Default)]
pub(super) struct UserInfo {
    /// How much of `://` was read last: 0, 1 or 2 characters.
    separator: u8,
    in_authority: bool,
}

impl UserInfo {
    /// Reads one character; whether it completes the user information of a URL.
    pub(super) fn step(&mut self, character: char) -> bool {
        if self.in_authority {
            match character {
                '@' => return true,
                '/' | '?' | '#' => self.in_authority = false,
                other if other.is_whitespace() => self.in_authority = false,
                _ => {}
            }
        }
        self.separator = match (self.separator, character) {
            (_, ':') => 1,
            (1, '/') => 2,
            (2, '/') => {
                self.in_authority = true;
                0
            }
            _ => 0,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> bool {
        let mut scan = UserInfo::default();
        text.chars().any(|character| scan.step(character))
    }

    #[test]
    fn user_information_with_and_without_a_password() {
        for text in
            ["https://u:p@h/x", "ftp://u@h", "://u:p@h", "see http://a, http://b:c@d", "x://a:b://c@d"]
        {
            assert!(found(text), "{text}");
        }
    }

    #[test]
    fn an_at_sign_elsewhere_is_none() {
        for text in [
            "https://h/x@y",
            "https://h?m=a@b",
            "https://h#a@b",
            "https://h is down, tell a@b",
            "a@b https://h",
            "u:p@h",
            "http:/u@h",
        ] {
            assert!(!found(text), "{text}");
        }
    }
}
