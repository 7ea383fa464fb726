use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use crate::envelope::{Envelope, Headers};

/// The other end of an adapter, which can be read back.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Everything that has arrived since the destination was made, in the order of arrival.
    ///
    /// While less than `at_least` has arrived it may wait for what is still on its way, as long as it finds
    /// sensible; 0 is a look without waiting.
    async fn arrived(&self, at_least: usize) -> Vec<Arrival>;
}

/// What arrived of one envelope, as far as the destination can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The id of the envelope.
    pub id: Option<Uuid>,
    /// The bytes of the payload.
    pub body: Option<Bytes>,
    /// The headers.
    pub headers: Option<Headers>,
}

impl Arrival {
    /// Something has arrived, and nothing is known about it.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Only the id is known.
    #[must_use]
    pub fn with_id(id: Uuid) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    /// Whether this may be what became of an envelope.
    pub(super) fn may_be(&self, envelope: &Envelope) -> bool {
        match (self.id, &self.body) {
            (Some(id), _) => id == envelope.id(),
            (None, Some(body)) => body_of(envelope).as_ref() == Some(body),
            (None, None) => true,
        }
    }
}

impl From<&Envelope> for Arrival {
    /// All of an envelope.
    fn from(envelope: &Envelope) -> Self {
        Self { id: Some(envelope.id()), body: body_of(envelope), headers: Some(envelope.headers().clone()) }
    }
}

/// The bytes of a payload, if it has any.
pub(super) fn body_of(envelope: &Envelope) -> Option<Bytes> {
    envelope.raw_payload().to_bytes().ok().map(|(body, _)| body)
}
