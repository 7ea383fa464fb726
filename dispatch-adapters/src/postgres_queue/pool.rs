//! The connections that work is done on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dispatch_core::queue::QueueError;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{self, Broken};
use super::shape::Shape;
use super::store::Statements;
use crate::postgres::server::{Server, Session};

/// What every connection is told before it is used.
///
/// - Plans do not depend on what the server believes about the tables, which change faster than it looks: indexes are
///   made for what is asked, and are used.
/// - What is locked is given up when a process hangs in the middle.
pub(super) const SETTINGS: &str = "
    SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
    SET enable_mergejoin = off; SET enable_memoize = off; SET jit = off; SET plan_cache_mode = force_generic_plan;
    SET client_min_messages = warning";

/// Connections, made when they are needed, and made anew when they broke.
pub(super) struct Pool {
    pub(super) server: Server,
    settings: String,
    free: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

/// A connection, and what was prepared on it.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) statements: Statements,
}

/// A connection while it is used. One that is not given back is closed, and what it had begun is undone.
pub(super) struct Lent<'a> {
    pub(super) connection: Connection,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(server: Server, connections: usize, timeout: std::time::Duration) -> Self {
        let millis = timeout.as_millis().clamp(1, 3_600_000);
        let settings = format!(
            "{SETTINGS}; SET statement_timeout = {millis}; SET lock_timeout = {millis}; \
             SET idle_in_transaction_session_timeout = {millis}"
        );
        Self { server, settings, free: Semaphore::new(connections), idle: Mutex::default() }
    }

    /// A connection that nobody else uses.
    pub(super) async fn get(&self) -> Result<Lent<'_>, QueueError> {
        let permit = self.free.acquire().await.map_err(|_| QueueError::Closed)?;
        let found = loop {
            let found = self.idle().pop();
            if found.as_ref().is_none_or(|connection| connection.session.is_open()) {
                break found;
            }
        };
        let connection = match found {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lent { connection, pool: self, _permit: permit })
    }

    async fn connect(&self) -> Result<Connection, QueueError> {
        let label = &self.server.label;
        let made = self.server.listen(|_| ()).await;
        let session = made.map_err(|error| error::not_connected(&error, label))?;
        let told = session.client.batch_execute(&self.settings).await;
        told.map_err(|error| Broken::from(error).into_error(label))?;
        Ok(Connection { session, statements: Statements::default() })
    }

    /// Gives up the connections, those that are in use as soon as they are not any more.
    pub(super) fn close(&self) {
        self.free.close();
        let idle = std::mem::take(&mut *self.idle());
        // Not under the lock: closing a connection may do work.
        drop(idle);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // Nothing is half done when a holder panics.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// Gives it back, for others to use.
    pub(super) fn give_back(self) {
        if !self.pool.free.is_closed() {
            self.pool.idle().push(self.connection);
        }
    }

    /// A store on it.
    pub(super) fn store<'a>(&'a self, shape: &'a Shape) -> super::store::Store<'a> {
        super::store::Store {
            client: &self.connection.session.client,
            statements: Some(&self.connection.statements),
            shape,
            now: shape.now(),
            woken: false,
            told: false,
        }
    }
}
