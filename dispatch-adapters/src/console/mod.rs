//! `console`: envelopes on standard output or standard error, for people and for pipes.
//!
//! - One thread writes, so lines never mix; the runtime never waits for a slow terminal.
//! - Everything of an envelope is shown, payload and headers: it is a destination, not a log.
//! - Compact and pretty text holds no control character of the envelope's, so it cannot steer a terminal.

mod options;
mod sink;
mod text;

use std::fmt;
use std::io::{self, IsTerminal, Write};

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::{Envelope, Problem};

use crate::lines::{Lines, json_line};
use sink::Stream;

pub use options::{Colours, ConsoleFormat, ConsoleOptions, ConsoleStream};

/// Writes envelopes to the console, or to any other [`Write`].
///
/// Delivered means handed to the operating system.
///
/// # Errors
/// Permanent if nobody reads the other end any more, or if a payload refuses to be serialised; retry for
/// everything else.
///
/// ```
/// use dispatch_adapters::console::{ConsoleAdapter, ConsoleFormat, ConsoleOptions};
/// use dispatch_adapters::model::{Adapter, Envelope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let console = ConsoleAdapter::new(ConsoleOptions { format: ConsoleFormat::Compact, ..Default::default() });
/// console.deliver(&Envelope::json("OrderPlaced", serde_json::json!({ "id": 7 }))).await?;
/// # Ok(())
/// # }
/// ```
pub struct ConsoleAdapter {
    options: ConsoleOptions,
    colours: bool,
    lines: Lines,
}

impl Default for ConsoleAdapter {
    /// JSON lines to standard output.
    fn default() -> Self {
        Self::new(ConsoleOptions::default())
    }
}

impl ConsoleAdapter {
    /// Writes to the stream that the options name.
    #[must_use]
    pub fn new(options: ConsoleOptions) -> Self {
        match options.stream {
            ConsoleStream::Stdout => Self::over(options, io::stdout().is_terminal(), io::stdout(), "stdout"),
            ConsoleStream::Stderr => Self::over(options, io::stderr().is_terminal(), io::stderr(), "stderr"),
        }
    }

    /// Writes to something else, which is no terminal.
    pub fn to(writer: impl Write + Send + 'static, options: ConsoleOptions) -> Self {
        Self::over(options, false, writer, "the console")
    }

    fn over(
        options: ConsoleOptions,
        terminal: bool,
        writer: impl Write + Send + 'static,
        name: &'static str,
    ) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = options.colours.wanted(terminal, no_color);
        Self { options, colours, lines: Lines::new("dispatch-console", Stream::new(writer, name)) }
    }

    fn line(&self, envelope: &Envelope) -> Result<Vec<u8>, DeliveryError> {
        match self.options.format {
            ConsoleFormat::Json => json_line(envelope),
            ConsoleFormat::Compact => text::compact(envelope, self.colours),
            ConsoleFormat::Pretty => text::pretty(envelope, self.colours),
        }
    }
}

#[async_trait]
impl Adapter for ConsoleAdapter {
    fn name(&self) -> &str {
        "console"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let problems = self.lines.problems();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.lines.deliver(self.line(envelope)).await
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.lines.deliver_batch(envelopes.iter().map(|envelope| self.line(envelope)).collect()).await
    }

    async fn health(&self) -> Health {
        self.lines.health()
    }
}

impl fmt::Debug for ConsoleAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleAdapter")
            .field("options", &self.options)
            .field("colours", &self.colours)
            .finish_non_exhaustive()
    }
}
