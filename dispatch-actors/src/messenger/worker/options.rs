use std::io;

use dispatch_core::messenger::{MessengerError, MessengerErrorCode, WorkerConfig};

use super::memory::Probe;

/// What a worker uses that is code, not configuration.
#[derive(Debug, Clone, Default)]
pub struct WorkerOptions {
    memory: Option<Probe>,
}

impl WorkerOptions {
    /// Sets what says how much memory the process has, in bytes, for the limit
    /// [`max_memory`](WorkerConfig::max_memory). Without it, it is the resident memory, which only Linux says.
    ///
    /// It is called on the thread of the worker, before a claim and at most ten times a second; an error is logged, and the
    /// worker goes on.
    #[must_use]
    pub fn with_memory(mut self, probe: impl Fn() -> io::Result<u64> + Send + Sync + 'static) -> Self {
        self.memory = Some(Probe::new(probe));
        self
    }

    /// What measures memory, if it can where it is needed.
    pub(super) fn probe(self, config: &WorkerConfig) -> Result<Probe, MessengerError> {
        let probe = self.memory.unwrap_or_default();
        match config.max_memory.map(|_| probe.measure()) {
            Some(Err(error)) => {
                let problem = format!(
                    "max_memory: how much memory the process has cannot be said ({error}): give the worker a probe with \
                     WorkerOptions::with_memory, or leave max_memory out"
                );
                Err(MessengerError::new(MessengerErrorCode::Configuration, problem))
            }
            _ => Ok(probe),
        }
    }
}
