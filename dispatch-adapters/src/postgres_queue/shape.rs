//! What a queue is called on the server, and what it was made for.

use std::borrow::Cow;

use dispatch_core::time::Clock;
use uuid::Uuid;

use super::PostgresQueueOptions;
use crate::checksum::sum;
use crate::queue_row;

/// The time of the server in milliseconds, unless another is given; looked at once in a statement.
const NOW: &str =
    "(SELECT coalesce($2::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint))";

/// The names and limits of one transport.
pub(super) struct Shape {
    pub(super) schema: String,
    pub(super) transport: String,
    pub(super) per_key: i64,
    /// In milliseconds.
    pub(super) keep_done: i64,
    /// The channel that tells of messages that are ready.
    pub(super) channel: String,
    /// Who notifies, so that one's own notifications are known.
    pub(super) sender: String,
    pub(super) clock: Option<std::sync::Arc<dyn Clock>>,
}

impl Shape {
    /// The shape of a transport of the options.
    pub(super) fn of(options: &PostgresQueueOptions, transport: &str) -> Self {
        let channel = sum(&[], &[b"channel", options.schema.as_bytes(), transport.as_bytes()]);
        Self {
            schema: options.schema.clone(),
            transport: transport.to_owned(),
            per_key: i64::try_from(options.per_key.max(1)).unwrap_or(i64::MAX),
            keep_done: queue_row::after(0, options.keep_done),
            channel: format!("dispatch_{channel:016x}"),
            sender: Uuid::new_v4().simple().to_string(),
            clock: options.clock.clone(),
        }
    }

    /// The time, if it is not that of the server.
    pub(super) fn now(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| queue_row::millis(clock.now()))
    }

    /// A statement with the names of this schema: `{s}` before what is in it, `{schema}` for itself, `{claims}` for the
    /// sequence of claims, and `{now}` for the time.
    pub(super) fn fill(&self, text: &str) -> String {
        let schema = format!("\"{}\"", self.schema.replace('"', "\"\""));
        let claims = format!("'{}.dispatch_claims'::regclass", schema.replace('\'', "''"));
        text.replace("{now}", NOW)
            .replace("{claims}", &claims)
            .replace("{s}", &format!("{schema}."))
            .replace("{schema}", &schema)
    }

    /// The lane of an ordering key.
    pub(super) fn lane(&self, key: &str) -> i64 {
        sum(&[], &[self.transport.as_bytes(), key.as_bytes()])
    }

    /// The lock of a lane.
    pub(super) fn lock_of_lane(&self, lane: i64) -> i64 {
        sum(&[lane], &[b"lane", self.schema.as_bytes(), self.transport.as_bytes()])
    }

    /// The lock of something else.
    pub(super) fn lock_of(&self, what: &str) -> i64 {
        sum(&[], &[what.as_bytes(), self.schema.as_bytes()])
    }
}

/// A text that the server takes: it has no character zero.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
