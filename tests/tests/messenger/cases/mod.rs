//! Cases that messengers get wrong, one after the other by their ids. What has a test of its own elsewhere carries the id
//! there: `d10_…` in `people.rs`, `j16_…` in `schedules.rs`, the checks of queues in the table of `h_queues`.

mod a_values;
mod b_configuration;
mod c_stored;
mod d_duplicates;
mod e_many;
mod f_retries;
mod h_queues;
mod i_inline;
mod j_schedules;
mod l_errors;

use dispatch_actors::messenger::Messenger;
use dispatch_core::messenger::{DispatchOptions, Message, MessengerError, MessengerErrorCode};
use serde_json::Value;

/// What became of a message and options that were read from JSON.
pub(crate) async fn dispatch_json(
    messenger: &Messenger,
    message: &Value,
    options: &Value,
) -> Result<(), MessengerError> {
    let (message, options) = (Message::from_value(message)?, DispatchOptions::from_value(options)?);
    messenger.dispatch_with(message, &options).await.map(drop)
}

/// Nothing, or the code of an error.
pub(crate) fn code<T>(answer: Result<T, MessengerError>) -> Option<MessengerErrorCode> {
    answer.err().map(|error| error.code())
}
