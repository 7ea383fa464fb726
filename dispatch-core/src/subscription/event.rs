use std::time::Duration;

use uuid::Uuid;

use super::{ConsumerId, DeliveryToken, MessageKey, TopicSlot};
use crate::log::{LogBounds, Offset, OffsetRanges};

/// What has happened to a subscription. `R` is the record, which the state does not look into.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<R> {
    /// A topic belongs to it. Topics are added once each, in the order of their slots.
    TopicAdded {
        /// Its first offset that is not settled.
        next: Offset,
        /// What is settled above it.
        settled: OffsetRanges,
        /// The next offset that the log will assign.
        head: Offset,
        /// Whether the log has this cursor; if not it is saved at once, so that the log keeps what follows it.
        stored: bool,
    },
    /// The log of a topic is longer now.
    HeadMoved {
        /// The topic.
        topic: TopicSlot,
        /// The next offset that the log will assign.
        head: Offset,
    },
    /// The log of a topic has lost its end: what it has assigned from here on is gone, and is assigned again. Of that,
    /// everything is forgotten, and what was not settled is counted as missing; the cursor goes back if it is past it.
    EndFell {
        /// The topic.
        topic: TopicSlot,
        /// The first offset that is assigned again.
        end: Offset,
    },
    /// These were just appended, and nobody has to read them. They are taken if they are next, else they will be read.
    Appended {
        /// The topic.
        topic: TopicSlot,
        /// Records in order, without gaps.
        messages: Vec<Message<R>>,
    },
    /// A read has ended.
    Fetched {
        /// What was asked for.
        request: Fetch,
        /// Records in order. What is missing before one of them is gone for good.
        messages: Vec<Message<R>>,
        /// How far the topic reached, asked for before the records were read. If there are none of them, this says why:
        /// a topic that holds some has them, and the read is repeated; of one that holds none, all are gone.
        bounds: LogBounds,
    },
    /// A read has failed; it is repeated after this time.
    FetchFailed {
        /// What was asked for.
        request: Fetch,
        /// When to try again.
        retry_in: Duration,
    },
    /// A record that was read again, or `None` if the log has answered that it begins above it: it is gone.
    Loaded {
        /// What was asked for.
        load: Load,
        /// The record.
        record: Option<R>,
    },
    /// A record could not be read again; that is repeated after this time.
    LoadFailed {
        /// What was asked for.
        load: Load,
        /// When to try again.
        retry_in: Duration,
    },
    /// A consumer wants messages. Ids ascend.
    ConsumerAdded {
        /// Its id.
        consumer: ConsumerId,
        /// Keys that it takes, as a pattern with `*` and `?`; only with keys.
        keys: Option<String>,
    },
    /// A consumer is gone, whether it said so or not. What it has not acknowledged goes to others at once.
    ConsumerGone {
        /// Its id.
        consumer: ConsumerId,
    },
    /// A consumer has died and will be started again. What it has not acknowledged goes to others at once; it keeps its
    /// place, and gets nothing until it is up.
    ConsumerDown {
        /// Its id.
        consumer: ConsumerId,
    },
    /// A consumer that was down has been started again.
    ConsumerUp {
        /// Its id.
        consumer: ConsumerId,
    },
    /// A consumer gets nothing for now, or again; what it has stays with it.
    ConsumerPaused {
        /// Its id.
        consumer: ConsumerId,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// A message was handled.
    Ack(DeliveryToken),
    /// This message and every earlier one of its topic that the same consumer has were handled.
    AckUpTo(DeliveryToken),
    /// A message was not handled.
    Nack {
        /// Which.
        token: DeliveryToken,
        /// When it is to come again, at the soonest; what the policy says if absent.
        delay: Option<Duration>,
        /// Why, sanitised.
        reason: String,
        /// Whether there is no use in trying it again.
        terminal: bool,
    },
    /// A consumer is about to be [down](Self::ConsumerDown) or [gone](Self::ConsumerGone) after a panic, and nobody can tell
    /// whether it died of this delivery. The first time that costs no attempt, for it may have died of something else; when
    /// it happens again the message has failed.
    Suspected {
        /// Which.
        token: DeliveryToken,
        /// What is said of it, sanitised.
        reason: String,
    },
    /// A consumer is rid of a delivery that it had not answered in time, and will never answer it.
    GaveUp(DeliveryToken),
    /// An exhausted message is where it was to go.
    Kept(Keep),
    /// It is not; it is tried again after this time.
    NotKept {
        /// Which.
        keep: Keep,
        /// When to try again.
        retry_in: Duration,
    },
    /// It is not and never will be, as it is: it keeps its place in the window, or holds up its key, until somebody decides.
    CannotKeep {
        /// Which.
        keep: Keep,
        /// Why, sanitised.
        reason: String,
    },
    /// The cursors of a save are durable.
    Saved,
    /// They are not; they are saved again after this time.
    NotSaved {
        /// When to try again.
        retry_in: Duration,
    },
    /// Somebody has decided about a message that blocks.
    Resolved {
        /// The topic.
        topic: TopicSlot,
        /// The message.
        offset: Offset,
        /// What is to be done.
        resolution: Resolution,
    },
    /// A parked message is to be delivered again.
    Replayed {
        /// The topic.
        topic: TopicSlot,
        /// The message.
        message: Message<R>,
        /// The id under which it is parked.
        parked: Uuid,
    },
    /// Go somewhere else in a topic. What is unacknowledged there is forgotten.
    Seek {
        /// The topic.
        topic: TopicSlot,
        /// The next offset to deliver.
        to: Offset,
    },
    /// Deliver nothing for now, or again.
    Paused(bool),
    /// Change how many may be unacknowledged.
    Window(u32),
    /// Save what is not saved, now.
    Flush,
    /// Some time has gone by, and every answer that was given until now has been told: deliveries whose time is over are
    /// timed out.
    Tick,
}

/// A record on its way in.
#[derive(Debug, Clone)]
pub struct Message<R> {
    /// Its place.
    pub offset: Offset,
    /// The record.
    pub record: R,
    /// Its key, of a key-shared subscription.
    pub key: Option<MessageKey>,
    /// Bytes of payload; only a rate limit asks.
    pub bytes: u32,
    /// Not before this time.
    pub due: Option<Duration>,
    /// Not from this time on.
    pub expires: Option<Duration>,
}

impl<R> Message<R> {
    /// A record without a key, that may be delivered at any time.
    #[must_use]
    pub const fn new(offset: Offset, record: R) -> Self {
        Self { offset, record, key: None, bytes: 0, due: None, expires: None }
    }
}

/// What to do with a message that blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Try it again, with all its retries.
    Retry,
    /// Go on without it.
    Skip,
    /// Keep it beside the subscription, and go on.
    Park,
}

/// A read to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// The topic.
    pub topic: TopicSlot,
    /// The first record.
    pub from: Offset,
    /// The most of them.
    pub max: usize,
    pub(super) epoch: u32,
}

/// A record to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Load {
    /// The topic.
    pub topic: TopicSlot,
    /// The record.
    pub offset: Offset,
    pub(super) entry: u32,
    pub(super) stamp: u64,
}

/// An exhausted message to be put somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Keep {
    /// The topic.
    pub topic: TopicSlot,
    /// The message.
    pub offset: Offset,
    pub(super) entry: u32,
    pub(super) stamp: u64,
}

/// What is to be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect<R> {
    /// Hand a message to a consumer.
    Deliver {
        /// What an answer has to show.
        token: DeliveryToken,
        /// The record.
        record: R,
    },
    /// Read records. Answer with [`Event::Fetched`] or [`Event::FetchFailed`].
    Fetch(Fetch),
    /// Read a record again. Answer with [`Event::Loaded`] or [`Event::LoadFailed`].
    Load(Load),
    /// A consumer has not answered in time: what it still does with this delivery is for nothing. If that can be ended,
    /// answer with [`Event::GaveUp`]; if not, its answer may come at any time.
    TimedOut(DeliveryToken),
    /// The consumer was not added: the subscription has one already.
    Refused(ConsumerId),
    /// Keep a message beside the subscription. Answer with [`Event::Kept`], [`Event::NotKept`] or [`Event::CannotKeep`].
    Park(Exhaustion<R>),
    /// Deliver a message to the dead-letter target. Answer with [`Event::Kept`], [`Event::NotKept`] or
    /// [`Event::CannotKeep`].
    DeadLetter(Exhaustion<R>),
    /// A message blocks, since its retries are used up, or cannot be put where it was to go. Somebody has to decide, and
    /// answers with [`Event::Resolved`].
    Blocked(Exhaustion<R>),
    /// A parked message was handled: forget it.
    Unpark(Uuid),
    /// Save cursors. Answer with [`Event::Saved`] or [`Event::NotSaved`].
    Save(Vec<SavedCursor>),
}

/// A message whose retries are used up.
#[derive(Debug, Clone)]
pub struct Exhaustion<R> {
    /// Which; to be answered with.
    pub keep: Keep,
    /// The record.
    pub record: R,
    /// Attempts that were made.
    pub attempts: u32,
    /// Why the first one failed.
    pub first_reason: String,
    /// Why the last one failed.
    pub last_reason: String,
    /// When the first one failed.
    pub first_failed: Duration,
    /// When the last one failed.
    pub last_failed: Duration,
    /// The id under which it was parked before.
    pub parked: Option<Uuid>,
}

/// A cursor to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCursor {
    /// The topic.
    pub topic: TopicSlot,
    /// The first offset that is not settled.
    pub next: Offset,
    /// What is settled above it.
    pub settled: OffsetRanges,
}
