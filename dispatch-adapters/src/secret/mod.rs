//! Secrets: kept out of everything that is printed, and named in configuration rather than written there.
//!
//! - A [`Secret`] is shown by nothing: not by `Debug`, not by `Display`, not by `Serialize`. Only
//!   [`Secret::expose`] gives it out, so that is what to search the code for.
//! - A configuration says where a secret is ([`SecretRef`]): `env:NAME` or `file:PATH`. A secret that is written
//!   there plainly is refused, also [inside](crate::config#secrets) a URL, a header or a setting of a client library.
//!   Code may hand over the secret itself.
//! - An empty secret protects nothing and is refused.
//!
//! ```
//! use dispatch_adapters::secret::{Secret, SecretRef};
//!
//! let secret = Secret::new("s3cret")?;
//! assert_eq!(format!("{secret:?} {secret}"), "[secret] [secret]");
//! assert_eq!(secret.expose(), "s3cret");
//!
//! let named: SecretRef = "env:SIGNING_SECRET".parse()?;
//! assert_eq!(named.to_string(), "env:SIGNING_SECRET");
//! assert!("s3cret".parse::<SecretRef>().is_err());
//! # Ok::<(), dispatch_adapters::secret::SecretError>(())
//! ```

mod error;
mod reference;
mod value;

pub use error::SecretError;
pub use reference::SecretRef;
pub use value::Secret;

/// What stands in place of a secret.
const HIDDEN: &str = "[secret]";
