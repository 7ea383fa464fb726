//! How messages get in.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use async_trait::async_trait;
use dispatch_core::messenger::{Duplicates, IdempotencyKey};
use dispatch_core::queue::{Enqueued, QueueError, Submission};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::Step;
use super::insert::Sent;
use super::store::{Job, Store, Value};
use crate::queue_row;

/// Locks keys, and tells who has them; one that nobody has is held by nobody from now on, and its time is over.
const KEYS: &str = "
    INSERT INTO {s}dispatch_key (transport, key, message, until)
    SELECT $1, key, '00000000-0000-0000-0000-000000000000', -400000000000000 FROM unnest($3) k (key) ORDER BY key
    ON CONFLICT (key, transport) DO UPDATE SET key = excluded.key
    RETURNING key, message, until IS NULL OR until > {now}, {now}";

/// Messages that are stored in one transaction; those that cannot be written have an error in place of a body.
pub(super) struct Enqueue<'a> {
    pub(super) submissions: &'a [Submission],
    pub(super) bodies: &'a [Result<Vec<u8>, QueueError>],
}

/// Messages that have neither an idempotency key nor an ordering key: one statement.
pub(super) struct Plain<'a>(pub(super) &'a [(Submission, Vec<u8>)]);

#[async_trait]
impl Job for Plain<'_> {
    type Answer = ();
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<()> {
        let sent: Vec<_> =
            self.0.iter().map(|(submission, body)| Sent { message: &submission.message, body }).collect();
        store.insert(&sent).await
    }
}

/// A message that is there, and may have to make room for another of its key.
struct Holder {
    lane: Option<i64>,
    replaceable: bool,
}

/// What the transaction will do.
#[derive(Default)]
struct Plan {
    answers: Vec<Result<Enqueued, QueueError>>,
    /// Places of submissions that are stored, by id.
    stored: HashMap<Uuid, usize>,
    removed: Vec<Uuid>,
    /// Who has which key, and until when, where that has changed.
    keys: BTreeMap<String, (Uuid, Option<i64>)>,
    lanes: BTreeSet<i64>,
}

#[async_trait]
impl Job for Enqueue<'_> {
    type Answer = Vec<Result<Enqueued, QueueError>>;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        let keys = self.keys();
        let mut locked = self.lanes(store);
        locked.extend(self.lanes_of_holders(store, &keys).await?);
        store.lock_lanes(&locked).await?;
        let (mut held, now) = hold(store, &keys).await?;
        let there = self.there(store).await?;
        let holders = self.holders(store, &held).await?;
        let plan = self.plan(store, &mut held, now, there, &holders);
        // Somebody may have changed who has a key, between the look at it and its lock.
        let late: BTreeSet<_> = plan.lanes.difference(&locked).copied().collect();
        store.lock_lanes(&late).await?;
        self.carry_out(store, &keys, plan).await
    }
}

impl Enqueue<'_> {
    fn good(&self) -> impl Iterator<Item = (usize, &Submission, &[u8])> {
        let all = self.submissions.iter().zip(self.bodies).enumerate();
        all.filter_map(|(place, (submission, body))| Some((place, submission, body.as_deref().ok()?)))
    }

    /// The keys, sorted, which is the order in which they are locked.
    fn keys(&self) -> Vec<&str> {
        let keys = self.good().filter_map(|(_, submission, _)| submission.message.idempotency_key.as_ref());
        let keys: BTreeSet<_> = keys.map(IdempotencyKey::as_str).collect();
        keys.into_iter().collect()
    }

    fn lanes(&self, store: &Store<'_>) -> BTreeSet<i64> {
        let keys = self.good().filter_map(|(_, submission, _)| submission.message.ordering_key.as_deref());
        keys.map(|key| store.shape.lane(key)).collect()
    }

    fn replaces(&self) -> bool {
        self.good().any(|(_, submission, _)| submission.remember.duplicates == Duplicates::Replace)
    }

    /// The lanes of messages that may have to make room.
    async fn lanes_of_holders(&self, store: &Store<'_>, keys: &[&str]) -> Step<Vec<i64>> {
        if keys.is_empty() || !self.replaces() {
            return Ok(Vec::new());
        }
        let text = "SELECT m.lane FROM {s}dispatch_key k JOIN {s}dispatch_message m ON m.transport = k.transport \
                    AND m.id = k.message WHERE k.transport = $1 AND k.key = ANY($3) AND m.lane IS NOT NULL";
        let rows = store.rows(text, &[(&keys, Type::TEXT_ARRAY)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The messages that are there already.
    async fn there(&self, store: &Store<'_>) -> Step<HashSet<Uuid>> {
        let ids: Vec<_> = self.good().map(|(_, submission, _)| submission.message.id).collect();
        let text = "SELECT id FROM {s}dispatch_message WHERE transport = $1 AND id = ANY($3)";
        let rows = store.rows(text, &[(&ids, Type::UUID_ARRAY)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The messages that may have to make room, locked so that nobody begins with them.
    async fn holders(
        &self,
        store: &Store<'_>,
        held: &HashMap<String, (Uuid, Option<i64>)>,
    ) -> Step<HashMap<Uuid, Holder>> {
        if held.is_empty() || !self.replaces() {
            return Ok(HashMap::new());
        }
        let ids: Vec<_> = held.values().map(|(id, _)| *id).collect();
        let text = "SELECT id, lane, state < 2 AND claim = 0 AND series = 0 FROM {s}dispatch_message \
                    WHERE transport = $1 AND id = ANY($3) ORDER BY id FOR UPDATE";
        let rows = store.rows(text, &[(&ids, Type::UUID_ARRAY)]).await?;
        let holder = |row: &tokio_postgres::Row| {
            Ok((row.try_get(0)?, Holder { lane: row.try_get(1)?, replaceable: row.try_get(2)? }))
        };
        rows.iter().map(holder).collect()
    }

    /// What becomes of each message, one after the other.
    fn plan(
        &self,
        store: &Store<'_>,
        held: &mut HashMap<String, (Uuid, Option<i64>)>,
        now: i64,
        mut there: HashSet<Uuid>,
        holders: &HashMap<Uuid, Holder>,
    ) -> Plan {
        let mut plan = Plan::default();
        for (place, (submission, body)) in self.submissions.iter().zip(self.bodies).enumerate() {
            let Submission { message, remember, .. } = submission;
            let id = message.id;
            let mut answer = Enqueued::stored(id);
            if let Err(error) = body {
                plan.answers.push(Err(error.repeat()));
                continue;
            }
            if there.contains(&id) {
                plan.answers.push(Ok(answer));
                continue;
            }
            if let Some(key) = &message.idempotency_key {
                let holder =
                    held.get(key.as_str()).filter(|(_, until)| until.is_none_or(|until| until > now));
                let holder = holder.map(|(holder, _)| *holder);
                if holder == Some(id) {
                    // Whoever asks again had no answer.
                    plan.answers.push(Ok(answer));
                    continue;
                }
                if let Some(of) = holder {
                    let fresh = plan.stored.contains_key(&of);
                    let replaceable = fresh || holders.get(&of).is_some_and(|holder| holder.replaceable);
                    match remember.duplicates {
                        Duplicates::Reject => {
                            plan.answers.push(Err(QueueError::Duplicate { of }));
                            continue;
                        }
                        Duplicates::Replace if replaceable => {
                            if plan.stored.remove(&of).is_none() {
                                plan.removed.push(of);
                            }
                            plan.lanes.extend(holders.get(&of).and_then(|holder| holder.lane));
                            there.remove(&of);
                            answer = answer.in_place_of(of);
                        }
                        Duplicates::ReturnExisting | Duplicates::Replace => {
                            plan.answers.push(Ok(Enqueued::duplicate_of(of)));
                            continue;
                        }
                    }
                }
                let holder = (id, remember.until.map(queue_row::millis));
                held.insert(key.as_str().to_owned(), holder);
                plan.keys.insert(key.as_str().to_owned(), holder);
            }
            plan.lanes.extend(message.ordering_key.as_deref().map(|key| store.shape.lane(key)));
            plan.stored.insert(id, place);
            there.insert(id);
            plan.answers.push(Ok(answer));
        }
        plan
    }

    async fn carry_out(
        &self,
        store: &mut Store<'_>,
        keys: &[&str],
        plan: Plan,
    ) -> Step<Vec<Result<Enqueued, QueueError>>> {
        if !plan.removed.is_empty() {
            let text = "DELETE FROM {s}dispatch_message WHERE transport = $1 AND id = ANY($3)";
            store.rows(text, &[(&plan.removed, Type::UUID_ARRAY)]).await?;
        }
        let sent = self
            .good()
            .filter(|(place, submission, _)| plan.stored.get(&submission.message.id) == Some(place));
        let sent: Vec<_> =
            sent.map(|(_, submission, body)| Sent { message: &submission.message, body }).collect();
        store.insert(&sent).await?;
        if !plan.keys.is_empty() {
            let texts: Vec<_> = plan.keys.keys().map(String::as_str).collect();
            let ids: Vec<_> = plan.keys.values().map(|(id, _)| *id).collect();
            let until: Vec<_> = plan.keys.values().map(|(_, until)| *until).collect();
            // They are there, and locked: so each is found by the index, however many there are.
            let text = "INSERT INTO {s}dispatch_key (transport, key, message, until) \
                        SELECT $1, key, message, until FROM unnest($3, $4, $5) n (key, message, until) \
                        ON CONFLICT (key, transport) DO UPDATE SET message = excluded.message, until = excluded.until";
            let values: [Value<'_>; 3] =
                [(&texts, Type::TEXT_ARRAY), (&ids, Type::UUID_ARRAY), (&until, Type::INT8_ARRAY)];
            store.rows(text, &values).await?;
        }
        let unused: Vec<_> = keys.iter().filter(|key| !plan.keys.contains_key(**key)).copied().collect();
        if !unused.is_empty() {
            let text = "DELETE FROM {s}dispatch_key WHERE transport = $1 AND key = ANY($3) \
                        AND message = '00000000-0000-0000-0000-000000000000'";
            store.rows(text, &[(&unused, Type::TEXT_ARRAY)]).await?;
        }
        store.rebalance(&plan.lanes).await?;
        Ok(plan.answers)
    }
}

/// Locks keys; who has which of them, and until when, and what time it is.
async fn hold(store: &Store<'_>, keys: &[&str]) -> Step<(HashMap<String, (Uuid, Option<i64>)>, i64)> {
    let mut held = HashMap::new();
    let mut now = i64::MIN;
    if keys.is_empty() {
        return Ok((held, now));
    }
    for row in store.rows(KEYS, &[(&keys, Type::TEXT_ARRAY)]).await? {
        now = row.try_get(3)?;
        if row.try_get(2)? {
            // It is good now, and that is all that matters of its time.
            held.insert(row.try_get(0)?, (row.try_get(1)?, None));
        }
    }
    Ok((held, now))
}
