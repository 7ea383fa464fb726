use std::fmt::{self, Display, Formatter, Write as _};

/// A text that stays on its line and cannot steer a terminal: control characters are escaped.
pub(crate) struct Tame<'a>(pub(crate) &'a str);

impl Display for Tame<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}
