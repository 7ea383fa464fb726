//! A thread that writes lines, for the adapters that write to something that may block.
//!
//! # Invariants
//! - One thread writes; what it is sent in one piece is written in one piece.
//! - Lines are written in the order in which they were sent.
//! - An answer is sent after the sink has committed, so `Ok` means what the sink calls written.
//! - At most [`WAITING`] pieces wait; whoever sends more waits with them. A runtime is never blocked.
//! - What waits is written in one go: one commit for all of it.

mod fault;
mod json;
mod thread;
mod vitals;

use std::io;

use dispatch_core::delivery::{DeliveryError, Health, Receipt};
use dispatch_core::{ErrorCode, Problem};
use tokio::sync::{mpsc, oneshot};

pub(crate) use fault::Fault;
pub(crate) use json::json_line;
use vitals::Vitals;

const NO_THREAD: &str = "the operating system gave no thread to write on: make the adapter anew";

/// Pieces that may wait for the thread.
const WAITING: usize = 1024;

/// What lines are written to; it lives on the thread.
pub(crate) trait Sink: Send + 'static {
    /// Takes a line, its line feed included; it may keep it until the commit.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;

    /// Writes what it kept. After an error none of it may have been written, as far as that can be helped.
    fn commit(&mut self) -> io::Result<()>;

    /// What an operator has to know about an error.
    fn explain(&self, error: &io::Error) -> Fault;
}

/// Lines that belong together, and who wants to know what became of them.
struct Piece {
    lines: Vec<Vec<u8>>,
    done: oneshot::Sender<Result<(), Fault>>,
}

/// The way to the thread; it ends with this, after it has written what it was sent.
pub(crate) struct Lines {
    /// Absent if the operating system gave no thread.
    sender: Option<mpsc::Sender<Piece>>,
    vitals: Vitals,
}

impl Lines {
    pub(crate) fn new(thread_name: &str, sink: impl Sink) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let started = thread::start(thread_name, sink, receiver).is_ok();
        Self { sender: started.then_some(sender), vitals: Vitals::default() }
    }

    /// What keeps it from working at all.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let problem = || Problem::new(ErrorCode::InvalidState, NO_THREAD);
        if self.sender.is_none() { vec![problem()] } else { Vec::new() }
    }

    /// Writes lines in one piece.
    async fn write(&self, lines: Vec<Vec<u8>>) -> Result<(), DeliveryError> {
        let (done, written) = oneshot::channel();
        let gone = || DeliveryError::permanent("the thread that writes has panicked: make the adapter anew");
        let sender = self.sender.as_ref().ok_or_else(|| DeliveryError::permanent(NO_THREAD))?;
        sender.send(Piece { lines, done }).await.map_err(|_| gone())?;
        let result = match written.await {
            Ok(result) => result.map_err(DeliveryError::from),
            Err(_) => Err(gone()),
        };
        self.vitals.record(result.is_ok());
        result
    }

    /// Writes one line.
    pub(crate) async fn deliver(
        &self,
        line: Result<Vec<u8>, DeliveryError>,
    ) -> Result<Receipt, DeliveryError> {
        self.write(vec![line?]).await.map(|()| Receipt::taken())
    }

    /// Writes several lines in one piece; those that could not be made fail alone.
    pub(crate) async fn deliver_batch(
        &self,
        lines: Vec<Result<Vec<u8>, DeliveryError>>,
    ) -> Vec<Result<Receipt, DeliveryError>> {
        let mut good = Vec::new();
        let mut results: Vec<Result<Receipt, DeliveryError>> = lines
            .into_iter()
            .map(|line| {
                good.push(line?);
                Ok(Receipt::taken())
            })
            .collect();
        if good.is_empty() {
            return results;
        }
        if let Err(error) = self.write(good).await {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(error.repeat());
            }
        }
        results
    }

    pub(crate) fn health(&self) -> Health {
        self.vitals.health()
    }
}
