//! Signatures of webhooks: how senders make them and how receivers check them. No I/O and no clock.
//!
//! | scheme | headers | signed | key |
//! |---|---|---|---|
//! | [`standard`](Scheme::Standard) | `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64> v1,<base64>` | `id.timestamp.body` | Base64 after `whsec_`, else the text |
//! | [`stripe`](Scheme::Stripe) | `stripe-signature: t=<timestamp>,v1=<hex>,v1=<hex>` | `timestamp.body` | the text |
//! | [`github`](Scheme::Github) | `x-hub-signature-256: sha256=<hex>` | `body` | the text |
//! | [`hex`](Scheme::Hex) | `x-webhook-timestamp`, `x-webhook-signature: <hex>` | `timestamp.body` | the text |
//!
//! All are HMAC-SHA256; `standard` is that of <https://www.standardwebhooks.com>. The first two carry one signature
//! for each secret; the others carry that of the first secret, which is the current one.
//!
//! - Signatures are compared in constant time.
//! - A timestamp may be off by a tolerance, in the past and in the future. `github` signs none, so whoever has seen
//!   one of its requests can send it again.
//! - Work does not grow with the number of signatures in a request: the body is hashed once for each secret.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use dispatch_adapters::secret::Secret;
//! use dispatch_adapters::webhook::{Scheme, TOLERANCE, VerifyError, sign, verify};
//!
//! let secrets = [Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?];
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let headers = sign(Scheme::Standard, &secrets, "msg_1", now, b"{}")?;
//!
//! let received = || headers.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
//! assert_eq!(verify(Scheme::Standard, &secrets, received(), b"{}", now, TOLERANCE), Ok(()));
//! let late = now + Duration::from_secs(301);
//! let refused = verify(Scheme::Standard, &secrets, received(), b"{}", late, TOLERANCE);
//! assert_eq!(refused.unwrap_err().code(), "STALE_TIMESTAMP");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod key;
mod scheme;
mod sign;
mod verify;

pub use error::{SignError, VerifyError};
pub use scheme::Scheme;
pub use sign::{SignedHeaders, Signer, sign};
pub use verify::{TOLERANCE, Verifier, verify};

#[cfg(test)]
mod tests;
