use std::time::Duration;

use uuid::Uuid;

use crate::log::Offset;
use crate::subscription::{ConsumerId, Exhausted, MessageKey, TopicSlot};

/// A message that is known and not settled.
#[derive(Debug)]
pub(super) struct Entry<R> {
    pub(super) topic: TopicSlot,
    pub(super) offset: Offset,
    /// Its place in the order in which messages came.
    pub(super) order: u64,
    /// Taken out where too many wait aside; read again when it is needed.
    pub(super) record: Option<R>,
    pub(super) key: Option<MessageKey>,
    pub(super) bytes: u32,
    pub(super) expires: Option<Duration>,
    pub(super) phase: Phase,
    /// The number of its last change that a token or timer may refer to.
    pub(super) stamp: u64,
    pub(super) failures: Option<Box<Failures>>,
    /// Whether a consumer may have died of it.
    pub(super) suspect: bool,
    /// The id under which it is parked, if it is being replayed.
    pub(super) parked: Option<Uuid>,
    /// Where it goes once its retries are used up.
    pub(super) going: Exhausted,
}

/// Where a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not yet due.
    Delayed,
    /// Behind another one of its key.
    Waiting,
    /// Its consumer has enough before it.
    Queued,
    /// Its record is being read again.
    Loading,
    /// To be delivered for the first time.
    Fresh,
    /// At a consumer.
    InFlight(ConsumerId),
    /// To be delivered again, later.
    Backoff,
    /// To be delivered again.
    Ready,
    /// Its retries are used up, and it blocks.
    Blocking,
    /// Its retries are used up, and it is being put somewhere.
    Keeping,
    /// Its retries are used up, and it cannot be put where it was to go. Others do not wait for it.
    Unkept,
}

impl Phase {
    /// Whether the message takes a place in the window. One that blocks does so only where everything waits for it.
    pub(super) const fn holds(self, keyed: bool) -> bool {
        match self {
            Self::InFlight(_) | Self::Backoff | Self::Ready | Self::Keeping | Self::Unkept => true,
            Self::Blocking => !keyed,
            Self::Delayed | Self::Waiting | Self::Queued | Self::Loading | Self::Fresh => false,
        }
    }

    /// Whether the message waits for somebody who decides.
    pub(super) const fn is_stuck(self) -> bool {
        matches!(self, Self::Blocking | Self::Unkept)
    }

    /// Whether the message is kept in memory beside those that are on their way.
    pub(super) const fn is_aside(self, keyed: bool) -> bool {
        match self {
            Self::Delayed | Self::Waiting | Self::Queued => true,
            Self::Blocking => keyed,
            _ => false,
        }
    }
}

/// What was tried.
#[derive(Debug, Clone)]
pub(super) struct Failures {
    pub(super) attempts: u32,
    pub(super) first_reason: String,
    pub(super) last_reason: String,
    pub(super) first_at: Duration,
    pub(super) last_at: Duration,
}

/// Messages by their place in memory; places are used again.
#[derive(Debug)]
pub(super) struct Entries<R> {
    places: Vec<Option<Entry<R>>>,
    free: Vec<u32>,
}

impl<R> Entries<R> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, entry: Entry<R>) -> u32 {
        if let Some(place) = self.free.pop()
            && let Some(slot) = self.places.get_mut(place as usize)
        {
            *slot = Some(entry);
            return place;
        }
        if self.places.capacity() == 0 {
            // Room for four is a lot where one message comes now and then.
            self.places.reserve_exact(1);
        }
        self.places.push(Some(entry));
        // Bounded by window, buffer and what may be aside, far below 2^32.
        u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, place: u32) -> Option<&Entry<R>> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Entry<R>> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<Entry<R>> {
        let entry = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(entry)
    }

    /// Those that are there, with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Entry<R>)> {
        (0..).zip(&self.places).filter_map(|(place, entry)| Some((place, entry.as_ref()?)))
    }

    /// The places of those that a condition holds for, in the order in which they came.
    pub(super) fn places(&self, holds: impl Fn(&Entry<R>) -> bool) -> Vec<u32> {
        let mut found: Vec<_> = self
            .iter()
            .filter(|(_, entry)| holds(entry))
            .map(|(place, entry)| (entry.order, place))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, place)| place).collect()
    }
}
