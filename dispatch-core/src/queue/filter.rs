use std::time::SystemTime;

use uuid::Uuid;

use super::{ErrorGroup, MessageState, StoredMessage};
use crate::messenger::{MessageType, Name};

/// Which messages of a queue are meant: those that everything here is true of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// They are in one of these states; in any, if there is none.
    pub states: Vec<MessageState>,
    /// They are in this queue.
    pub queue: Option<Name>,
    /// They are of this type. What cannot be read is of none.
    pub message_type: Option<MessageType>,
    /// They have failed with an error of this group.
    pub error_group: Option<ErrorGroup>,
    /// They were settled at this time or later.
    pub settled_from: Option<SystemTime>,
    /// They were settled before this time.
    pub settled_before: Option<SystemTime>,
}

impl Filter {
    /// All messages.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Messages in a state.
    #[must_use]
    pub fn state(state: MessageState) -> Self {
        Self { states: vec![state], ..Self::default() }
    }

    /// Messages that have failed.
    #[must_use]
    pub fn failed() -> Self {
        Self::state(MessageState::Failed)
    }

    /// Only those of a queue.
    #[must_use]
    pub fn in_queue(mut self, queue: Name) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Only those of a type.
    #[must_use]
    pub fn of_type(mut self, message_type: MessageType) -> Self {
        self.message_type = Some(message_type);
        self
    }

    /// Only those with an error of a group.
    #[must_use]
    pub fn with_error(mut self, group: ErrorGroup) -> Self {
        self.error_group = Some(group);
        self
    }

    /// Only those that were settled at a time or later.
    #[must_use]
    pub const fn settled_from(mut self, time: SystemTime) -> Self {
        self.settled_from = Some(time);
        self
    }

    /// Only those that were settled before a time.
    #[must_use]
    pub const fn settled_before(mut self, time: SystemTime) -> Self {
        self.settled_before = Some(time);
        self
    }

    /// Whether a message is meant.
    #[must_use]
    pub fn matches(&self, stored: &StoredMessage) -> bool {
        let message = stored.message();
        let settled = |is: &dyn Fn(SystemTime) -> bool| stored.settled_at.is_some_and(is);
        (self.states.is_empty() || self.states.contains(&stored.state))
            && self.queue.as_ref().is_none_or(|queue| stored.queue == *queue)
            && self
                .message_type
                .as_ref()
                .is_none_or(|wanted| message.is_some_and(|it| it.message_type == *wanted))
            && self.error_group.as_ref().is_none_or(|group| stored.error_group.as_ref() == Some(group))
            && self.settled_from.is_none_or(|from| settled(&|at| at >= from))
            && self.settled_before.is_none_or(|before| settled(&|at| at < before))
    }
}

/// Which part of a list is wanted: lists are in the order of ids, which is that of dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only messages after this one.
    pub after: Option<Uuid>,
    /// Most messages.
    pub max: usize,
}

impl Page {
    /// The first page, of at most so many messages.
    #[must_use]
    pub const fn first(max: usize) -> Self {
        Self { after: None, max }
    }

    /// What follows a message.
    #[must_use]
    pub const fn after(id: Uuid, max: usize) -> Self {
        Self { after: Some(id), max }
    }
}
