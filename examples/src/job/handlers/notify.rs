use dispatch_adapters::model::dispatcher::InvalidOutput;
use dispatch_adapters::model::{IntoOutput, TopicError};
use dispatch_adapters::prelude::*;
use serde::{Deserialize, Serialize};

/// The command to tell somebody something.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Notify {
    pub(crate) repository: String,
    pub(crate) text: String,
}

impl Notify {
    /// The command as something that a dispatcher can return.
    pub(crate) fn into_output(self) -> Result<Output, DispatcherError> {
        let topic: Result<Topic, TopicError> = Topic::new("chat.commands.notify");
        let output: Result<Output, InvalidOutput> = Envelope::typed(self).with_topic(&topic?).into_output();
        Ok(output?)
    }
}

/// Would call a chat service; here it only checks that there is something to say.
pub(crate) async fn send(command: Envelope<Notify>) -> Result<(), DispatcherError> {
    if command.payload().text.is_empty() {
        return Err(DispatcherError::new("NothingToSay", "a notification needs a text").unrecoverable());
    }
    Ok(())
}
