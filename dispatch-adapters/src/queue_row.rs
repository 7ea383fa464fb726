//! Messages of a queue as they are stored in tables: what the queues on databases have in common.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_core::messenger::QueuedMessage;
use dispatch_core::queue::{AttemptHistory, MessageState, QueueError, StoredBody};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::checksum::sum;

/// What a message has failed with whose body is not what was written.
pub(crate) const UNREADABLE: &str =
    "the stored message cannot be read: it was changed or damaged, or written by another version";

/// The bytes of a message.
pub(crate) fn body(message: &QueuedMessage, limit: usize) -> Result<Vec<u8>, QueueError> {
    message.check_nesting()?;
    // What serde says may hold a value of the payload.
    let body = serde_json::to_vec(message)
        .map_err(|_| QueueError::NotStorable { what: "it refuses to be written as JSON".to_owned() })?;
    match body.len() {
        bytes if bytes > limit => Err(QueueError::TooLarge { bytes, limit }),
        _ => Ok(body),
    }
}

/// The sum of a body.
pub(crate) fn body_sum(id: Uuid, body: &[u8]) -> i64 {
    sum(&[], &[id.as_bytes(), body])
}

/// The message in a body. What is not what was written, by its sum, cannot be read.
pub(crate) fn read_body(id: Uuid, sum: i64, body: &[u8]) -> StoredBody {
    let whole = sum == body_sum(id, body);
    let message =
        serde_json::from_slice::<QueuedMessage>(body).ok().filter(|message| whole && message.id == id);
    match message {
        Some(message) => StoredBody::Message(Arc::new(message)),
        None => unreadable(body),
    }
}

/// A body that is not to be handled, for people.
pub(crate) fn unreadable(body: &[u8]) -> StoredBody {
    StoredBody::Unreadable(body.to_vec().into())
}

/// A column of JSON: nothing is the empty value, and what is not JSON is none.
///
/// A message with such a column is not handled: who knows what has happened to it, and which handlers had succeeded. It is
/// given up like one whose body cannot be read, and what was damaged beside the body is written anew.
pub(crate) fn beside<T: DeserializeOwned + Default>(stored: Option<&str>) -> Option<T> {
    match stored {
        Some(text) => serde_json::from_str(text).ok(),
        None => Some(T::default()),
    }
}

/// A history as it is stored; an empty one is not.
pub(crate) fn history(history: &AttemptHistory) -> Option<String> {
    let kept = !history.as_slice().is_empty();
    kept.then(|| serde_json::to_string(history).ok()).flatten()
}

/// Names of handlers as they are stored; none are not.
pub(crate) fn succeeded(succeeded: &[String]) -> Option<String> {
    (!succeeded.is_empty()).then(|| serde_json::to_string(succeeded).ok()).flatten()
}

/// How a state is stored.
pub(crate) const fn state(state: MessageState) -> i64 {
    match state {
        MessageState::Waiting => 0,
        MessageState::Ready => 1,
        MessageState::Leased => 2,
        MessageState::Done => 3,
        MessageState::Expired => 4,
        _ => 5,
    }
}

/// The state that is stored as a number.
pub(crate) fn state_of(stored: i64) -> Option<MessageState> {
    MessageState::ALL.into_iter().find(|known| state(*known) == stored)
}

/// A time in milliseconds since 1970. What is finer is cut off; what does not fit is taken for the nearest that does.
pub(crate) fn millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(MOST),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(-MOST, |millis| -millis),
    }
    .clamp(-MOST, MOST)
}

/// What a time can be at most: the year 9999 and some.
pub(crate) const MOST: i64 = 400_000_000_000_000;

/// The time of so many milliseconds since 1970.
pub(crate) fn time(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.clamp(-MOST, MOST).unsigned_abs());
    if millis < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}

/// So much later, in milliseconds.
pub(crate) fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(MOST)).clamp(-MOST, MOST)
}
