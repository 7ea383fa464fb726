use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{millis, optional_millis};
use crate::messenger::{MessengerError, MessengerErrorCode, Name};

/// Longer leases only keep others from what a dead worker had.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3_600);

/// How a worker works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// The transports it takes messages from; the first has precedence, for as long as it answers.
    pub transports: Vec<String>,
    /// The queues of the transports; all that there are, if none is named.
    pub queues: Vec<String>,
    /// Most messages that are handled at a time.
    pub concurrency: usize,
    /// Messages that are taken beyond that, so that the next is at hand.
    pub prefetch: usize,
    /// How long a message is the worker's without a word; it is extended while the message is handled. In milliseconds
    /// where it is serialised.
    #[serde(rename = "lease_ms", with = "millis")]
    pub lease: Duration,
    /// How often it looks by itself whether there is something, whatever wakes it. In milliseconds where it is serialised.
    #[serde(rename = "poll_ms", with = "millis")]
    pub poll: Duration,
    /// Transports take turns, instead of the first having precedence.
    pub fair: bool,
    /// It stops after so many messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages: Option<u64>,
    /// It stops after so many attempts that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<u64>,
    /// It claims nothing any more after this time. In milliseconds where it is serialised.
    #[serde(rename = "max_time_ms", skip_serializing_if = "Option::is_none", with = "optional_millis")]
    pub max_time: Option<Duration>,
    /// It claims nothing any more once the process has more memory than this. In bytes; on Linux it is the resident memory,
    /// elsewhere a probe has to be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
}

impl Default for WorkerConfig {
    /// Five messages at a time, leases of a minute, a look every second, no limits.
    fn default() -> Self {
        Self {
            transports: Vec::new(),
            queues: Vec::new(),
            concurrency: 5,
            prefetch: 0,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            fair: false,
            max_messages: None,
            max_failures: None,
            max_time: None,
            max_memory: None,
        }
    }
}

impl WorkerConfig {
    /// Everything that is wrong with it, sorted; `Ok` if nothing is.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn check(&self) -> Result<(), MessengerError> {
        MessengerError::check(MessengerErrorCode::Configuration, self.problems())
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        const MOST: usize = 100_000;
        let mut problems = Vec::new();
        if self.transports.is_empty() {
            problems.push("transports is empty: name those that the worker takes messages from".to_owned());
        }
        for (what, names) in [("transports", &self.transports), ("queues", &self.queues)] {
            problems.extend(
                names.iter().filter_map(|name| Name::problem(name)).map(|text| format!("{what}: {text}")),
            );
        }
        let is_twice =
            |(place, name): &(usize, &String)| self.transports.iter().take(*place).any(|it| it == *name);
        problems.extend(self.transports.iter().enumerate().filter(is_twice).map(|(_, name)| {
            format!("transports: '{}' is listed twice: leave one out", crate::messenger::name::shown(name))
        }));
        if !(1..=MOST).contains(&self.concurrency) {
            problems.push(format!("concurrency is {}: use 1 to {MOST}", self.concurrency));
        }
        if self.prefetch > MOST {
            problems.push(format!("prefetch is {}: use 0 to {MOST}", self.prefetch));
        }
        if self.lease > LONGEST_LEASE {
            problems.push(format!(
                "lease is {:?}: use at most a day; it is extended while a message is handled",
                self.lease
            ));
        }
        if self.lease < Duration::from_secs(1) {
            problems
                .push(format!("lease is {:?}: use at least 1 s, or messages are handled twice", self.lease));
        }
        if self.poll < Duration::from_millis(1) {
            problems.push("poll is 0: use at least 1 ms".to_owned());
        }
        for (what, limit) in [
            ("max_messages", self.max_messages),
            ("max_failures", self.max_failures),
            ("max_memory", self.max_memory),
        ] {
            if limit == Some(0) {
                problems
                    .push(format!("{what} is 0, so nothing would be done: use at least 1, or leave it out"));
            }
        }
        if self.max_time == Some(Duration::ZERO) {
            problems.push("max_time is 0, so nothing would be done: use more, or leave it out".to_owned());
        }
        problems
    }
}
