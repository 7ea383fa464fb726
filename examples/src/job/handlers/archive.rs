use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dispatch_adapters::model::PayloadNotJson;
use dispatch_adapters::prelude::Envelope;

/// Stands for a slow disk: it serialises payloads and keeps count of what it would write.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: AtomicU64,
}

impl Archive {
    /// Stores an envelope. Runs on a thread that may block.
    pub(crate) fn store(&self, envelope: &Envelope) -> Result<(), PayloadNotJson> {
        let (bytes, _media_type) = envelope.raw_payload().to_bytes()?;
        self.bytes.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }

    /// Bytes stored so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}
