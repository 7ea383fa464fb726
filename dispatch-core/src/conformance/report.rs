use std::fmt;

/// What a suite has found out about an implementation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a report that nobody reads proves nothing"]
pub struct Report {
    /// What is looked at, in one word.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) checks: Vec<Check>,
    pub(crate) not_proven: &'static [&'static str],
}

/// One check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Its name, which says what has to hold.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It could not be looked at, for this reason.
    Skipped(&'static str),
    /// It does not hold; everything that was found.
    Failed(Vec<String>),
}

impl Report {
    /// The name of what was looked at.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All checks, in the order in which they ran.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The names of the checks that failed.
    #[must_use]
    pub fn failed(&self) -> Vec<&'static str> {
        self.with(|verdict| matches!(verdict, Verdict::Failed(_)))
    }

    /// The names of the checks that were skipped.
    #[must_use]
    pub fn skipped(&self) -> Vec<&'static str> {
        self.with(|verdict| matches!(verdict, Verdict::Skipped(_)))
    }

    /// What no check can show here, because of what stands in for the real thing.
    #[must_use]
    pub const fn not_proven(&self) -> &'static [&'static str] {
        self.not_proven
    }

    /// Whether no check failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failed().is_empty()
    }

    /// For tests: no check may have failed.
    ///
    /// # Panics
    /// With the whole report, if one has.
    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn assert(&self) {
        if !self.is_ok() {
            panic!("{self}");
        }
    }

    fn with(&self, wanted: impl Fn(&Verdict) -> bool) -> Vec<&'static str> {
        self.checks.iter().filter(|check| wanted(&check.verdict)).map(|check| check.name).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, count) = (self.failed().len(), self.checks.len());
        write!(f, "{} '{}': {failed} of {count} checks failed", self.kind, self.name)?;
        for Check { name, verdict } in &self.checks {
            match verdict {
                Verdict::Passed => write!(f, "\n  passed   {name}")?,
                Verdict::Skipped(reason) => write!(f, "\n  skipped  {name}: {reason}")?,
                Verdict::Failed(findings) => {
                    write!(f, "\n  FAILED   {name}")?;
                    for finding in findings {
                        write!(f, "\n           - {finding}")?;
                    }
                }
            }
        }
        for what in self.not_proven {
            write!(f, "\n  not proven here: {what}")?;
        }
        Ok(())
    }
}
