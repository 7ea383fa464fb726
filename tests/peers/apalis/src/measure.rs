use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// What the process has computed so far, on all of its threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// When something began.
pub struct Begun {
    wall: Instant,
    cpu: Duration,
}

impl Begun {
    pub fn now() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time() }
    }

    /// What each of so many messages took.
    pub fn each(&self, messages: usize) -> Value {
        let (wall, cpu) = (self.wall.elapsed(), cpu_time().saturating_sub(self.cpu));
        let each = |time: Duration| time.as_nanos() as f64 / messages.max(1) as f64;
        json!({ "cpu_ns": each(cpu), "wall_ns": each(wall) })
    }
}

/// The middle and the slowest hundredth.
pub fn percentiles(mut all: Vec<Duration>) -> Value {
    all.sort_unstable();
    let at = |share: f64| all.get(((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1)));
    let millis = |share: f64| at(share).map(|time| time.as_secs_f64() * 1_000.0);
    json!({ "p50_ms": millis(0.5), "p99_ms": millis(0.99) })
}
