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
//! let breaker = Breaker::new(BreakerConfig::default());
//! let policy = Stack(
//!     Retry::new(RetryPolicy::default()),
//!     Stack(breaker.clone(), Timeout::new(Duration::from_secs(2))),
//! );
//! let crm = Around::new(policy, Crm);
//! crm.deliver(&Envelope::empty("Hello")).await?;
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
pub use breaker::{Breaker, Operation};
pub use in_flight::InFlight;
pub(crate) use moment::Moment;
pub use observe::Observe;
pub use or_else::OrElse;
pub use rate::{KeyedRate, Rate};
pub use retry::Retry;
pub use telemetry::{Call, Telemetry};
pub use timeout::Timeout;
