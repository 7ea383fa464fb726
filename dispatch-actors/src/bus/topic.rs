use dispatch_core::Topic;
use dispatch_core::log::LogEntry;

use super::BusError;

/// A topic of a text.
pub(in crate::bus) fn topic(text: &str) -> Result<Topic, BusError> {
    text.parse().map_err(|error| BusError::Topic { text: text.chars().take(80).collect(), error })
}

/// The same, but an envelope that has this topic already saves the work.
pub(in crate::bus) fn topic_of(text: &str, entry: &LogEntry) -> Result<Topic, BusError> {
    match entry.envelope.topic() {
        Some(known) if known.as_str() == text => Ok(known.clone()),
        _ => topic(text),
    }
}
