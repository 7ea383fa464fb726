use dispatch_core::log::LogRecord;
use dispatch_core::subscription::{Message, MessageKey};

use crate::bus::time::BusClock;

/// What is needed to make messages of records.
pub(super) struct Intake {
    pub(super) keyed: bool,
    pub(super) weighed: bool,
    pub(super) clock: BusClock,
}

impl Intake {
    pub(super) fn messages(&self, records: Vec<LogRecord>) -> Vec<Message<LogRecord>> {
        records.into_iter().map(|record| self.message(record)).collect()
    }

    pub(super) fn message(&self, record: LogRecord) -> Message<LogRecord> {
        let mut message = Message::new(record.offset, record);
        let entry = &message.record.entry;
        if self.keyed {
            message.key = entry.envelope.key().map(MessageKey::new);
        }
        if self.weighed {
            let bytes = entry.envelope.raw_payload().to_bytes().map_or(0, |(bytes, _)| bytes.len());
            message.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        if entry.available_at.is_some() || entry.expires_at.is_some() {
            let now = self.clock.now();
            message.due = entry.available_at.map(|time| self.clock.at(time, now));
            message.expires = entry.expires_at.map(|time| self.clock.at(time, now));
        }
        message
    }
}
