use super::Verdict;

/// What a check has found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    pub(crate) fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.0.push(otherwise());
        }
    }

    pub(crate) fn add(&mut self, finding: impl Into<String>) {
        self.0.push(finding.into());
    }
}

impl From<Findings> for Verdict {
    fn from(findings: Findings) -> Self {
        if findings.0.is_empty() { Self::Passed } else { Self::Failed(findings.0) }
    }
}
