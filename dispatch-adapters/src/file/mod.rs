//! `file`: envelopes as JSON lines at the end of a file.
//!
//! # Invariants
//! - A line is a whole envelope, in the form that reads back as one; lines never mix.
//! - The file is only appended to. A partial last line, left by a crash, is ended with a line feed when the file is
//!   opened, so that it spoils no other.
//! - After an error nothing of what failed is left in the file, as far as the operating system allows.
//! - A rotated file is whole: no line is split over two files.
//!
//! One adapter writes to a file: two that rotate the same file get into each other's way.

mod options;
mod rotation;
mod sink;

use std::fmt;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::{Envelope, Problem};

use crate::lines::{Lines, json_line};
use sink::LogFile;

pub use options::{FileOptions, FlushPolicy, Rotation};

/// Appends envelopes to a file, one line of JSON each.
///
/// Delivered means what the [`FlushPolicy`] says. The file is opened with the first envelope, and again after
/// an error; its folder has to exist. An envelope that failed may be in the file if others were written with it, so
/// a retry may write it twice.
///
/// # Errors
/// Retry if the disk is full or something unknown happens, permanent if permission is denied, the folder is
/// missing or a payload refuses to be serialised.
///
/// ```no_run
/// use dispatch_adapters::file::{FileAdapter, FileOptions, Rotation};
/// use dispatch_adapters::model::{Adapter, Envelope};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = FileOptions {
///     rotate: Some(Rotation { max_bytes: 100 << 20, keep: 5 }),
///     ..FileOptions::at("/var/log/shop/events.jsonl")
/// };
/// let file = FileAdapter::new(options);
/// file.deliver(&Envelope::empty("Hello")).await?;
/// # Ok(())
/// # }
/// ```
pub struct FileAdapter {
    options: FileOptions,
    lines: Lines,
}

impl FileAdapter {
    /// Appends to the file that the options name.
    #[must_use]
    pub fn new(options: FileOptions) -> Self {
        let lines = Lines::new("dispatch-file", LogFile::new(options.clone()));
        Self { options, lines }
    }
}

#[async_trait]
impl Adapter for FileAdapter {
    fn name(&self) -> &str {
        "file"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let mut problems = self.options.problems();
        problems.extend(self.lines.problems());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.lines.deliver(json_line(envelope)).await
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.lines.deliver_batch(envelopes.iter().map(json_line).collect()).await
    }

    async fn health(&self) -> Health {
        self.lines.health()
    }
}

impl fmt::Debug for FileAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileAdapter").field("options", &self.options).finish_non_exhaustive()
    }
}
