//! An adapter that keeps dead letters in memory.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dispatch_adapters::model::{Adapter, DeadLetter, DeliveryError, Envelope, Receipt};

/// The dead letters so far; a clone holds the same ones.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<DeadLetter>>>);

impl Kept {
    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Adapter for Kept {
    fn name(&self) -> &str {
        "kept"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let letter: Envelope<DeadLetter> = envelope
            .clone()
            .cast()
            .map_err(|error| DeliveryError::permanent("this is no dead letter").with_source(error))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(letter.payload().clone());
        Ok(Receipt::taken())
    }
}
