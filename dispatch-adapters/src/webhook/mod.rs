//! Signed webhooks: [`Webhook`] sends them, [`verify`] and [`Verifier`] are for those who receive them.
//!
//! [`Webhook`] is [`Http`](crate::http::Http) and a signature:
//!
//! - Every request is signed by one of four [schemes](signature); Standard Webhooks unless an option says otherwise.
//! - The id of the envelope is the id of the webhook, so it is the same in every attempt and a receiver can tell that
//!   it has seen it. The timestamp is that of the attempt.
//! - It is signed with the current secret and, as far as the scheme can carry more, with old ones, so that receivers
//!   can change theirs in peace.
//! - The [address guard](crate::http::guard) is on, and no proxy is used.
//! - The signature is that of the body before it is compressed: what a receiver has who lets its server unpack it.
//!
//! # Many URLs
//! Each envelope goes to every URL, one after the other in their order or, with `parallel`, eight at a time;
//! [`deliver_each`](Webhook::deliver_each) gives one result per URL. As an [`Adapter`](crate::model::Adapter) it has
//! one result:
//!
//! - Delivered, with the answer of the first URL, if every URL took it.
//! - Else an error that may be tried again if that may help at one of the URLs, after the longest time that one of
//!   them asked for; `Disabled` if every URL wants nothing more; permanent otherwise. Its text names every URL that
//!   failed.
//!
//! A policy around it that tries again asks only the URLs that have neither taken it nor refused it for good. Behind a batch,
//! or called again by hand, it asks every URL again; those that have taken it see the same id once more. Where that
//! matters, or where URLs fail apart from each other and want a breaker and dead letters each, use one adapter per URL.
//!
//! ```
//! use dispatch_adapters::model::Adapter;
//! use dispatch_adapters::webhook::{Webhook, WebhookOptions};
//! # use dispatch_adapters::secret::Secret;
//! # let secret = Secret::new("s3cret")?;
//!
//! let options = WebhookOptions::new("https://partner.example.com/hooks", secret)
//!     .with_event_header("x-event")
//!     .with_event("OrderPlaced", "order.placed");
//! assert!(Webhook::new(options).validate().is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From a configuration:
//!
//! ```
//! use dispatch_adapters::webhook::WebhookOptions;
//!
//! let options: WebhookOptions = toml::from_str(
//!     r#"
//!     urls = ["https://partner.example.com/hooks"]
//!     secrets = ["env:HOOK_SECRET", "file:/run/secrets/old_hook"]
//!     scheme = "stripe"
//!     timeout_ms = 3000
//!     [pool.guard]
//!     allow = ["10.20.0.0/16"]
//!     "#,
//! )?;
//! assert!(toml::from_str::<WebhookOptions>("secrets = ['plain']").is_err());
//! # Ok::<(), toml::de::Error>(())
//! ```

mod adapter;
mod fold;
mod options;
pub mod signature;

pub use adapter::Webhook;
pub use fold::UrlResult;
pub use options::WebhookOptions;
pub use signature::{
    Scheme, SignError, SignedHeaders, Signer, TOLERANCE, Verifier, VerifyError, sign, verify,
};
