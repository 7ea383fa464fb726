use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::WorkerConfig;
use super::source::Source;
use crate::messenger::Rates;

/// Longest pause after claims that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The shortest wait for what is due: with clocks that differ it is not asked for all the time.
const SHORTEST: Duration = Duration::from_millis(10);
/// The pause after the first claim that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long a measurement of memory is believed.
const MEASURED_FOR: Duration = Duration::from_millis(100);

/// What a worker does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It asks a transport, by its place in the configuration, for so many messages.
    Claim {
        /// Which transport.
        source: usize,
        /// Most messages.
        max: usize,
    },
    /// It measures the memory of the process, says so by [`measured`](WorkerState::measured), and asks again.
    Measure,
    /// It waits: for what happens, or until this time.
    Wait {
        /// On the clock that the steps are told.
        until: Option<Duration>,
    },
    /// It has ended.
    Stop(StopReason),
}

/// Why a worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// It was asked to.
    Asked,
    /// It has begun as many messages as it may.
    Messages,
    /// As many attempts have failed as may.
    Failures,
    /// Its time is over.
    Time,
    /// The process has more memory than it may.
    Memory,
}

impl StopReason {
    /// As it is written in logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Messages => "messages",
            Self::Failures => "failures",
            Self::Time => "time",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// When a worker claims, and how much. Times are on a monotonic clock that begins with the worker.
///
/// Of each transport one claim is under way at a time. What was asked for and is not answered counts as if it were in hand,
/// so that others are asked only for the room that is left: the first transport has precedence for as long as it answers.
/// One that does not answer within 300 ms, or within twice the time that its last answer took (5 s at most), keeps no room
/// any more. When its answer comes after all, what there is room for is taken in, and the rest is to be handed back.
#[derive(Debug, Clone)]
pub struct WorkerState {
    concurrency: usize,
    prefetch: usize,
    poll: Duration,
    fair: bool,
    max_messages: Option<u64>,
    max_failures: Option<u64>,
    max_time: Option<Duration>,
    max_memory: Option<u64>,
    /// When memory was measured last.
    measured_at: Option<Duration>,
    sources: Vec<Source>,
    /// Who is asked first.
    first: usize,
    paused: bool,
    in_hand: usize,
    taken: u64,
    failures: u64,
    stopping: Option<StopReason>,
    /// It was asked to stop, whatever else it stops for.
    asked: bool,
}

impl WorkerState {
    /// A worker that has done nothing yet.
    #[must_use]
    pub fn new(config: &WorkerConfig) -> Self {
        Self {
            concurrency: config.concurrency,
            prefetch: config.prefetch,
            poll: config.poll,
            fair: config.fair,
            max_messages: config.max_messages,
            max_failures: config.max_failures,
            max_time: config.max_time,
            max_memory: config.max_memory,
            measured_at: None,
            sources: vec![Source::default(); config.transports.len()],
            first: 0,
            paused: false,
            in_hand: 0,
            taken: 0,
            failures: 0,
            stopping: None,
            asked: false,
        }
    }

    /// What to do next. A claim has to be answered by [`claimed`](Self::claimed) or
    /// [`claim_failed`](Self::claim_failed); before that there may be others, of other transports.
    pub fn step(&mut self, now: Duration) -> Step {
        self.stopping = self.stopping.or_else(|| self.limit(now));
        if let Some(reason) = self.stopping {
            let is_over = self.in_hand == 0 && !self.sources.iter().any(Source::is_asked);
            return if is_over { Step::Stop(reason) } else { Step::Wait { until: None } };
        }
        let room = self.room(now);
        if self.paused {
            return Step::Wait { until: self.max_time };
        }
        if room == 0 {
            return Step::Wait { until: self.max_time.into_iter().chain(self.room_at(now)).min() };
        }
        let count = self.sources.len();
        let order = (0..count).map(|place| (self.first + place) % count.max(1));
        let mut soonest = self.max_time;
        for place in order {
            let Some(source) = self.sources.get_mut(place).filter(|source| !source.is_asked()) else {
                continue;
            };
            let allowed = source.allowed(now);
            if source.look_at <= now && allowed > 0 {
                let is_known = |at| now < MEASURED_FOR.saturating_add(at);
                if self.max_memory.is_some() && !self.measured_at.is_some_and(is_known) {
                    return Step::Measure;
                }
                let max = room.min(allowed);
                source.ask(max, now);
                if self.fair {
                    self.first = (place + 1) % count;
                }
                return Step::Claim { source: place, max };
            }
            // Its rate may have been changed by then.
            let look_again = now.saturating_add(self.poll);
            let allowed_at = source.allowed_at(now).map_or(look_again, |at| at.min(look_again));
            let next = source.look_at.max(allowed_at);
            soonest = Some(soonest.map_or(next, |soonest| soonest.min(next)));
        }
        Step::Wait { until: soonest }
    }

    /// The process has so many bytes of memory; `None` if it cannot be said, and then it goes on.
    pub fn measured(&mut self, bytes: Option<u64>, now: Duration) {
        self.measured_at = Some(now);
        if self.max_memory.zip(bytes).is_some_and(|(max, bytes)| bytes > max) {
            self.stopping.get_or_insert(StopReason::Memory);
        }
    }

    /// A transport gave so many messages of those it was asked for, and has the next one due after this time. How many of
    /// them are taken in: if it has answered late there may be no room for the others, which are to be handed back.
    #[must_use]
    pub fn claimed(
        &mut self,
        source: usize,
        asked: usize,
        count: usize,
        next_due: Option<Duration>,
        now: Duration,
    ) -> usize {
        // What is here has precedence over what others were asked for meanwhile and may not have.
        let taken = count.min(self.room_beside(0));
        self.in_hand += taken;
        self.taken += taken as u64;
        if let Some(source) = self.sources.get_mut(source) {
            source.answered(now);
            source.waiting += taken as u64;
            source.failed = 0;
            // One that was woken meanwhile may have more than it has told.
            let wait = if count >= asked || taken < count || source.woken {
                Duration::ZERO
            } else {
                // What is due by another clock may not be due yet by that of the queue.
                next_due.unwrap_or(self.poll).max(SHORTEST).min(self.poll)
            };
            source.look_at = now.saturating_add(wait);
        }
        taken
    }

    /// A transport could not be asked: it is left alone for a while, longer each time.
    pub fn claim_failed(&mut self, source: usize, now: Duration) {
        if let Some(source) = self.sources.get_mut(source) {
            source.not_answered();
            let pause = FIRST_PAUSE.saturating_mul(1 << source.failed.min(10)).min(LONGEST_PAUSE);
            source.failed = source.failed.saturating_add(1);
            source.look_at = now.saturating_add(pause);
        }
    }

    /// A transport has something, perhaps.
    pub fn woken(&mut self, source: usize, now: Duration) {
        if let Some(source) = self.sources.get_mut(source).filter(|source| source.failed == 0) {
            source.woken = true;
            source.look_at = source.look_at.min(now);
        }
    }

    /// One that waits begins, unless the rate of its transport or of its ordering key is against it.
    ///
    /// # Errors
    /// How long until it may begin. It is to be handed back.
    pub fn begin(&mut self, source: usize, key: Option<&str>, now: Duration) -> Result<(), Duration> {
        self.sources.get_mut(source).map_or(Ok(()), |source| source.begin(key, now))
    }

    /// One that waits will not begin; what becomes of it is told besides.
    pub fn not_begun(&mut self, source: usize) {
        if let Some(source) = self.sources.get_mut(source) {
            source.waiting = source.waiting.saturating_sub(1);
        }
    }

    /// Sets how fast messages of a transport may begin; it may be told again and again.
    pub fn set_rates(&mut self, source: usize, rates: Rates) {
        if let Some(source) = self.sources.get_mut(source).filter(|source| source.rates != rates) {
            source.set_rates(rates);
        }
    }

    /// An attempt has ended, or its message is out of hand in another way.
    pub fn finished(&mut self, has_failed: bool) {
        self.in_hand = self.in_hand.saturating_sub(1);
        self.failures += u64::from(has_failed);
    }

    /// A message was handed back that nobody had begun with.
    pub fn handed_back(&mut self) {
        self.in_hand = self.in_hand.saturating_sub(1);
        self.taken = self.taken.saturating_sub(1);
        // So it has not begun as many as it may.
        if self.stopping == Some(StopReason::Messages) && !self.asked {
            self.stopping = None;
        }
    }

    /// Claims nothing until it is told to go on, or the other way round.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Handles so many at a time from now on; what is in hand goes on.
    pub fn scale(&mut self, concurrency: usize) {
        self.concurrency = concurrency.max(1);
    }

    /// Claims nothing any more, and ends once nothing is in hand.
    pub fn stop(&mut self) {
        self.asked = true;
        self.stopping.get_or_insert(StopReason::Asked);
    }

    /// How many are handled at a time.
    #[must_use]
    pub const fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Whether it claims nothing until it is told to go on.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether it claims nothing any more.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Messages in hand.
    #[must_use]
    pub const fn in_hand(&self) -> usize {
        self.in_hand
    }

    /// Messages it has taken, without those it has handed back.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Attempts that have failed.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    fn limit(&self, now: Duration) -> Option<StopReason> {
        if self.max_messages.is_some_and(|max| self.taken >= max) {
            Some(StopReason::Messages)
        } else if self.max_failures.is_some_and(|max| self.failures >= max) {
            Some(StopReason::Failures)
        } else if self.max_time.is_some_and(|max| now >= max) {
            Some(StopReason::Time)
        } else {
            None
        }
    }

    /// How many more messages it may ask for: what it has asked for may come.
    fn room(&self, now: Duration) -> usize {
        self.room_beside(self.sources.iter().map(|source| source.reserved(now)).sum())
    }

    /// When there is room again that a transport without an answer keeps free, if there is another one to be asked.
    fn room_at(&self, now: Duration) -> Option<Duration> {
        let has_other = self.sources.iter().any(|source| !source.is_asked());
        let ends = self.sources.iter().filter_map(Source::patient_until).filter(|until| *until > now);
        ends.min().filter(|_| has_other)
    }

    /// How many more messages it may have beside so many that are not in hand yet.
    fn room_beside(&self, others: usize) -> usize {
        let held = self.in_hand.saturating_add(others) as u64;
        let taken = self.taken.saturating_add(others as u64);
        let by_messages = self.max_messages.map_or(u64::MAX, |max| max.saturating_sub(taken));
        // Each of those in hand may still fail.
        let by_failures = self.max_failures.map_or(u64::MAX, |max| max.saturating_sub(self.failures + held));
        let room = (self.concurrency + self.prefetch).saturating_sub(self.in_hand.saturating_add(others));
        room.min(usize::try_from(by_messages.min(by_failures)).unwrap_or(usize::MAX))
    }
}
