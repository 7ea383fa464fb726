//! Reading records in order.
//!
//! - A read that goes on where another one ended uses its consumer and what that has fetched ahead; any other read
//!   makes a consumer.
//! - A consumer that does not bring the next number is given up: messages may be lost on their way, and a new one brings
//!   them again. What a new one does not bring either is asked for by its number.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{Consumer, DeliverPolicy, pull};
use dispatch_core::Topic;
use dispatch_core::log::{LogBounds, LogError, LogRead, LogRecord, Offset, ReadLimit};
use tokio::time::Instant;

use super::session::{CONSUMER_LIFE, Session, StreamState, Which};
use crate::log_entry;

/// Consumers that wait for the next read.
const IDLE: usize = 64;
/// Most records that are fetched at once.
const MOST: usize = 1_000;
/// Records that are fetched ahead, if they have no more than so many bytes.
const AHEAD: (usize, u64) = (256, 256 * 1024);

/// Bytes of the sum before the entry.
pub(super) const SUM: usize = 8;

/// A record as a message.
pub(super) fn encode(
    topic: &Topic,
    entry: dispatch_core::log::LogEntry,
    limit: usize,
) -> Result<Vec<u8>, LogError> {
    let body = log_entry::encode(topic, entry, limit.saturating_sub(SUM))?;
    let mut whole = Vec::with_capacity(SUM + body.len());
    whole.extend(sum(topic, &body).to_le_bytes());
    whole.extend(body);
    Ok(whole)
}

fn sum(topic: &Topic, body: &[u8]) -> i64 {
    log_entry::sum(&[], &[topic.as_str().as_bytes(), body])
}

/// The record in a message.
fn decode(topic: &Topic, number: u64, at: SystemTime, bytes: &[u8]) -> Result<LogRecord, LogError> {
    let offset = Offset::new(number.saturating_sub(1));
    let damaged = |what: &str| LogError::Damaged { topic: topic.clone(), offset, what: what.to_owned() };
    let (stored, body) = bytes.split_first_chunk::<SUM>().ok_or_else(|| damaged("it is cut"))?;
    if i64::from_le_bytes(*stored) != sum(topic, body) {
        return Err(damaged("its sum is wrong, or something else has written to the stream"));
    }
    let entry = log_entry::decode(body).map_err(damaged)?;
    Ok(LogRecord::new(offset, at, entry))
}

/// From where to where a stream reaches.
pub(super) fn bounds(state: &StreamState) -> LogBounds {
    let head = state.last_seq;
    let oldest = if state.messages == 0 { head } else { state.first_seq.saturating_sub(1) };
    LogBounds { oldest: Offset::new(oldest), head: Offset::new(head) }
}

/// A consumer, and what it has brought.
struct Reader {
    session: Arc<Session>,
    stream: String,
    consumer: Consumer<pull::Config>,
    fetched: VecDeque<(u64, Message)>,
    /// The number that the next read begins at.
    next: u64,
    since: Instant,
}

/// The consumers of a log.
#[derive(Default)]
pub(super) struct Readers(Mutex<Vec<Reader>>);

impl Readers {
    /// The consumer that goes on at a number.
    fn take(&self, session: &Arc<Session>, stream: &str, next: u64) -> Option<Reader> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|reader| {
            reader.since.elapsed() < CONSUMER_LIFE / 2 && Arc::ptr_eq(&reader.session, session)
        });
        let found = idle.iter().position(|reader| reader.next == next && reader.stream == stream)?;
        Some(idle.swap_remove(found))
    }

    fn put(&self, mut reader: Reader) {
        reader.since = Instant::now();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= IDLE {
            idle.remove(0);
        }
        idle.push(reader);
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Reads records of a topic that has a stream.
    pub(super) async fn read(
        &self,
        session: &Arc<Session>,
        stream: &str,
        topic: &Topic,
        from: Offset,
        limit: ReadLimit,
    ) -> Result<LogRead, LogError> {
        let (mut fresh, mut asked) = (false, from);
        for _ in 0..4 {
            let Some(info) = session.info(stream).await? else { return Ok(LogRead::default()) };
            let bounds = bounds(&info.state);
            let from = from.max(bounds.oldest);
            if from >= bounds.head {
                return Ok(LogRead { records: Vec::new(), bounds });
            }
            asked = from;
            let number = from.get().saturating_add(1);
            let kept = if fresh { None } else { self.take(session, stream, number) };
            let reader = match kept {
                Some(reader) => reader,
                None => {
                    fresh = true;
                    match Reader::new(session, stream, number).await? {
                        Some(reader) => reader,
                        None => return Ok(LogRead::default()),
                    }
                }
            };
            let Some((records, reader)) = reader.read(topic, &info.state, limit).await? else {
                if fresh && let Some(record) = lone(session, stream, topic, number).await? {
                    return Ok(LogRead { records: vec![record], bounds });
                }
                fresh = true;
                continue;
            };
            if let Some(reader) = reader {
                self.put(reader);
            }
            // What was appended since the server was asked has come as well.
            let end = records.last().map_or(bounds.head, |last| last.offset.next());
            return Ok(LogRead { records, bounds: LogBounds { head: bounds.head.max(end), ..bounds } });
        }
        let what = "the stream does not have it any more".to_owned();
        Err(LogError::Damaged { topic: topic.clone(), offset: asked, what })
    }
}

/// The record with a number, asked for alone.
async fn lone(
    session: &Session,
    stream: &str,
    topic: &Topic,
    number: u64,
) -> Result<Option<LogRecord>, LogError> {
    let Some(message) = session.message(stream, Which::Number(number)).await? else { return Ok(None) };
    decode(topic, message.sequence, message.time.into(), &message.payload).map(Some)
}

impl Reader {
    async fn new(session: &Arc<Session>, stream: &str, number: u64) -> Result<Option<Self>, LogError> {
        let from = DeliverPolicy::ByStartSequence { start_sequence: number };
        let consumer = session.consumer(stream, from, String::new()).await?;
        Ok(consumer.map(|consumer| Self {
            session: Arc::clone(session),
            stream: stream.to_owned(),
            consumer,
            fetched: VecDeque::new(),
            next: number,
            since: Instant::now(),
        }))
    }

    /// Reads what comes next, and how to go on if that can be; `None` if the next number did not come.
    async fn read(
        mut self,
        topic: &Topic,
        state: &StreamState,
        limit: ReadLimit,
    ) -> Result<Option<(Vec<LogRecord>, Option<Self>)>, LogError> {
        let wanted = limit.records.max(1);
        if self.fetched.is_empty() {
            let each = (state.bytes / state.messages.max(1)).max(1);
            let fits = usize::try_from(limit.bytes as u64 / each).unwrap_or(MOST);
            let ahead = AHEAD.0.min(usize::try_from(AHEAD.1 / each).unwrap_or(1));
            let there = usize::try_from(state.last_seq.saturating_sub(self.next) + 1).unwrap_or(MOST);
            let count = wanted.min(fits).max(ahead).clamp(1, MOST).min(there);
            for message in self.session.fetch(&self.consumer, count).await? {
                let number = message.info().map(|info| info.stream_sequence);
                // One without a number is none of ours.
                let Ok(number) = number else { break };
                self.fetched.push_back((number, message));
            }
        }
        let (mut records, mut bytes) = (Vec::new(), 0_usize);
        while records.len() < wanted {
            let Some((number, message)) = self.fetched.front() else { break };
            if *number != self.next {
                break;
            }
            bytes = bytes.saturating_add(message.payload.len());
            if bytes > limit.bytes && !records.is_empty() {
                break;
            }
            let Ok(info) = message.info() else { break };
            match decode(topic, *number, info.published.into(), &message.payload) {
                Ok(record) => records.push(record),
                Err(damaged) if records.is_empty() => return Err(damaged),
                Err(_) => break,
            }
            self.next += 1;
            self.fetched.pop_front();
        }
        // A consumer that has left something out is of no use any more.
        let goes_on = self.fetched.front().is_none_or(|(number, _)| *number == self.next);
        Ok((!records.is_empty()).then(|| (records, goes_on.then_some(self))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use dispatch_core::Envelope;
    use proptest::prelude::*;

    use super::*;

    fn topic(name: &str) -> Topic {
        name.parse().unwrap()
    }

    proptest! {
        #[test]
        fn a_changed_message_is_damaged_and_never_another_record(at: usize, bit in 0u8..8, cut: usize) {
            let entry = Envelope::json("Order", serde_json::json!({ "number": 7 })).into();
            let whole = encode(&topic("a.b"), entry, 1_000).unwrap();
            let record = decode(&topic("a.b"), 5, UNIX_EPOCH, &whole).unwrap();
            prop_assert_eq!(record.offset, Offset::new(4));
            let mut flipped = whole.clone();
            flipped[at % whole.len()] ^= 1 << bit;
            let cut = &whole[..cut % whole.len()];
            for (topic, bytes) in [(topic("a.b"), &*flipped), (topic("a.b"), cut), (topic("a.c"), &*whole)] {
                let damaged = matches!(decode(&topic, 5, UNIX_EPOCH, bytes), Err(LogError::Damaged { .. }));
                prop_assert!(damaged);
            }
        }
    }

    #[test]
    fn what_is_too_long_is_refused_with_its_length() {
        let entry = Envelope::bytes("Long", vec![b'x'; 500], "text/plain").into();
        let refused = encode(&topic("a.b"), entry, 500);
        assert!(matches!(refused, Err(LogError::TooLarge { limit: 492, .. })), "{refused:?}");
    }
}
