use std::fmt::{self, Display, Formatter};

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set or the terminal knows none.
    #[must_use]
    pub fn for_output(terminal: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { on: terminal && !set("NO_COLOR") && !dumb }
    }

    /// In bold.
    pub fn bold<T: Display>(self, content: T) -> Painted<T> {
        self.with("1", content)
    }

    /// Fainter than the rest.
    pub fn dim<T: Display>(self, content: T) -> Painted<T> {
        self.with("2", content)
    }

    /// As something good.
    pub fn good<T: Display>(self, content: T) -> Painted<T> {
        self.with("32", content)
    }

    /// As something bad.
    pub fn bad<T: Display>(self, content: T) -> Painted<T> {
        self.with("31", content)
    }

    /// As a bar.
    pub fn bar<T: Display>(self, content: T) -> Painted<T> {
        self.with("36", content)
    }

    fn with<T: Display>(self, code: &'static str, content: T) -> Painted<T> {
        Painted { code: self.on.then_some(code), content }
    }
}

/// Something to print, with its colour. Width and precision go to the content.
pub struct Painted<T> {
    code: Option<&'static str>,
    content: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "\x1b[{code}m")?;
        }
        self.content.fmt(f)?;
        if self.code.is_some() { f.write_str("\x1b[0m") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_does_not_change_the_width() {
        assert_eq!(format!("{:>4}|", Paint { on: false }.bad(7)), "   7|");
        assert_eq!(format!("{:>4}|", Paint { on: true }.bad(7)), "\x1b[31m   7\x1b[0m|");
    }
}
