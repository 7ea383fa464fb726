use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{DeliveryError, DeliveryErrorKind, Progress, Receipt};
use crate::envelope::Envelope;
use crate::error::Problem;

/// Outbound delivery to one destination.
///
/// The engine's publisher, a bus, a transport and every built-in destination are adapters, and an adapter can
/// be registered as a dispatcher.
///
/// # Contract
/// - `deliver` answers `Ok` only when the destination has taken the envelope, to the degree the adapter documents.
/// - An error says what may be done next; it never carries a secret.
/// - `deliver_batch` answers one result per envelope, in the order of the envelopes.
/// - Dropping a future may leave the envelope delivered or not; it must not leave the adapter unusable.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// What logs, metrics and errors call it.
    fn name(&self) -> &str;

    /// What logs and metrics call the place that it delivers to, such as a URL without user information and query;
    /// its name where it has no better word. It never holds a secret.
    fn destination(&self) -> &str {
        self.name()
    }

    /// Every problem of its own options.
    ///
    /// # Errors
    /// The list of all problems.
    fn validate(&self) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    /// How long one delivery may take if the destination may take `limit` to answer. By default no longer; an adapter that
    /// first waits for a connection of its own, or asks several places in turn, adds that, so that no time-out around it
    /// blames the destination.
    fn time_for(&self, limit: Duration) -> Duration {
        limit
    }

    /// Delivers one envelope.
    ///
    /// # Errors
    /// [`DeliveryError`], which says whether to try again.
    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError>;

    /// Delivers what earlier attempts have left open: for an adapter that asks several places for one envelope. It notes
    /// in `progress` which have taken it, and does not ask those again. By default the same as [`deliver`](Self::deliver).
    ///
    /// # Errors
    /// Like [`deliver`](Self::deliver).
    fn deliver_rest<'a, 'b, 'c, 'f>(
        &'a self,
        envelope: &'b Envelope,
        progress: &'c Progress,
    ) -> Boxed<'f, Result<Receipt, DeliveryError>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        Self: 'f,
    {
        let _ = progress;
        // Not an async function, which would be a second box around this one.
        self.deliver(envelope)
    }

    /// Delivers several envelopes; one result per envelope, in order. By default one after the other, until the destination
    /// says that it wants nothing more; that is then the result of the rest.
    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let mut results: Vec<Result<Receipt, DeliveryError>> = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            let said = results.last().and_then(|result| result.as_ref().err());
            let said = said.filter(|error| error.kind() == DeliveryErrorKind::Disabled);
            let result = match said {
                Some(gone) => Err(gone.repeat()),
                None => self.deliver(envelope).await,
            };
            results.push(result);
        }
        results
    }

    /// Whether the destination can be reached.
    async fn health(&self) -> Health {
        Health::default()
    }
}

/// Hands on the futures of the adapter as they are: no second box around them.
impl<A: Adapter + ?Sized> Adapter for Arc<A> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn destination(&self) -> &str {
        (**self).destination()
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        (**self).validate()
    }

    fn time_for(&self, limit: Duration) -> Duration {
        (**self).time_for(limit)
    }

    fn deliver<'a, 'b, 'f>(&'a self, envelope: &'b Envelope) -> Boxed<'f, Result<Receipt, DeliveryError>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        (**self).deliver(envelope)
    }

    fn deliver_rest<'a, 'b, 'c, 'f>(
        &'a self,
        envelope: &'b Envelope,
        progress: &'c Progress,
    ) -> Boxed<'f, Result<Receipt, DeliveryError>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        Self: 'f,
    {
        (**self).deliver_rest(envelope, progress)
    }

    fn deliver_batch<'a, 'b, 'f>(
        &'a self,
        envelopes: &'b [Envelope],
    ) -> Boxed<'f, Vec<Result<Receipt, DeliveryError>>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        (**self).deliver_batch(envelopes)
    }

    fn health<'a, 'f>(&'a self) -> Boxed<'f, Health>
    where
        'a: 'f,
        Self: 'f,
    {
        (**self).health()
    }
}

/// What `async_trait` makes of an async function.
type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// How a destination is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// In one word.
    pub status: HealthStatus,
    /// How long the last check took.
    pub latency: Option<Duration>,
    /// When something was last delivered.
    pub last_success: Option<SystemTime>,
}

/// In one word, how a destination is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Nothing is known.
    #[default]
    Unknown,
    /// It works.
    Healthy,
    /// It works in part.
    Degraded,
    /// It does not work.
    Unhealthy,
}

impl HealthStatus {
    /// As it is written in logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_with_the_word_that_nothing_more_is_wanted() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        /// Takes one.
        #[derive(Default)]
        struct Tired(AtomicUsize);

        #[async_trait]
        impl Adapter for Tired {
            fn name(&self) -> &str {
                "tired"
            }

            async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
                match self.0.fetch_add(1, Ordering::Relaxed) {
                    0 => Ok(Receipt::taken()),
                    _ => Err(DeliveryError::disabled("enough")),
                }
            }
        }

        let (tired, envelopes) = (Tired::default(), [(); 4].map(|()| Envelope::empty("Happened")));
        let mut batch = tired.deliver_batch(&envelopes);
        let std::task::Poll::Ready(results) =
            batch.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        else {
            panic!("it waits for nothing");
        };
        let kinds: Vec<_> = results.iter().map(|it| it.as_ref().map_err(DeliveryError::kind).err()).collect();
        let gone = Some(DeliveryErrorKind::Disabled);
        assert_eq!((kinds, tired.0.load(Ordering::Relaxed)), (vec![None, gone, gone, gone], 2));
    }

    #[test]
    fn a_status_reads_like_its_json() {
        use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};
        for status in [Unknown, Healthy, Degraded, Unhealthy] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.to_string());
        }
    }
}
