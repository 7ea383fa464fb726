use std::time::Duration;

use dispatch_core::log::{LogBounds, Offset};
use dispatch_core::subscription::{Message, MessageKey};

/// A message on its way into the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Its key.
    pub key: Option<String>,
    /// How long it is delayed.
    pub delay: Duration,
    /// How long it is worth anything.
    pub ttl: Option<Duration>,
    /// Bytes of payload.
    pub bytes: u32,
}

impl Published {
    /// A message with a key.
    #[must_use]
    pub fn with_key(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// A message that is delayed.
    #[must_use]
    pub fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// What was published, and when.
#[derive(Debug, Default)]
pub struct SimulatedLog {
    records: Vec<(Published, Duration)>,
    oldest: u64,
}

impl SimulatedLog {
    /// The next offset.
    #[must_use]
    pub fn head(&self) -> Offset {
        Offset::new(self.records.len() as u64)
    }

    /// From where to where it reaches.
    #[must_use]
    pub fn bounds(&self) -> LogBounds {
        LogBounds { oldest: Offset::new(self.oldest), head: self.head() }
    }

    /// What was published under an offset.
    #[must_use]
    pub fn get(&self, offset: Offset) -> Option<&Published> {
        let kept = offset.get() >= self.oldest;
        let index = usize::try_from(offset.get()).ok().filter(|_| kept)?;
        self.records.get(index).map(|(published, _)| published)
    }

    /// Removes what is below an offset.
    pub fn trim(&mut self, below: Offset) {
        self.oldest = self.oldest.max(below.min(self.head()).get());
    }

    pub(super) fn append(&mut self, published: Vec<Published>, now: Duration) -> Vec<Message<Published>> {
        let first = self.head();
        let count = published.len();
        self.records.extend(published.into_iter().map(|published| (published, now)));
        self.read(first, count)
    }

    pub(super) fn read(&self, from: Offset, max: usize) -> Vec<Message<Published>> {
        let from = from.max(Offset::new(self.oldest));
        let skipped = usize::try_from(from.get()).unwrap_or(usize::MAX);
        let found = self.records.iter().skip(skipped).take(max).enumerate();
        found.map(|(index, (published, at))| message(from.plus(index as u64), published, *at)).collect()
    }
}

fn message(offset: Offset, published: &Published, at: Duration) -> Message<Published> {
    let mut message = Message::new(offset, published.clone());
    message.key = published.key.as_deref().map(MessageKey::new);
    message.bytes = published.bytes;
    message.due = (!published.delay.is_zero()).then(|| at + published.delay);
    message.expires = published.ttl.map(|ttl| at + ttl);
    message
}
