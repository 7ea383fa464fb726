use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dispatch_core::log::{LogBounds, LogEntry, LogError, LogRead, Offset, TopicLog};
use tokio::sync::Notify;

use super::{Asked, Between, Trouble};

/// A log that waits and fails when a test tells it to, and counts what it is asked for.
pub type ToldLog = Between<Told>;

/// What a test has said.
#[derive(Default)]
pub struct Told {
    is_shared: bool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    rules: BTreeMap<Asked, Rule>,
    counts: BTreeMap<Asked, u64>,
    refused: BTreeMap<String, Arc<LogError>>,
    behind: bool,
}

#[derive(Clone)]
enum Rule {
    Hold,
    Fail(Arc<LogError>),
}

impl ToldLog {
    /// Puts a test between a log and whoever uses it.
    #[must_use]
    pub fn new(log: Arc<dyn TopicLog>) -> Arc<Self> {
        Arc::new(Self::with(log, Told::default()))
    }

    /// The same, and the log says that others write to it.
    #[must_use]
    pub fn shared(log: Arc<dyn TopicLog>) -> Arc<Self> {
        Arc::new(Self::with(log, Told { is_shared: true, ..Told::default() }))
    }

    /// From now on it does not answer when it is asked for this, until it is told something else.
    pub fn hold(&self, asked: Asked) {
        self.trouble.rule(asked, Some(Rule::Hold));
    }

    /// From now on it fails when it is asked for this; what it was asked for before and holds fails too.
    pub fn fail(&self, asked: Asked, error: LogError) {
        self.trouble.rule(asked, Some(Rule::Fail(Arc::new(error))));
    }

    /// From now on it does what it is asked for, and what it holds.
    pub fn go(&self, asked: Asked) {
        self.trouble.rule(asked, None);
    }

    /// From now on it appends nothing that has a message of this type in it.
    pub fn refuse(&self, message_type: &str, error: LogError) {
        self.trouble.state().refused.insert(message_type.to_owned(), Arc::new(error));
    }

    /// From now on, or no longer, reads are answered by somebody who is behind and has nothing yet.
    pub fn be_behind(&self, behind: bool) {
        self.trouble.state().behind = behind;
    }

    /// How often it was asked for this.
    #[must_use]
    pub fn count(&self, asked: Asked) -> u64 {
        self.trouble.state().counts.get(&asked).copied().unwrap_or_default()
    }

    /// How often it was asked for anything.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Asked, u64> {
        self.trouble.state().counts.clone()
    }
}

impl Told {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rule(&self, asked: Asked, rule: Option<Rule>) {
        match rule {
            Some(rule) => drop(self.state().rules.insert(asked, rule)),
            None => drop(self.state().rules.remove(&asked)),
        }
        self.changed.notify_waiters();
    }
}

#[async_trait]
impl Trouble for Told {
    fn is_shared(&self) -> bool {
        self.is_shared
    }

    async fn before(&self, asked: Asked) -> Result<(), LogError> {
        *self.state().counts.entry(asked).or_default() += 1;
        loop {
            let changed = self.changed.notified();
            let rule = self.state().rules.get(&asked).cloned();
            match rule {
                None => return Ok(()),
                Some(Rule::Fail(error)) => return Err(error.repeat()),
                Some(Rule::Hold) => changed.await,
            }
        }
    }

    async fn before_append(&self, entries: &[LogEntry]) -> Result<(), LogError> {
        let state = self.state();
        let refused = entries.iter().find_map(|it| state.refused.get(it.envelope.message_type_str()));
        refused.map_or(Ok(()), |error| Err(error.repeat()))
    }

    async fn after(&self, _: Asked) -> Result<(), LogError> {
        Ok(())
    }

    fn of_read(&self, read: LogRead) -> LogRead {
        if !self.state().behind {
            return read;
        }
        LogRead { records: Vec::new(), bounds: LogBounds { oldest: Offset::ZERO, head: Offset::ZERO } }
    }
}
