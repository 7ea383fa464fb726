//! Threads that read, each with a connection of its own: reads never wait for the writer.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use dispatch_core::log::LogError;
use rusqlite::Connection;
use tokio::sync::oneshot;

/// Something to read.
type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Hands reads to whichever thread is free. Callers wait for their answers, so there are never more jobs than callers.
pub(super) struct Readers(Mutex<Option<Sender<Job>>>);

impl Readers {
    /// Starts a thread for each connection.
    pub(super) fn start(
        name: &str,
        connections: Vec<Connection>,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (sender, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = connections.into_iter().map(|connection| {
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new().name(format!("{name}-read"));
            thread.spawn(move || work(&connection, &jobs))
        });
        let threads = threads.collect::<std::io::Result<_>>()?;
        Ok((Self(Mutex::new(Some(sender))), threads))
    }

    /// Reads something.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever has given up does not want to know.
            if !done.is_closed() {
                let _ = done.send(read(connection));
            }
        });
        {
            let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.as_ref().ok_or(LogError::Closed)?.send(job).map_err(|_| LogError::Closed)?;
        }
        answer
            .await
            .map_err(|_| LogError::Failed { what: "a read was lost with its thread".into(), source: None })?
    }

    /// Ends the threads once they have done what they were asked.
    pub(super) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn work(connection: &Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, by one thread, and let go before the work begins.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(connection),
            Err(_) => return,
        }
    }
}
