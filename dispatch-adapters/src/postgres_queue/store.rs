//! The steps of a queue on a connection. What they do is what [`QueueState`](dispatch_core::queue::QueueState) does, on
//! tables.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use super::error::Step;
use super::shape::Shape;

/// A value of a statement.
pub(super) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// The statements that a connection has prepared.
#[derive(Default)]
pub(super) struct Statements(Mutex<HashMap<String, Prepared>>);

/// A statement that was prepared, and how often it was used.
struct Prepared {
    statement: Statement,
    uses: u32,
}

/// How often a statement is used before it is prepared, and so planned, anew: tables grow.
const USES: u32 = 500;
/// Most statements that are kept on a connection.
const KEPT: usize = 200;

/// One transaction, or one statement, of one transport.
pub(super) struct Store<'a> {
    pub(super) client: &'a Client,
    /// Absent on a connection of somebody else's, where nothing is left behind.
    pub(super) statements: Option<&'a Statements>,
    pub(super) shape: &'a Shape,
    /// In milliseconds since 1970; absent for the time of the server.
    pub(super) now: Option<i64>,
    /// Something became ready.
    pub(super) woken: bool,
    /// Something became ready, and whoever listens will be told.
    pub(super) told: bool,
}

/// Something to be done with a store.
#[async_trait]
pub(super) trait Job: Sync {
    /// What comes of it.
    type Answer: Send;
    /// Whether it takes several statements that belong together.
    const TRANSACTION: bool = true;

    /// Does it; it may be done again from the start.
    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer>;
}

impl Statements {
    fn get(&self, text: &str) -> Option<Statement> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = known.get_mut(text).filter(|prepared| prepared.uses < USES)?;
        prepared.uses += 1;
        Some(prepared.statement.clone())
    }

    fn keep(&self, text: &str, statement: Statement) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of unusual questions are not kept for good.
        let old = if known.len() < KEPT { HashMap::new() } else { std::mem::take(&mut *known) };
        let before = known.insert(text.to_owned(), Prepared { statement, uses: 0 });
        drop(known);
        // Not under the lock: the server is told to forget them.
        drop((old, before));
    }
}

impl Store<'_> {
    /// The rows of a statement that is used again and again; `$1` is the transport, `$2` the time, the rest are values.
    pub(super) async fn rows(&self, text: &str, values: &[Value<'_>]) -> Step<Vec<Row>> {
        let Some(statements) = self.statements else { return self.once(text, values).await };
        let statement = match statements.get(text) {
            Some(statement) => statement,
            None => {
                let types: Vec<_> = [Type::TEXT, Type::INT8]
                    .into_iter()
                    .chain(values.iter().map(|(_, kind)| kind.clone()))
                    .collect();
                let made = self.client.prepare_typed(&self.shape.fill(text), &types).await?;
                statements.keep(text, made.clone());
                made
            }
        };
        let transport: &(dyn ToSql + Sync) = &self.shape.transport;
        let mut all = vec![transport, &self.now];
        all.extend(values.iter().map(|(value, _)| *value));
        Ok(self.client.query(&statement, &all).await?)
    }

    /// The rows of a statement that is not kept.
    pub(super) async fn once(&self, text: &str, values: &[Value<'_>]) -> Step<Vec<Row>> {
        let transport: &(dyn ToSql + Sync) = &self.shape.transport;
        let mut all = vec![(transport, Type::TEXT), (&self.now, Type::INT8)];
        all.extend(values.iter().map(|(value, kind)| (*value, kind.clone())));
        Ok(self.client.query_typed(&self.shape.fill(text), &all).await?)
    }

    /// Statements without values.
    pub(super) async fn batch(&self, text: &str) -> Step<()> {
        Ok(self.client.batch_execute(&self.shape.fill(text)).await?)
    }

    /// Tells whoever listens, once this is committed, if something became ready.
    pub(super) async fn tell(&mut self) -> Step<()> {
        if !self.woken || self.told {
            return Ok(());
        }
        self.told = true;
        let text = "SELECT pg_notify($3, $4)";
        let values: [Value<'_>; 2] = [(&self.shape.channel, Type::TEXT), (&self.shape.sender, Type::TEXT)];
        self.rows(text, &values).await.map(drop)
    }
}
