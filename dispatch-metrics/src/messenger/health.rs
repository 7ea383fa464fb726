use std::time::Duration;

use dispatch_core::delivery::HealthStatus;

use super::{MessengerMetrics, QueueMetrics, TransportMetrics};

/// From where on a transport is degraded, and from where on unhealthy.
///
/// ```
/// use dispatch_metrics::{HealthLimits, MessengerMetrics};
///
/// let limits = HealthLimits { degraded_error_rate: 0.05, ..HealthLimits::default() };
/// // What was looked at before, and what is now:
/// let (before, now) = (MessengerMetrics::new("shop"), MessengerMetrics::new("shop"));
/// assert_eq!(now.since(&before).health(&limits).as_str(), "healthy");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthLimits {
    /// Part of the attempts that failed, 0 to 1, from which on it is degraded.
    pub degraded_error_rate: f64,
    /// Part of the attempts that failed, 0 to 1, from which on it is unhealthy.
    pub unhealthy_error_rate: f64,
    /// Mean run time of an attempt from which on it is degraded.
    pub degraded_run: Duration,
    /// Mean run time of an attempt from which on it is unhealthy.
    pub unhealthy_run: Duration,
}

impl Default for HealthLimits {
    /// 1 % and 10 % of the attempts; one and five seconds.
    fn default() -> Self {
        Self {
            degraded_error_rate: 0.01,
            unhealthy_error_rate: 0.1,
            degraded_run: Duration::from_secs(1),
            unhealthy_run: Duration::from_secs(5),
        }
    }
}

impl MessengerMetrics {
    /// How it is: as its worst transport. Ask it of the figures [`since`](Self::since) a while ago, or what went wrong in the
    /// first hour still counts in the last.
    #[must_use]
    pub fn health(&self, limits: &HealthLimits) -> HealthStatus {
        let transports = self.transports.values().map(|transport| transport.health(limits));
        transports.max_by_key(|status| rank(*status)).unwrap_or(HealthStatus::Healthy)
    }
}

impl TransportMetrics {
    /// How it is: the worse of what its error rate and its mean run time say.
    ///
    /// - One that does not answer is unhealthy.
    /// - One without attempts is healthy, unless messages are ready in a queue that is not paused: then nobody works on
    ///   them, or nobody has come to it yet, and it is degraded.
    #[must_use]
    pub fn health(&self, limits: &HealthLimits) -> HealthStatus {
        if !self.reachable {
            return HealthStatus::Unhealthy;
        }
        let run = self.work.run();
        if run.count() == 0 {
            let is_left_alone = |queue: &QueueMetrics| queue.ready > 0 && queue.leased == 0 && !queue.paused;
            let left_alone = self.queues.values().any(is_left_alone);
            return if left_alone { HealthStatus::Degraded } else { HealthStatus::Healthy };
        }
        let (errors, mean) = (self.work.error_rate(), run.average());
        let by_errors = judge(errors, limits.degraded_error_rate, limits.unhealthy_error_rate);
        let by_run = judge(mean, limits.degraded_run, limits.unhealthy_run);
        [by_errors, by_run].into_iter().max_by_key(|status| rank(*status)).unwrap_or_default()
    }
}

fn judge<T: PartialOrd + Copy>(value: T, degraded: T, unhealthy: T) -> HealthStatus {
    if value >= unhealthy {
        HealthStatus::Unhealthy
    } else if value >= degraded {
        HealthStatus::Degraded
    } else {
        HealthStatus::Healthy
    }
}

const fn rank(status: HealthStatus) -> u8 {
    match status {
        HealthStatus::Healthy => 0,
        HealthStatus::Unknown => 1,
        HealthStatus::Degraded => 2,
        HealthStatus::Unhealthy => 3,
    }
}
