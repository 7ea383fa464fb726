use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::log::{LogError, TopicLog};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Asked, Between, Trouble};

/// A log that takes its time, and now and then is not available: before it does what it was asked for, or afterwards.
pub type FlakyLog = Between<Chance>;

/// Whether there is trouble depends on chance.
pub struct Chance {
    chance: Mutex<SmallRng>,
    is_shared: bool,
}

impl FlakyLog {
    /// Puts chance between a log and whoever uses it.
    #[must_use]
    pub fn new(log: Arc<dyn TopicLog>, seed: u64) -> Self {
        let mut chance = SmallRng::seed_from_u64(seed);
        Self::with(log, Chance { is_shared: chance.random(), chance: Mutex::new(chance) })
    }
}

impl Chance {
    fn draw<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Half of the time at once.
    async fn trouble(&self) -> Result<(), LogError> {
        let delay = self.draw(|chance| chance.random_bool(0.5).then(|| chance.random_range(0..100)));
        if let Some(delay) = delay {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if self.draw(|chance| chance.random_ratio(1, 20)) {
            return Err(LogError::unavailable("chance", "it is flaky"));
        }
        Ok(())
    }
}

#[async_trait]
impl Trouble for Chance {
    fn is_shared(&self) -> bool {
        self.is_shared
    }

    async fn before(&self, _: Asked) -> Result<(), LogError> {
        self.trouble().await
    }

    async fn after(&self, _: Asked) -> Result<(), LogError> {
        self.trouble().await
    }
}
