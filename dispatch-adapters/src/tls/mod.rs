//! TLS: whom an adapter trusts.
//!
//! - Certificates are always verified, and the name in them too; there is no switch for it.
//! - The provider of cryptography is handed to each client. None is installed for the process.
//! - What is trusted is looked at when an adapter is made, not at every connection.

mod config;
mod options;
#[cfg(any(feature = "amqp", feature = "mqtt", feature = "nats", feature = "postgres", feature = "redis"))]
mod refusal;
#[cfg(any(feature = "amqp", feature = "postgres", feature = "redis"))]
mod secure;

pub use options::TlsOptions;

#[cfg(feature = "http")]
pub(crate) use config::trusts_nobody;
#[cfg(any(
    feature = "amqp",
    feature = "mqtt",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
pub(crate) use refusal::refusal;
#[cfg(any(feature = "amqp", feature = "postgres", feature = "redis"))]
pub(crate) use secure::Secure;
