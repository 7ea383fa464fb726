//! What is written in one transaction: the steps that a request may take, and what they change in memory once they
//! are committed.

use std::collections::{BTreeMap, HashMap};

use dispatch_core::Topic;
use dispatch_core::log::{Cursor, LogBounds, LogError, Offset, StoredSubscription};
use rusqlite::Connection;
use uuid::Uuid;

use super::record::{self, Row};
use super::state::{Shared, TopicRow};
use super::{database, error};

/// One transaction.
pub(super) struct Batch<'a> {
    pub(super) connection: &'a Connection,
    shared: &'a Shared,
    /// The time of its appends.
    now: i64,
    topics: HashMap<Topic, TopicRow>,
    /// Subscriptions that are new, changed, or gone.
    subscriptions: HashMap<String, Option<StoredSubscription>>,
    /// Topics that have something to sweep, and below which offset.
    trimmed: BTreeMap<i64, i64>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(connection: &'a Connection, shared: &'a Shared, now: i64) -> Self {
        Self {
            connection,
            shared,
            now,
            topics: HashMap::new(),
            subscriptions: HashMap::new(),
            trimmed: BTreeMap::new(),
        }
    }

    fn topic(&self, topic: &Topic) -> Option<TopicRow> {
        self.topics.get(topic).copied().or_else(|| self.shared.topic(topic))
    }

    fn subscription(&self, name: &str) -> Option<StoredSubscription> {
        match self.subscriptions.get(name) {
            Some(stored) => stored.clone(),
            None => self.shared.committed().subscriptions.get(name).cloned(),
        }
    }

    fn topic_count(&self) -> i64 {
        let committed = self.shared.committed();
        let new = self.topics.keys().filter(|topic| !committed.topics.contains_key(*topic)).count();
        count(committed.topics.len() + new)
    }

    /// Appends bodies; the offset of the first.
    pub(super) fn append(&mut self, topic: &Topic, bodies: &[Vec<u8>]) -> Result<Offset, LogError> {
        let mut row = match self.topic(topic) {
            Some(row) => row,
            None => self.add_topic()?,
        };
        let first = record::offset(row.head);
        if count(bodies.len()) > record::MAX_OFFSET - row.head {
            return Err(LogError::Full { what: format!("topic '{topic}' has had {} records", row.head) });
        }
        let of = |error| error::of("appending", error);
        let mut insert = self
            .connection
            .prepare_cached(
                "INSERT INTO record (key, at, behind, total, sum, body) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .map_err(of)?;
        for body in bodies {
            row.total = row.total.saturating_add(count(body.len()));
            row.latest = row.latest.max(self.now);
            let behind = row.latest.saturating_sub(self.now);
            let new =
                Row { key: record::key(row.id, row.head), at: self.now, behind, total: row.total, body };
            insert.execute((new.key, new.at, new.behind, new.total, new.sum(), new.body)).map_err(of)?;
            row.head += 1;
        }
        self.topics.insert(topic.clone(), row);
        Ok(first)
    }

    fn add_topic(&self) -> Result<TopicRow, LogError> {
        let id = self.topic_count() + 1;
        if id > record::MAX_TOPICS {
            return Err(LogError::Full { what: format!("there are {} topics", id - 1) });
        }
        Ok(TopicRow { id, oldest: 0, head: 0, total: 0, latest: i64::MIN })
    }

    /// Lets go of records below an offset. They are removed bit by bit afterwards.
    pub(super) fn trim(&mut self, topic: &Topic, below: Offset) -> LogBounds {
        let Some(mut row) = self.topic(topic) else { return LogBounds::default() };
        let oldest = record::stored(below).clamp(row.oldest, row.head);
        if oldest > row.oldest {
            row.oldest = oldest;
            self.trimmed.insert(row.id, oldest);
            self.topics.insert(topic.clone(), row);
        }
        row.bounds()
    }

    pub(super) fn save(&mut self, subscription: &StoredSubscription) {
        let mut stored = self
            .subscription(&subscription.name)
            .unwrap_or_else(|| StoredSubscription { cursors: Vec::new(), ..subscription.clone() });
        stored.definition = subscription.definition.clone();
        merge(&mut stored.cursors, &subscription.cursors);
        self.subscriptions.insert(stored.name.clone(), Some(stored));
    }

    pub(super) fn save_cursors(&mut self, name: &str, cursors: &[Cursor]) {
        if let Some(mut stored) = self.subscription(name) {
            merge(&mut stored.cursors, cursors);
            self.subscriptions.insert(name.to_owned(), Some(stored));
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), LogError> {
        self.connection
            .prepare_cached("DELETE FROM parked WHERE subscription = ?")
            .and_then(|mut delete| delete.execute((name,)))
            .map_err(|error| error::of("removing a subscription", error))?;
        self.subscriptions.insert(name.to_owned(), None);
        Ok(())
    }

    pub(super) fn park(&self, name: &str, letters: &[(Uuid, Vec<u8>)]) -> Result<(), LogError> {
        let park = || -> rusqlite::Result<()> {
            let mut insert = self.connection.prepare_cached(
                "INSERT OR REPLACE INTO parked (subscription, id, body, sum) VALUES (?, ?, ?, ?)",
            )?;
            for (id, body) in letters {
                insert.execute((name, &id.as_bytes()[..], body, parked_sum(name, id.as_bytes(), body)))?;
            }
            Ok(())
        };
        park().map_err(|error| error::of("parking", error))
    }

    pub(super) fn unpark(&self, name: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        let unpark = || -> rusqlite::Result<usize> {
            let mut delete =
                self.connection.prepare_cached("DELETE FROM parked WHERE subscription = ? AND id = ?")?;
            ids.iter().map(|id| delete.execute((name, &id.as_bytes()[..]))).sum()
        };
        unpark().map(|gone| gone as u64).map_err(|error| error::of("unparking", error))
    }

    /// Writes what its requests have changed, each row once.
    pub(super) fn finish(&self) -> Result<(), LogError> {
        let write = || -> rusqlite::Result<()> {
            let mut put = self.connection.prepare_cached(
                "INSERT OR REPLACE INTO topic (id, name, oldest, head, total, latest, sum) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?;
            for (topic, row) in &self.topics {
                let name = topic.as_str();
                put.execute((row.id, name, row.oldest, row.head, row.total, row.latest, row.sum(name)))?;
            }
            for (name, stored) in &self.subscriptions {
                match stored {
                    None => {
                        let mut delete =
                            self.connection.prepare_cached("DELETE FROM subscription WHERE name = ?")?;
                        delete.execute((name,))?;
                    }
                    Some(stored) => database::write_subscription(self.connection, stored)?,
                }
            }
            let before = {
                let committed = self.shared.committed();
                (count(committed.topics.len()), count(committed.subscriptions.len()))
            };
            let after = (self.topic_count(), self.subscription_count());
            if before != after {
                database::write_meta(self.connection, after.0, after.1)?;
            }
            Ok(())
        };
        write().map_err(|error| error::of("writing", error))
    }

    fn subscription_count(&self) -> i64 {
        let committed = self.shared.committed();
        let known = |name: &str| committed.subscriptions.contains_key(name);
        let kept = |(name, stored): (&String, &Option<StoredSubscription>)| match stored {
            Some(_) if !known(name) => 1,
            None if known(name) => -1,
            _ => 0,
        };
        count(committed.subscriptions.len()) + self.subscriptions.iter().map(kept).sum::<i64>()
    }

    /// It is committed: everybody may see it. What is to be swept.
    pub(super) fn publish(self) -> BTreeMap<i64, i64> {
        let mut committed = self.shared.committed();
        for (name, stored) in self.subscriptions {
            match stored {
                Some(stored) => committed.subscriptions.insert(name, stored),
                None => committed.subscriptions.remove(&name),
            };
        }
        for (topic, row) in &self.topics {
            committed.topics.insert(topic.clone(), *row);
        }
        drop(committed);
        for (topic, row) in &self.topics {
            self.shared.tails.advance(topic, row.bounds().head);
        }
        self.trimmed
    }
}

/// The sum of a parked message.
pub(super) fn parked_sum(name: &str, id: &[u8], body: &[u8]) -> i64 {
    record::sum(&[], &[name.as_bytes(), id, body])
}

/// Replaces the cursors of the same topics, and keeps the others.
fn merge(stored: &mut Vec<Cursor>, cursors: &[Cursor]) {
    for cursor in cursors {
        match stored.iter_mut().find(|stored| stored.topic == cursor.topic) {
            Some(stored) => *stored = cursor.clone(),
            None => stored.push(cursor.clone()),
        }
    }
}

/// A length in memory, which always fits.
fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
