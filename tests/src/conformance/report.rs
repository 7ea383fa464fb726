use std::io::{self, Write};

use super::Case;

/// Writes what differs and counts.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    passed: usize,
    failed: usize,
}

impl<W: Write> Report<W> {
    /// A report of nothing yet.
    pub const fn new(out: W) -> Self {
        Self { out, passed: 0, failed: 0 }
    }

    pub(super) const fn passed(&mut self) {
        self.passed += 1;
    }

    pub(super) fn failed(&mut self, case: &Case, got: &str) -> io::Result<()> {
        self.failed += 1;
        writeln!(self.out, "FAIL {}: expected {} got {got}", case.id, case.expected)
    }

    pub(super) fn unknown_kind(&mut self, case: &Case) -> io::Result<()> {
        self.failed += 1;
        writeln!(self.out, "FAIL {}: expected {} got unknown kind '{}'", case.id, case.expected, case.kind)
    }

    pub(super) fn not_a_case(
        &mut self,
        file: &str,
        line: usize,
        error: &serde_json::Error,
    ) -> io::Result<()> {
        self.failed += 1;
        writeln!(self.out, "FAIL {file}:{line}: not a case: {error}")
    }

    /// Writes the summary; whether every case passed.
    ///
    /// # Errors
    /// If the report cannot be written.
    pub fn finish(&mut self) -> io::Result<bool> {
        writeln!(self.out, "{} passed, {} failed", self.passed, self.failed)?;
        self.out.flush()?;
        Ok(self.failed == 0)
    }
}
