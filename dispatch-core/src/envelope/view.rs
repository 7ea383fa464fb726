//! Envelopes whose payload has a type that the handler knows.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Envelope, PayloadMismatch};

impl Envelope {
    /// A view whose payload is a `T`: the same shared value if it has this type, else decoded from JSON.
    ///
    /// # Errors
    /// [`PayloadMismatch`] if the payload is neither.
    pub fn cast<T: DeserializeOwned + Send + Sync + 'static>(self) -> Result<Envelope<T>, PayloadMismatch> {
        let body = self.inner.payload.decode()?;
        Ok(Envelope { inner: self.inner, body: Some(body) })
    }
}

impl<T> Envelope<T> {
    /// The same envelope without the typed view.
    #[must_use]
    pub fn untyped(&self) -> Envelope {
        Envelope { inner: Arc::clone(&self.inner), body: None }
    }
}

impl<T> Envelope<T>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    /// The payload of a typed view.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a typed view is only made by cast(), which fills the body")]
    pub fn payload(&self) -> &T {
        self.body.as_deref().expect("a typed view carries its payload")
    }

    /// The payload of a typed view, shared.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a typed view is only made by cast(), which fills the body")]
    pub fn shared_payload(&self) -> Arc<T> {
        self.body.clone().expect("a typed view carries its payload")
    }
}
