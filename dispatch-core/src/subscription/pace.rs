//! When the next message may go, by messages and by bytes: delays, and never drops.
//!
//! Both are GCRA: each message moves a theoretical time of arrival on by its share; it may go when that time, less
//! what may come at once, has come. Bytes come evenly: a message goes when what went before it has been paid for.

use std::time::Duration;

use super::SubscriptionConfig;
use crate::policy::RateLimit;

#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    messages: Option<RateLimit>,
    bytes_per_second: Option<u64>,
    next_message: Duration,
    next_byte: Duration,
}

impl Pace {
    pub(super) fn of(config: &SubscriptionConfig) -> Self {
        let (messages, bytes_per_second) = (config.rate, config.bytes_per_second);
        Self { messages, bytes_per_second, ..Self::default() }
    }

    /// Until when nothing may go, if something may not go now.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let messages = self.messages.map_or(Duration::ZERO, |limit| {
            let at_once = interval(limit).saturating_mul(limit.burst.saturating_sub(1));
            self.next_message.saturating_sub(at_once)
        });
        Some(messages.max(self.next_byte)).filter(|until| *until > now)
    }

    /// A message of so many bytes goes now.
    pub(super) fn pass(&mut self, bytes: u32, now: Duration) {
        if let Some(limit) = self.messages {
            self.next_message = self.next_message.max(now) + interval(limit);
        }
        if let Some(rate) = self.bytes_per_second {
            let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
            let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.next_byte = self.next_byte.max(now).saturating_add(cost);
        }
    }
}

fn interval(limit: RateLimit) -> Duration {
    limit.per / limit.events.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_within(pace: &mut Pace, bytes: u32, window: Duration) -> usize {
        let (mut now, mut sent) = (Duration::ZERO, 0);
        loop {
            now = pace.wait(now).unwrap_or(now);
            if now >= window {
                return sent;
            }
            pace.pass(bytes, now);
            sent += 1;
        }
    }

    #[test]
    fn no_more_than_the_rate_go_in_a_second() {
        let second = Duration::from_secs(1);
        let config = SubscriptionConfig::new("s", "t").with_rate(RateLimit::per_second(50));
        assert_eq!(sent_within(&mut Pace::of(&config), 0, second), 50);
        let burst = SubscriptionConfig::new("s", "t").with_rate(RateLimit::per_second(50).with_burst(20));
        assert_eq!(sent_within(&mut Pace::of(&burst), 0, second), 69, "20 at once, then one every 20 ms");
        let mut bytes = SubscriptionConfig::new("s", "t");
        bytes.bytes_per_second = Some(1000);
        assert_eq!(sent_within(&mut Pace::of(&bytes), 100, second), 10);
        assert_eq!(sent_within(&mut Pace::of(&bytes), 5_000, second), 1, "a large one goes too");
        assert_eq!(Pace::of(&SubscriptionConfig::new("s", "t")).wait(second), None);
    }
}
