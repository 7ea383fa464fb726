//! Policies: what happens when a destination does not do what it should.
//!
//! A [`Policy`] goes around anything that can be tried: an adapter or a dispatcher ([`Around`]), or a plain future
//! ([`Policy::apply`]). Policies are put together with [`Stack`]; [`Delivery`](crate::Delivery) puts them together
//! in the order that works:
//!
//! ```text
//! retry ( circuit breaker ( rate limit ( in-flight limit ( timeout ( adapter )))))
//! ```
//!
//! - The rules are those of [`dispatch_core::policy`]; here they meet a clock, a timer and threads.
//! - The state of a policy is one word, changed by compare and swap: no lock, no mailbox, any number of threads.
//! - A call that waits has a bound on how many may wait with it; over the bound it is refused, which is an error
//!   with a [`Refusal`](dispatch_core::policy::Refusal): nothing was sent, unless its history tells of attempts.
//! - Dropping a call at any point gives back what it held.
//!
//! ```
//! use std::time::Duration;
//! use dispatch_adapters::policy::{Around, Breaker, Retry, Stack, Timeout};
//! use dispatch_adapters::model::policy::{BreakerConfig, RetryPolicy};
//! # use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
//! # struct Crm;
//! # #[async_trait::async_trait]
//! # impl Adapter for Crm {
//! #     fn name(&self) -> &str { "crm" }
//! #     async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> { Ok(Receipt::taken()) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = Breaker::new(BreakerConfig::default())?;
//! let policy = Stack(
//!     Retry::new(RetryPolicy::default()),
//!     Stack(breaker.clone(), Timeout::new(Duration::from_secs(2))),
//! );
//! let crm = Around::new(policy, Crm);
//! crm.deliver(&Envelope::empty("Hello")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A policy of your own
//! It implements [`Policy`] and is used like the others: alone, or in a [`Stack`]. What it is told of a [`Call`] is its
//! time, its key, and whom to tell what it does; after waiting for something it says so, or what is further inside
//! would be blamed for that time.
//!
//! ```
//! use std::future::Future;
//! use std::time::Duration;
//! use dispatch_adapters::model::policy::{Failure, RefusedBy};
//! use dispatch_adapters::policy::{Around, Call, Policy};
//! use dispatch_adapters::NoopAdapter;
//! use dispatch_adapters::model::{Adapter, Envelope};
//!
//! /// Lets a call with a key through after a moment, and none without one.
//! struct Keyed(Duration);
//!
//! impl Policy for Keyed {
//!     async fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> Result<T, E>
//!     where
//!         T: Send,
//!         E: Failure,
//!         F: Fn() -> Fut + Send + Sync,
//!         Fut: Future<Output = Result<T, E>> + Send,
//!     {
//!         if call.key.is_none() {
//!             return Err(call.telemetry.refuse(RefusedBy::Stopped, None));
//!         }
//!         tokio::time::sleep(self.0).await;
//!         call.waited();
//!         attempt().await
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keyed = Around::new(Keyed(Duration::from_millis(5)), NoopAdapter::new());
//! keyed.deliver(&Envelope::empty("Hello").with_key("customer-7")).await?;
//! let refused = keyed.deliver(&Envelope::empty("Hello")).await.unwrap_err();
//! assert!(refused.refusal().is_some());
//! # Ok(())
//! # }
//! ```

#![expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps its arguments twice, which doubles the future of a stack of policies"
)]

mod around;
mod batch;
mod breaker;
mod gate;
mod in_flight;
mod moment;
mod observe;
mod or_else;
mod rate;
mod retry;
mod telemetry;
#[cfg(test)]
mod tests;
mod timeout;
mod waiting;
mod word;

pub use around::{Around, Policy, Stack};
pub(crate) use batch::wrong_count;
pub use breaker::{Breaker, Operation};
pub(crate) use gate::Gate;
pub use in_flight::InFlight;
pub(crate) use moment::Moment;
pub use observe::Observe;
pub(crate) use observe::text_of;
pub use or_else::OrElse;
pub(crate) use rate::Rates;
pub use rate::{KeyedRate, Rate};
pub(crate) use retry::Failed;
pub use retry::Retry;
pub use telemetry::{Call, Telemetry};
pub use timeout::Timeout;
