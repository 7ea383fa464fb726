use dispatch_core::subscription::Event;

use super::Reliable;
use crate::bus::subscription::{EndFell, logging};

impl Reliable {
    /// The log of a topic has lost its end; the hub has said so in the log of the program.
    pub(in crate::bus::subscription) fn end_fell(&mut self, fell: &EndFell) {
        let EndFell { topic, known, end } = *fell;
        let Some(name) = self.topic(topic) else { return };
        let cursor = self.state.cursor(topic).unwrap_or(end);
        let error = format!(
            "the log of topic '{name}' has lost its end: it reached {known} and ends at {end}; what is appended from there \
             on is delivered, what is missing is counted as gap"
        );
        self.troubles.add("the log of a topic has lost its end", error, self.parts.shared.clock.now());
        logging::end_fell(&self.parts.config.name, &name, cursor, end);
        self.push(Event::EndFell { topic, end });
    }
}
