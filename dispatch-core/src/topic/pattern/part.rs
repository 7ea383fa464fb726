use std::slice;
use std::str::Split;

use super::Glob;

/// One segment of a pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// Text without wildcards, case as written.
    Literal(&'a str),
    /// `*`: any one segment.
    Any,
    /// `**`: any number of segments, none included.
    Rest,
    /// Wildcards among other characters.
    Glob(&'a Glob),
}

impl Part<'_> {
    /// Whether the part, which is not [`Part::Rest`], stands for this one segment of a topic.
    fn accepts(self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => text.eq_ignore_ascii_case(segment),
            Self::Any => true,
            Self::Rest => false,
            Self::Glob(glob) => glob.matches(segment),
        }
    }
}

/// Whether a segment is a glob: it has a wildcard and is neither `*` nor `**`.
pub(super) fn is_glob(segment: &str) -> bool {
    segment.contains(['*', '?']) && segment != "*" && segment != "**"
}

/// The parts of a pattern in order. A clone is a place to come back to.
#[derive(Debug, Clone)]
pub(crate) struct Parts<'a> {
    segments: Split<'a, char>,
    /// The globs of the segments still to come.
    globs: slice::Iter<'a, Glob>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(text: &'a str, globs: &'a [Glob]) -> Self {
        Self { segments: text.split('.'), globs: globs.iter() }
    }

    /// Whether the parts match these segments from the first to the last.
    ///
    /// When a part fails, the last `**` takes one segment more and the parts behind it are tried again; an
    /// earlier `**` need not be touched, for its shortest match leaves the most to the others. So no part meets
    /// a segment twice, and the work is at most parts times segments.
    pub(super) fn matches(mut self, mut segments: Split<'_, char>) -> bool {
        let mut retry = None;
        loop {
            let fits = match self.next() {
                Some(Part::Rest) => {
                    retry = Some((self.clone(), segments.clone()));
                    continue;
                }
                Some(part) => match segments.next() {
                    Some(segment) => part.accepts(segment),
                    // The topic is too short, and `**` cannot make it longer.
                    None => return false,
                },
                None if segments.next().is_none() => return true,
                None => false,
            };
            if !fits {
                let Some((parts, rest)) = &mut retry else { return false };
                if rest.next().is_none() {
                    return false;
                }
                self = parts.clone();
                segments = rest.clone();
            }
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        Some(match self.segments.next()? {
            "*" => Part::Any,
            "**" => Part::Rest,
            text if is_glob(text) => match self.globs.next() {
                Some(glob) => Part::Glob(glob),
                // Not reached: a pattern compiles one glob for each such segment.
                None => Part::Literal(text),
            },
            text => Part::Literal(text),
        })
    }
}
