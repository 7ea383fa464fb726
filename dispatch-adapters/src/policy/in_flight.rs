use std::future::Future;
use std::sync::Arc;

use dispatch_core::RegistrationError;
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::policy::{Failure, RefusedBy};
use tokio::sync::Semaphore;

use super::waiting::WaitingRoom;
use super::{Call, Policy};

/// Lets so many attempts run at once; the others wait for their turn, first come first served.
#[derive(Debug, Clone)]
pub struct InFlight {
    limit: usize,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    places: Semaphore,
    waiting: WaitingRoom,
}

impl InFlight {
    /// Calls that may wait for a place.
    pub const WAITING: usize = 10_000;
    /// Largest limit.
    pub const MOST: usize = 1_000_000;

    /// At most `limit` at once.
    ///
    /// # Errors
    /// That the limit is not 1 to 1,000,000.
    pub fn new(limit: usize) -> Result<Self, RegistrationError> {
        if !(1..=Self::MOST).contains(&limit) {
            let text = format!("max_in_flight is {limit}: use 1 to {}", Self::MOST);
            return Err(Problem::new(ErrorCode::InvalidParameter, text).into());
        }
        let shared = Shared { places: Semaphore::new(limit), waiting: WaitingRoom::new(Self::WAITING) };
        Ok(Self { limit, shared: Arc::new(shared) })
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

impl Policy for InFlight {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            let shared = &*self.shared;
            let place = match shared.places.try_acquire() {
                Ok(place) => place,
                Err(_) => {
                    let Some(_seat) = shared.waiting.enter() else {
                        return Err(call.telemetry.refuse(RefusedBy::InFlightLimit, None));
                    };
                    let Ok(place) = shared.places.acquire().await else {
                        return Err(call.telemetry.refuse(RefusedBy::Stopped, None));
                    };
                    call.waited();
                    place
                }
            };
            let result = attempt().await;
            drop(place);
            result
        }
    }
}
