use std::time::{Duration, SystemTime};

use super::{DispatchOptions, Duplicates, IdempotencyKey, Message, MessengerError, MessengerErrorCode, Name};
use crate::schedule::{Cron, Zone};

/// A message that is sent again and again, or once at a time.
///
/// The next occurrence is stored ahead, as a scheduled message whose idempotency key is the schedule's name and the planned
/// time. So it fires even if every scheduler is down by then, it fires once however many schedulers there are, and what was
/// missed while everything was down is one message that is late. (If only the schedulers were down, the stored occurrence
/// was handled at its time, and those after it are left out.)
///
/// ```
/// use dispatch_core::messenger::{Message, Schedule};
/// use std::time::{Duration, SystemTime};
///
/// let report = Message::new("NightlyReport", &serde_json::json!({}))?;
/// let nightly = Schedule::cron("nightly", "30 2 * * *", "Europe/Berlin", report)?;
/// let midnight = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600); // 2026-01-01T00:00:00Z
/// assert_eq!(nightly.planned_after(midnight), Some(midnight + Duration::from_secs(90 * 60)));
/// # Ok::<(), dispatch_core::messenger::MessengerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    name: Name,
    when: When,
    message: Message,
    options: DispatchOptions,
    missed: Missed,
    /// The last time at which it fires.
    last: Option<SystemTime>,
}

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq)]
enum When {
    Cron(Box<Cron>, Zone),
    Every(Duration),
    Once(SystemTime),
}

/// What becomes of occurrences that nobody handled at their time, because everything was down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// One of them is handled late, and the next one at its time.
    #[default]
    One,
    /// None of them is handled that is later than this.
    Skip {
        /// How late an occurrence may be.
        grace: Duration,
    },
    /// All of them are handled late, as many as were stored ahead.
    All {
        /// How many are stored ahead; at least one, at most 1,000.
        ahead: usize,
    },
}

impl Schedule {
    /// The header with the name of the schedule that a message comes from.
    pub const HEADER: &str = "x-schedule";
    /// Most times that a schedule with a limit may fire.
    pub const MOST_TIMES: u32 = 100_000;

    /// Fires when a cron expression says so, in an IANA time zone such as `Europe/Berlin` or `UTC`.
    ///
    /// # Errors
    /// What is wrong with the name, the expression or the zone; all of it.
    pub fn cron(name: &str, expression: &str, zone: &str, message: Message) -> Result<Self, MessengerError> {
        let mut problems = Vec::new();
        let cron = expression.parse::<Cron>().map_err(|error| problems.push(error.to_string())).ok();
        let zone = zone.parse::<Zone>().map_err(|error| problems.push(error.to_string())).ok();
        match cron.zip(zone) {
            Some((cron, zone)) => Self::new(name, When::Cron(Box::new(cron), zone), message, problems),
            None => Self::refused(name, problems),
        }
    }

    /// Fires at whole multiples of an interval since 1970, so that all who know it agree.
    ///
    /// # Errors
    /// What is wrong with the name or the interval.
    pub fn every(name: &str, interval: Duration, message: Message) -> Result<Self, MessengerError> {
        let mut problems = Vec::new();
        if interval < Duration::from_millis(1) {
            problems.push("the interval is 0: use at least 1 ms".to_owned());
        }
        Self::new(name, When::Every(interval), message, problems)
    }

    /// Fires once. A time in the past is over already.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn once(name: &str, at: SystemTime, message: Message) -> Result<Self, MessengerError> {
        // Queues keep whole milliseconds.
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let whole = Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let at = SystemTime::UNIX_EPOCH.checked_add(whole).unwrap_or(at);
        Self::new(name, When::Once(at), message, Vec::new())
    }

    fn new(
        name: &str,
        when: When,
        message: Message,
        mut problems: Vec<String>,
    ) -> Result<Self, MessengerError> {
        match Name::new(name) {
            Ok(name) if problems.is_empty() => Ok(Self {
                name,
                when,
                message,
                options: DispatchOptions::default(),
                missed: Missed::One,
                last: None,
            }),
            Ok(_) => Self::refused(name, problems),
            Err(error) => {
                problems.extend_from_slice(error.problems());
                Self::refused(name, problems)
            }
        }
    }

    fn refused(name: &str, problems: Vec<String>) -> Result<Self, MessengerError> {
        let whose = |problem| format!("schedule '{}': {problem}", super::name::shown(name));
        let problems = problems.into_iter().map(whose).collect();
        MessengerError::check(MessengerErrorCode::Scheduler, problems)?;
        Err(MessengerError::new(MessengerErrorCode::Scheduler, "the schedule is not valid"))
    }

    /// Sends the message with options of its own. When it is sent and its idempotency key are those of the schedule.
    ///
    /// # Errors
    /// If they say when, or have a key.
    pub fn with_options(mut self, options: DispatchOptions) -> Result<Self, MessengerError> {
        let own = [
            ("scheduled_at", options.scheduled_at.is_some()),
            ("delay", options.delay.is_some()),
            ("idempotency_key", options.idempotency_key.is_some()),
            ("duplicates", options.duplicates.is_some()),
        ];
        let given: Vec<_> = own.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect();
        if !given.is_empty() {
            let text = format!("{} is up to the schedule: leave it out", given.join(", "));
            return Self::refused(self.name.as_str(), vec![text]);
        }
        self.options = options;
        Ok(self)
    }

    /// Fires at most so many times after a time, and then no more. Whoever plans it from the same time agrees, so nothing
    /// has to be counted.
    ///
    /// ```
    /// use dispatch_core::messenger::{Message, Schedule};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let hour = Duration::from_secs(3_600);
    /// let begin = SystemTime::UNIX_EPOCH + 1_000 * hour;
    /// let thrice = Schedule::every("reminder", hour, Message::new("Remind", &serde_json::json!({}))?)?.at_most(3, begin)?;
    /// let fires = std::iter::successors(thrice.planned_after(begin), |at| thrice.planned_after(*at));
    /// assert_eq!(fires.collect::<Vec<_>>(), [begin + hour, begin + 2 * hour, begin + 3 * hour]);
    /// # Ok::<(), dispatch_core::messenger::MessengerError>(())
    /// ```
    ///
    /// # Errors
    /// For no times, and for more than 100,000.
    pub fn at_most(mut self, times: u32, after: SystemTime) -> Result<Self, MessengerError> {
        let Some(before_last) = times.checked_sub(1).filter(|_| times <= Self::MOST_TIMES) else {
            let text = format!("it is to fire {times} times: use 1 to {}", Self::MOST_TIMES);
            return Self::refused(self.name.as_str(), vec![text]);
        };
        self.last = None;
        let next = |after: &SystemTime| self.planned_after(*after);
        let mut planned = std::iter::successors(self.planned_after(after), next);
        self.last = planned.nth(usize::try_from(before_last).unwrap_or(usize::MAX));
        Ok(self)
    }

    /// Sets what becomes of occurrences that were missed.
    #[must_use]
    pub const fn when_missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// What it sends.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// The next planned time after another; `None` if there is none any more.
    #[must_use]
    pub fn planned_after(&self, after: SystemTime) -> Option<SystemTime> {
        self.next_after(after).filter(|planned| self.last.is_none_or(|last| *planned <= last))
    }

    fn next_after(&self, after: SystemTime) -> Option<SystemTime> {
        match &self.when {
            When::Cron(cron, zone) => cron.next_after(after, zone),
            When::Every(interval) => {
                let since = after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let past = since.as_millis() / interval.as_millis().max(1);
                let next = (past + 1).checked_mul(interval.as_millis())?;
                SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(next).ok()?))
            }
            When::Once(at) => Some(*at).filter(|at| *at > after),
        }
    }

    /// Whether it fires at a time.
    #[must_use]
    pub fn plans(&self, time: SystemTime) -> bool {
        let before = time.checked_sub(Duration::from_millis(1));
        before.and_then(|before| self.planned_after(before)) == Some(time)
    }

    /// The occurrences that have to be stored by now.
    #[must_use]
    pub fn ahead(&self, now: SystemTime) -> Vec<SystemTime> {
        let count = match self.missed {
            Missed::All { ahead } => ahead.clamp(1, 1_000),
            _ => 1,
        };
        let next = |after: &SystemTime| self.planned_after(*after);
        std::iter::successors(self.planned_after(now), next).take(count).collect()
    }

    /// How the message of a planned time is sent.
    #[must_use]
    pub fn options_at(&self, planned: SystemTime) -> DispatchOptions {
        let mut options = self.options.clone();
        options.scheduled_at = Some(planned);
        options.idempotency_key = Some(self.key_at(planned));
        options.duplicates = Some(Duplicates::ReturnExisting);
        options.headers.insert(Self::HEADER.to_owned(), self.name.as_str().to_owned());
        if let Missed::Skip { grace } = self.missed {
            options.ttl = Some(grace.max(Duration::from_millis(1)));
        }
        options
    }

    /// What makes an occurrence one, whoever sends it.
    fn key_at(&self, planned: SystemTime) -> String {
        let mut key = format!("schedule:{}:{}", self.name, crate::time::millis_text(planned));
        key.truncate(IdempotencyKey::MAX);
        key
    }
}
