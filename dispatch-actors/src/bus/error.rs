use dispatch_core::log::{LogError, Offset};
use dispatch_core::{RegistrationError, TopicError};

/// Why a bus could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// A text is not a topic.
    #[error("topic '{text}': {error}")]
    Topic {
        /// What was given, shortened.
        text: String,
        /// What is wrong with it.
        error: TopicError,
    },
    /// What was configured is not valid; every problem at once.
    #[error(transparent)]
    Invalid(#[from] RegistrationError),
    /// The log could not do it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The subscription exists, and is something else or is open in another way.
    #[error("{0}")]
    Conflict(String),
    /// There is no such subscription, or it was stopped.
    #[error("there is no subscription '{name}': open it first")]
    UnknownSubscription {
        /// What was asked for.
        name: String,
    },
    /// The subscription has no such topic.
    #[error("subscription '{name}' has no topic '{topic}'")]
    UnknownTopic {
        /// The subscription.
        name: String,
        /// What was asked for.
        topic: String,
    },
    /// The message does not block.
    #[error(
        "offset {offset} of topic '{topic}' does not block subscription '{name}': its status lists what does"
    )]
    NotBlocked {
        /// The subscription.
        name: String,
        /// The topic.
        topic: String,
        /// The message.
        offset: Offset,
    },
    /// Only an at-least-once subscription can do this.
    #[error("subscription '{name}' is at most once and keeps nothing: open it at least once")]
    AtMostOnce {
        /// The subscription.
        name: String,
    },
    /// An exclusive subscription has its consumer.
    #[error(
        "subscription '{name}' is exclusive and has a consumer: remove that one first, or use another type"
    )]
    ConsumerRefused {
        /// The subscription.
        name: String,
    },
    /// The subscription has as many consumers as it may have.
    #[error("subscription '{name}' has {limit} consumers: remove one first, or raise its max_consumers")]
    TooManyConsumers {
        /// The subscription.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// As many subscriptions are open as may be.
    #[error("{limit} subscriptions are open: stop one first, or raise max_subscriptions")]
    TooManySubscriptions {
        /// The limit.
        limit: usize,
    },
    /// A subscription with consumers is not unsubscribed.
    #[error("subscription '{name}' has {consumers} consumers: remove them first")]
    HasConsumers {
        /// The subscription.
        name: String,
        /// How many.
        consumers: usize,
    },
    /// So many messages wait to be appended that no more are taken.
    #[error(
        "{waiting} messages wait to be appended to topic '{topic}': publish more slowly, or raise max_waiting"
    )]
    Overloaded {
        /// The topic.
        topic: String,
        /// How many wait.
        waiting: usize,
    },
    /// An envelope is larger than the bus takes.
    #[error("the payload has {bytes} bytes, the bus takes {limit}: send less, or raise max_payload")]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Only at-most-once subscriptions have this topic, because it has no log.
    #[error("topic '{topic}' is transient: subscribe to it at most once")]
    Transient {
        /// The topic or pattern.
        topic: String,
    },
    /// The operating system gave no thread to run on.
    #[error("the bus got no thread to run on: {0}")]
    Thread(#[source] std::io::Error),
    /// The bus was shut down.
    #[error("the bus has been shut down")]
    Stopped,
}
