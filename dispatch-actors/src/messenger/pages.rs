//! Lists that are walked through to their end.

use std::io::{self, Write};

use dispatch_core::queue::{Page, StoredMessage};

/// Messages of the first page.
const FIRST: usize = 10;
/// Most messages of a page.
const MOST: usize = 200;
/// How large a page may be, judged by the largest message of the one before. In bytes.
const BYTES: usize = 16 * 1024 * 1024;

/// The pages of a list, of which one is in memory at a time. They begin small and grow while messages are small: whether
/// they are is not known before they are here.
pub(super) struct Pages(Page);

impl Pages {
    pub(super) const fn new() -> Self {
        Self(Page::first(FIRST))
    }

    /// The one that is next.
    pub(super) const fn next(&self) -> Page {
        self.0
    }

    /// These were looked at, and are not looked at again; `false` if there were none.
    pub(super) fn seen(&mut self, found: &[StoredMessage]) -> bool {
        let Some(last) = found.last() else { return false };
        let largest = found.iter().map(bytes).max().unwrap_or_default();
        let fitting = BYTES / largest.max(1);
        let max = fitting.min(self.0.max.saturating_mul(2)).clamp(1, MOST);
        self.0 = Page::after(last.id, max);
        true
    }
}

/// About how much memory a message takes.
fn bytes(stored: &StoredMessage) -> usize {
    let mut counter = Counter(0);
    // What cannot be written is as large as the part of it that was.
    let _ = serde_json::to_writer(&mut counter, stored);
    counter.0
}

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
