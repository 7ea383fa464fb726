use serde::de::DeserializeOwned;

use super::{Envelope, Untyped};
use crate::dispatcher::DispatcherError;

/// What a handler can take as its first argument: an [`Envelope`] as it is, or a typed view of it.
pub trait FromEnvelope: Sized + Send + 'static {
    /// Makes the argument.
    ///
    /// # Errors
    /// The payload is not of the wanted type; this becomes the dispatcher's outcome.
    fn from_envelope(envelope: Envelope) -> Result<Self, DispatcherError>;
}

impl FromEnvelope for Envelope<Untyped> {
    fn from_envelope(envelope: Envelope) -> Result<Self, DispatcherError> {
        Ok(envelope)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> FromEnvelope for Envelope<T> {
    fn from_envelope(envelope: Envelope) -> Result<Self, DispatcherError> {
        Ok(envelope.cast()?)
    }
}
