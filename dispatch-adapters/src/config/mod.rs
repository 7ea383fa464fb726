//! Targets as data: adapters and their policies from TOML or JSON.
//!
//! A *target* is a table with a `type`, which names the adapter, the options of that adapter, and the tables of the
//! policies around it. An [`AdapterRegistry`] knows the types; everything that is wrong is said at once, sorted.
//!
//! | key | default | what it is |
//! |---|---|---|
//! | `type` | required | the adapter: `console`, `file`, `http`, `webhook`, `logger`, `noop`, `named`, `pubsub`, `messenger`, `actor`, those of brokers with their features, or one of yours |
//! | `name` | the type | what outcomes, logs and metrics call the target; unless given, logs and metrics call it by its destination: `host:port`, or a URL without user and query, of HTTP also without path |
//! | `async` | `false` | answer as soon as the envelope is queued |
//! | `timeout_ms` | 5000 | how long one attempt may take |
//! | `retry` | none | a [`RetryPolicy`](dispatch_core::policy::RetryPolicy) |
//! | `circuit_breaker` | none | a [`BreakerConfig`](dispatch_core::policy::BreakerConfig) |
//! | `rate_limit`, `key_rate_limit` | none | a [`RateLimit`](dispatch_core::policy::RateLimit), in all and for each key |
//! | `max_in_flight` | no limit | most attempts at a time |
//! | `batch` | none | a [`BatchPolicy`](dispatch_core::policy::BatchPolicy) |
//! | `max_held` | 1000 | how much work an open breaker holds |
//! | `hold_for_ms` | 86400000 | how long an outage may last before a failed probe costs the work that it held an attempt |
//! | `queue`, `concurrency` | 10000, in order | how many envelopes the queue takes, and how many are worked on at once |
//! | `fallback` | none | a target that is asked when this one does not take an envelope; it has no policies |
//! | `dead_letters` | none | targets for what failed for good; they have no policies, and are tried again until they take it |
//! | anything else | | an option of the adapter, by its serialised name: [`HttpOptions`](crate::http::HttpOptions), [`WebhookOptions`](crate::webhook::WebhookOptions), [`FileOptions`](crate::file::FileOptions) … |
//!
//! ```
//! use dispatch_adapters::config::AdapterRegistry;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = AdapterRegistry::with_built_in();
//! let targets = registry.read_toml(r#"
//!     [[targets]]
//!     type = "logger"
//!     template = "$type from $source"
//!     retry = { max_retries = 5 }
//!
//!     [[targets.dead_letters]]
//!     type = "noop"
//! "#)?;
//! assert_eq!(targets[0].adapter.name(), "logger");
//!
//! let error = registry.read_toml("[[targets]]\ntype = 'logger'\nlevl = 'info'\ntimeout_ms = 0").unwrap_err();
//! assert_eq!(error.to_string(), "\
//! configuration refused, 2 problems
//!   INVALID_CONFIGURATION: target 'logger': option 'levl' is unknown: did you mean 'level'?
//!   INVALID_PARAMETER: target 'logger': timeout_ms is 0: use 1 to 3600000");
//! # Ok(())
//! # }
//! ```
//!
//! # Secrets
//! A secret is not written into a configuration: it is named, as `env:NAME` or `file:PATH`. That goes for every option
//! that is a secret, for the whole of a URL with a password (or, for HTTP and NATS, with anything before its host), for
//! `authorization` and `cookie`, which belong into `secret_headers`, and for the passwords and keys among the
//! `properties` of Kafka. A `password` in the query of a URL is one, too. Written plainly they are refused, without being
//! shown. What else stands in the query of a URL is taken, since nobody can tell what it is; it is shown by nothing. A
//! path is taken, too. For HTTP it is left out of the label of a target without a name, but errors name it: where it is a
//! secret, as that of an incoming hook of a chat service is, name the whole URL by `env:` or `file:`. Then nothing of it is
//! shown but scheme, host and port. Options made in code may hold secrets.
//!
//! # An adapter of your own
//! It implements [`Adapter`](crate::model::Adapter), reads its options from [`Fields`], and registers under a name.
//! What [`Fields`] reads it checks: a missing option, a wrong type and an option nobody asked for become problems by
//! themselves. What `validate` says is added to them; let its texts begin with the name of the option.
//!
//! ```
//! use async_trait::async_trait;
//! use dispatch_adapters::config::{AdapterRegistry, Fields};
//! use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, ErrorCode, Problem, Receipt};
//!
//! struct Slack {
//!     channel: String,
//!     limit: usize,
//! }
//!
//! impl Slack {
//!     fn read(fields: &mut Fields<'_>) -> Self {
//!         Self { channel: fields.required("channel"), limit: fields.or("limit", 4000) }
//!     }
//! }
//!
//! #[async_trait]
//! impl Adapter for Slack {
//!     fn name(&self) -> &str {
//!         "slack"
//!     }
//!
//!     fn validate(&self) -> Result<(), Vec<Problem>> {
//!         match self.channel.strip_prefix('#') {
//!             Some(name) if !name.is_empty() => Ok(()),
//!             _ => Err(vec![Problem::new(ErrorCode::InvalidParameter, "channel: write it as '#orders'")]),
//!         }
//!     }
//!
//!     async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
//!         let (body, _) = envelope.raw_payload().to_bytes().map_err(|_| DeliveryError::permanent("not text"))?;
//!         if body.len() > self.limit {
//!             return Err(DeliveryError::permanent(format!("longer than {} bytes", self.limit)));
//!         }
//!         Ok(Receipt::taken()) // once the message has been sent
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut registry = AdapterRegistry::with_built_in();
//! registry.register("slack", Slack::read)?;
//! let targets = registry.read_toml("[[targets]]\ntype = 'slack'\nchannel = '#orders'")?;
//! assert_eq!(targets[0].adapter.name(), "slack");
//! # use dispatch_adapters::model::delivery::conformance::{Features, Suite};
//! # let features = Features { max_size: Some(4000), ..Features::default() };
//! # let suite = Suite::new(targets[0].adapter.clone()).with_features(features);
//! # let suite = suite.with_poison(Envelope::json("Text", "x".repeat(5000).into()));
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(suite.run()).assert();
//!
//! let error = registry.read_toml("[[targets]]\ntype = 'slack'\nchanel = '#orders'\nlimit = 'no'").unwrap_err();
//! assert_eq!(error.problems().len(), 3); // one unknown, one missing, one of the wrong type
//! # Ok(())
//! # }
//! ```
//! In its tests the adapter runs through the public suite (feature `conformance`), which knows what an adapter owes its
//! callers: `Suite::new(adapter).with_features(…).run().await.assert()`, see
//! `model::delivery::conformance`.

mod built_in;
mod error;
mod fields;
mod likeness;
#[cfg(any(feature = "_tls", feature = "kafka"))]
mod plain;
mod policies;
mod registry;
mod secrets;
mod shape;
mod start;
mod syntax;
mod target;
mod whole;

pub use error::TargetError;
pub use fields::Fields;
pub use registry::{AdapterRegistry, Factory, ReadyTarget};
pub use target::TargetConfig;
