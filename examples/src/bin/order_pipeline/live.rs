//! How far it is, while it is.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use dispatch_examples::show::number;

use crate::said::Who;

/// How often a line is printed where lines cannot be rewritten.
const NOW_AND_THEN: Duration = Duration::from_secs(1);

/// A line on standard error: rewritten on a terminal, else printed now and then.
pub(crate) struct Live {
    terminal: bool,
    printed: Option<Instant>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), printed: None }
    }

    /// Shows how many orders each has before it.
    pub(crate) fn lag(&mut self, run: u64, lag: [u64; 3]) {
        if !self.terminal && self.printed.is_some_and(|at| at.elapsed() < NOW_AND_THEN) {
            return;
        }
        self.printed = Some(Instant::now());
        let each = Who::ALL.iter().zip(lag).map(|(who, lag)| format!("{} {}", who.as_str(), number(lag)));
        let text = format!("run {run}, behind: {}", each.collect::<Vec<_>>().join(", "));
        let (before, after) = if self.terminal { ("\r\x1b[2K", "") } else { ("", "\n") };
        write(&format!("{before}{text}{after}"));
    }

    /// Says something that stays.
    pub(crate) fn say(&self, text: &str) {
        let before = if self.terminal { "\r\x1b[2K" } else { "" };
        write(&format!("{before}{text}\n"));
    }
}

/// Whoever does not read it misses nothing: the report has it all.
fn write(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
