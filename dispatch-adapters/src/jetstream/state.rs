//! Subscriptions, their cursors and what they have parked: one stream that keeps the last message of each subject.
//!
//! - A subscription is there if its definition is. It is written first and removed last, so cursors without one are
//!   those of a removal that others have disturbed, and they go before it is written anew.

use std::collections::HashSet;
use std::sync::Arc;

use dispatch_core::Topic;
use dispatch_core::delivery::DeadLetter;
use dispatch_core::log::{Cursor, LogError, Offset, StoredSubscription};
use dispatch_core::uuid::Uuid;
use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::names::{Names, last_part};
use super::session::{Outgoing, Session, Which};

/// How a subscription was opened.
#[derive(Serialize, Deserialize)]
struct Definition {
    name: String,
    definition: Value,
}

/// What the state stream holds, seen through a connection.
pub(super) struct State<'a> {
    pub(super) names: &'a Names,
    pub(super) session: &'a Session,
    /// Its stream, which is there.
    pub(super) stream: String,
    pub(super) limit: usize,
}

/// Reads what this module has written.
fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, LogError> {
    serde_json::from_slice(bytes).map_err(|_| LogError::Failed {
        what: format!("{what} cannot be read: the state stream holds something else; restore it from a copy"),
        source: None,
    })
}

impl State<'_> {
    fn outgoing(&self, subject: String, value: &impl Serialize, what: &str) -> Result<Outgoing, LogError> {
        // What serde says may hold a value of a payload.
        let body = serde_json::to_vec(value)
            .map_err(|_| LogError::NotStorable { what: format!("{what} refuses to be written as JSON") })?;
        if body.len() > self.limit {
            return Err(LogError::TooLarge { bytes: body.len(), limit: self.limit });
        }
        Ok(Outgoing { subject, body, id: None })
    }

    fn cursors(&self, subscription: &str, cursors: &[Cursor]) -> Result<Vec<Outgoing>, LogError> {
        let outgoing = |cursor: &Cursor| {
            self.outgoing(self.names.cursor(subscription, &cursor.topic), cursor, "a cursor")
        };
        cursors.iter().map(outgoing).collect()
    }

    async fn definition(&self, subscription: &str) -> Result<Option<Definition>, LogError> {
        let subject = self.names.definition(subscription);
        let found = self.session.message(&self.stream, Which::LastOf(&subject)).await?;
        found.map(|message| read("a subscription", &message.payload)).transpose()
    }

    pub(super) async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        let name = &subscription.name;
        let definition = Definition { name: name.clone(), definition: subscription.definition.clone() };
        let mut messages =
            vec![self.outgoing(self.names.definition(name), &definition, "how a subscription was opened")?];
        messages.extend(self.cursors(name, &subscription.cursors)?);
        if self.definition(name).await?.is_none() {
            self.purge(&self.names.cursors_of(name)).await?;
        }
        self.session.store(&self.stream, messages).await.map(drop)
    }

    pub(super) async fn save_cursors(&self, subscription: &str, cursors: &[Cursor]) -> Result<(), LogError> {
        let messages = self.cursors(subscription, cursors)?;
        if messages.is_empty() || self.definition(subscription).await?.is_none() {
            return Ok(());
        }
        self.session.store(&self.stream, messages).await.map(drop)
    }

    pub(super) async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        let Some(Definition { name, definition }) = self.definition(subscription).await? else {
            return Ok(None);
        };
        let stored = self.session.collect(&self.stream, &self.names.cursors_of(subscription)).await?;
        let cursors: Result<Vec<Cursor>, _> =
            stored.iter().map(|message| read("a cursor", &message.payload)).collect();
        let mut cursors = cursors?;
        cursors.sort_by(|a, b| a.topic.as_str().cmp(b.topic.as_str()));
        Ok(Some(StoredSubscription { name, definition, cursors }))
    }

    pub(super) async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        let stored = self.session.collect(&self.stream, &self.names.definitions()).await?;
        let name = |payload: &[u8]| read("a subscription", payload).map(|found: Definition| found.name);
        let mut names = stored.iter().map(|message| name(&message.payload)).collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        self.purge(&self.names.parked_of(subscription)).await?;
        self.purge(&self.names.cursors_of(subscription)).await?;
        self.purge(&self.names.definition(subscription)).await.map(drop)
    }

    pub(super) async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        let cursors = self.session.collect(&self.stream, &self.names.cursors_in(topic)).await?;
        if cursors.is_empty() {
            return Ok(None);
        }
        // After the cursors: one whose subscription was saved between the two is not missed.
        let defined = self.session.subjects(&self.stream, &self.names.definitions()).await?;
        let defined: HashSet<&str> = defined.iter().map(|subject| last_part(subject)).collect();
        let mut floor: Option<Offset> = None;
        for message in cursors {
            let owner = message.subject.as_str().rsplit('.').nth(1).unwrap_or_default();
            if defined.contains(owner) {
                let next = read::<Cursor>("a cursor", &message.payload)?.next;
                floor = Some(floor.map_or(next, |lowest| lowest.min(next)));
            }
        }
        Ok(floor)
    }

    pub(super) async fn park(&self, subscription: &str, letters: &[Arc<DeadLetter>]) -> Result<(), LogError> {
        let outgoing = |letter: &Arc<DeadLetter>| {
            let subject = self.names.parked(subscription, letter.id);
            self.outgoing(subject, letter, &format!("the message of dead letter {}", letter.id))
        };
        let messages = letters.iter().map(outgoing).collect::<Result<Vec<_>, _>>()?;
        self.session.store(&self.stream, messages).await.map(drop)
    }

    pub(super) async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        // In the order of their ids, which their last part is.
        let subjects = self.session.subjects(&self.stream, &self.names.parked_of(subscription)).await?;
        let after = after.map(|id| self.names.parked(subscription, id));
        let later = subjects.iter().filter(|subject| after.as_ref().is_none_or(|after| *subject > after));
        let wanted: Vec<_> = later.take(max).collect();
        let mut letters = Vec::with_capacity(wanted.len());
        for some in wanted.chunks(64) {
            let read_one = |subject: &String| {
                let which = subject.clone();
                async move { self.session.message(&self.stream, Which::LastOf(&which)).await }
            };
            // One that is gone by now was unparked meanwhile.
            for message in
                try_join_all(some.iter().map(|subject| read_one(subject))).await?.into_iter().flatten()
            {
                letters.push(read("a parked message", &message.payload)?);
            }
        }
        Ok(letters)
    }

    pub(super) async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        let subjects = self.session.subjects(&self.stream, &self.names.parked_of(subscription)).await?;
        Ok(subjects.len() as u64)
    }

    pub(super) async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        let mut gone = 0;
        for id in ids {
            gone += self.purge(&self.names.parked(subscription, *id)).await?;
        }
        Ok(gone)
    }

    async fn purge(&self, subject: &str) -> Result<u64, LogError> {
        self.session.purge(&self.stream, &json!({ "filter": subject })).await
    }
}
