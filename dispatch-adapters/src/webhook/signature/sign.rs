use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use super::key::{Key, to_base64, to_hex};
use super::{Scheme, SignError};
use crate::secret::Secret;

/// Names and values of the headers that carry a signature. The names are in lower case.
pub type SignedHeaders = Vec<(Cow<'static, str>, String)>;

/// Makes the headers of a webhook.
///
/// `id` names the message and stays the same when it is sent again; `timestamp` is that of this attempt. To sign more
/// than once with the same secrets, keep a [`Signer`].
///
/// # Errors
/// [`SignError`] if there is no secret, or one that cannot be used.
pub fn sign(
    scheme: Scheme,
    secrets: &[Secret],
    id: &str,
    timestamp: SystemTime,
    body: &[u8],
) -> Result<SignedHeaders, SignError> {
    Signer::new(scheme, secrets)?.sign(id, timestamp, body)
}

/// Secrets that are ready to sign with. `Debug` does not show them.
#[derive(Debug, Clone)]
pub struct Signer {
    scheme: Scheme,
    keys: Vec<Key>,
    signature_header: Cow<'static, str>,
}

impl Signer {
    /// Gets the secrets ready: the current one first, then old ones that receivers may still use.
    ///
    /// # Errors
    /// [`SignError`] if there is no secret, or one that cannot be used.
    pub fn new(scheme: Scheme, secrets: &[Secret]) -> Result<Self, SignError> {
        let keys = Key::all(scheme, secrets)?;
        Ok(Self { scheme, keys, signature_header: scheme.signature_header().into() })
    }

    /// Sends the signature in another header than that of the scheme.
    #[must_use]
    pub fn with_signature_header(mut self, name: impl Into<String>) -> Self {
        self.signature_header = Cow::Owned(name.into().to_ascii_lowercase());
        self
    }

    /// Makes the headers of a webhook.
    ///
    /// # Errors
    /// [`SignError::Time`] if the time is before 1970.
    pub fn sign(&self, id: &str, timestamp: SystemTime, body: &[u8]) -> Result<SignedHeaders, SignError> {
        let seconds =
            timestamp.duration_since(UNIX_EPOCH).map_err(|_| SignError::Time)?.as_secs().to_string();
        let mut headers = SignedHeaders::with_capacity(3);
        if let Some(name) = self.scheme.id_header() {
            headers.push((name.into(), id.to_owned()));
        }
        if let Some(name) = self.scheme.timestamp_header() {
            headers.push((name.into(), seconds.clone()));
        }
        headers.push((self.signature_header.clone(), self.signature(id, &seconds, body)));
        Ok(headers)
    }

    fn signature(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let parts: &[&[u8]] = &signed_parts(self.scheme, id, seconds, body);
        let mut signatures = self.keys.iter().map(|key| key.sign(parts));
        match self.scheme {
            Scheme::Standard => {
                let each: Vec<_> =
                    signatures.map(|signature| format!("v1,{}", to_base64(&signature))).collect();
                each.join(" ")
            }
            Scheme::Stripe => {
                let start = format!("t={seconds}");
                signatures.fold(start, |text, signature| format!("{text},v1={}", to_hex(&signature)))
            }
            Scheme::Github => signatures
                .next()
                .map(|signature| format!("sha256={}", to_hex(&signature)))
                .unwrap_or_default(),
            Scheme::Hex => signatures.next().map(|signature| to_hex(&signature)).unwrap_or_default(),
        }
    }
}

/// What is signed, in pieces, so that the body is not copied.
pub(super) fn signed_parts<'a>(
    scheme: Scheme,
    id: &'a str,
    seconds: &'a str,
    body: &'a [u8],
) -> [&'a [u8]; 5] {
    match scheme {
        Scheme::Standard => [id.as_bytes(), b".", seconds.as_bytes(), b".", body],
        Scheme::Stripe | Scheme::Hex => [b"", b"", seconds.as_bytes(), b".", body],
        Scheme::Github => [b"", b"", b"", b"", body],
    }
}
