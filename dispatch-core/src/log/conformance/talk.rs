use std::future::Future;
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Features;
use crate::conformance::Findings;
use crate::envelope::{Envelope, Payload};
use crate::log::{LogBounds, LogEntry, LogError, LogRecord, Offset, ReadLimit, StoredSubscription, TopicLog};
use crate::topic::Topic;

/// In the payload of envelopes: no error may repeat it.
pub(super) const PLANTED: &str = "planted-91d4-conformance";

/// What a check that needs no verdict of its own answers with.
pub(super) type Checked = Result<(), LogError>;

/// A value that does not let itself be written, and says something secret about it.
pub(super) struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(PLANTED))
    }
}

/// The log, and what the checks have to say to it.
pub(super) struct Talk {
    pub(super) log: Arc<dyn TopicLog>,
    pub(super) features: Features,
    pub(super) prefix: String,
}

impl Talk {
    /// A topic of the suite's.
    pub(super) fn topic(&self, name: &str) -> Result<Topic, LogError> {
        Topic::new(format!("{}.{name}.events", self.prefix))
            .map_err(|error| LogError::failed("the prefix of the suite makes no topic", error))
    }

    /// The name of a subscription of the suite's.
    pub(super) fn subscription(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A subscription of the suite's, without cursors.
    pub(super) fn stored(&self, name: &str, definition: Value) -> StoredSubscription {
        StoredSubscription { name: self.subscription(name), definition, cursors: Vec::new() }
    }

    /// Appends so many entries one after the other; their envelopes' ids.
    pub(super) async fn fill(&self, topic: &Topic, count: usize) -> Result<Vec<Uuid>, LogError> {
        let mut ids = Vec::new();
        for number in 0..count {
            let entry = entry(number);
            ids.push(entry.envelope.id());
            self.log.append(topic, vec![entry]).await?;
        }
        Ok(ids)
    }

    /// Reads everything that a topic keeps, whatever the limit of one read is.
    pub(super) async fn all(&self, topic: &Topic) -> Result<Vec<LogRecord>, LogError> {
        read_all(&*self.log, topic).await
    }

    /// Expects bounds.
    pub(super) async fn expect_bounds(
        &self,
        topic: &Topic,
        oldest: u64,
        head: u64,
        found: &mut Findings,
    ) -> Checked {
        let bounds = self.log.bounds(topic).await?;
        let wanted = LogBounds { oldest: Offset::new(oldest), head: Offset::new(head) };
        found.expect(bounds == wanted, || {
            format!(
                "the topic reaches from {} to {}, not from {oldest} to {head}",
                bounds.oldest, bounds.head
            )
        });
        Ok(())
    }
}

/// Reads everything that a topic keeps.
pub(super) async fn read_all(log: &dyn TopicLog, topic: &Topic) -> Result<Vec<LogRecord>, LogError> {
    let mut all: Vec<LogRecord> = Vec::new();
    let mut from = Offset::ZERO;
    loop {
        let read = log.read(topic, from, ReadLimit::records(100)).await?;
        let Some(last) = read.records.last() else { return Ok(all) };
        // One that never gets further would never end.
        if all.last().is_some_and(|known| last.offset <= known.offset) {
            return Ok(all);
        }
        from = last.offset.next();
        all.extend(read.records);
    }
}

/// An entry that is told apart from others.
pub(super) fn entry(number: usize) -> LogEntry {
    Envelope::json("ConformanceCheck", json!({ "number": number, "planted": PLANTED })).into()
}

/// An entry whose payload has exactly so many bytes.
pub(super) fn heavy(bytes: usize) -> LogEntry {
    Envelope::bytes("ConformanceCheck", vec![b'x'; bytes], "application/octet-stream").into()
}

/// An entry that cannot be written.
pub(super) fn unwritable() -> LogEntry {
    Envelope::new(Payload::typed(Unwritable)).into()
}

/// Offsets as numbers.
pub(super) fn numbers(offsets: impl IntoIterator<Item = Offset>) -> Vec<u64> {
    offsets.into_iter().map(Offset::get).collect()
}

/// The offsets and the ids of records.
pub(super) fn places(records: &[LogRecord]) -> Vec<(u64, Uuid)> {
    records.iter().map(|record| (record.offset.get(), record.entry.envelope.id())).collect()
}

/// Runs a check; an error that it did not expect is a finding.
pub(super) async fn checked(check: impl Future<Output = (Findings, Checked)>) -> super::Verdict {
    let (mut findings, checked) = check.await;
    if let Err(error) = checked {
        findings.add(format!("it answered with: {error}"));
    }
    findings.into()
}

/// Expects an error not to repeat what the suite has planted in payloads.
pub(super) fn expect_discreet(error: &LogError, found: &mut Findings) {
    let mut texts = vec![error.to_string(), format!("{error:?}")];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    let shows = texts.iter().any(|text| text.contains(PLANTED));
    found.expect(!shows, || "the error shows a value of the payload".to_owned());
}
