use dispatch_core::Topic;

use super::BusError;

/// A topic of a text.
pub(in crate::bus) fn topic(text: &str) -> Result<Topic, BusError> {
    text.parse().map_err(|error| BusError::Topic { text: text.chars().take(80).collect(), error })
}
