use std::future::Future;
use std::sync::Arc;

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
    const MOST: usize = 1_000_000;

    /// At most `limit` at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let places = Semaphore::new(limit.min(Self::MOST));
        Self { limit, shared: Arc::new(Shared { places, waiting: WaitingRoom::new(Self::WAITING) }) }
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

    fn problems(&self) -> Vec<Problem> {
        let text = format!("max_in_flight is {}: use 1 to {}", self.limit, Self::MOST);
        let valid = (1..=Self::MOST).contains(&self.limit);
        if valid { Vec::new() } else { vec![Problem::new(ErrorCode::InvalidParameter, text)] }
    }
}
