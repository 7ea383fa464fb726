use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use dispatch_examples::github::Expected;

/// A progress bar on standard error; nothing at all if that is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    by_bytes: bool,
}

impl Progress {
    pub(crate) fn new(expected: Expected) -> Self {
        let (bar, template) = match expected {
            _ if !io::stderr().is_terminal() => return Self { bar: ProgressBar::hidden(), by_bytes: false },
            Expected::Events(events) => {
                (ProgressBar::new(events), "{bar:32} {percent} % · {msg} · {eta} left")
            }
            Expected::Bytes(bytes) => {
                (ProgressBar::new(bytes), "{bar:32} {bytes} of {total_bytes} · {msg} · {eta} left")
            }
            Expected::Unknown => (ProgressBar::new_spinner(), "{spinner} {msg} · {elapsed}"),
        };
        // The templates are constants that parse; without one the bar has its default look.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, by_bytes: matches!(expected, Expected::Bytes(_)) }
    }

    pub(crate) fn update(&self, read: u64, position: u64, in_flight: usize) {
        self.bar.set_position(if self.by_bytes { position } else { read });
        self.bar.set_message(format!("{read} events, {in_flight} in flight"));
    }

    /// Says something on standard error without spoiling the bar.
    pub(crate) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
