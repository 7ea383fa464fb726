use std::time::Duration;

use dispatch_core::{DispatcherError, Envelope, IntoOutputs, Outputs};
use serde::{Deserialize, Serialize};

/// What a dispatcher does with an envelope. It travels as a typed payload, or is fixed when the dispatcher is
/// registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Succeeds with these topics.
    Return(Vec<String>),
    /// Fails with an `IoError` of this text.
    Fail(String),
    /// Panics with this text before anything is awaited.
    Panic(String),
    /// Awaits something first.
    Sleep(u64, Box<Self>),
    /// Never answers.
    Hang,
    /// An actor stops itself without an answer; for a function, like [`Hang`](Self::Hang).
    Stop,
}

impl Act {
    /// Succeeds without outputs.
    #[must_use]
    pub const fn ok() -> Self {
        Self::Return(Vec::new())
    }

    /// Waits for so many milliseconds before this.
    #[must_use]
    pub fn after(self, ms: u64) -> Self {
        Self::Sleep(ms, Box::new(self))
    }

    /// An envelope that tells a dispatcher to do this.
    #[must_use]
    pub fn envelope(self) -> Envelope {
        Envelope::typed(self)
    }

    /// Does it.
    ///
    /// # Errors
    /// If it is to fail.
    ///
    /// # Panics
    /// If it is to panic.
    pub async fn run(self) -> Result<Outputs, DispatcherError> {
        let mut act = self;
        while let Self::Sleep(ms, then) = act {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            act = *then;
        }
        match act {
            Self::Return(topics) => topics.into_outputs(),
            Self::Fail(text) => Err(DispatcherError::new("IoError", text)),
            Self::Panic(text) => panic!("{text}"),
            _ => std::future::pending().await,
        }
    }

    /// A handler that does what its envelope says.
    ///
    /// # Errors
    /// If it is to fail.
    ///
    /// # Panics
    /// If it is to panic.
    pub async fn obey(envelope: Envelope<Self>) -> Result<Outputs, DispatcherError> {
        envelope.payload().clone().run().await
    }
}
