//! The stores of `apalis`, each with the wake-ups that its documentation gives.

use std::str::FromStr;
use std::time::Duration;

use apalis::prelude::*;
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::bench::{self, Failure, Handled, Job, handle};

const QUEUE: &str = "noop";
/// Messages that are fetched at a time: as many as our worker has in hand.
const FETCHED: usize = 256;
/// How often to look where nobody wakes: while there is work, it is looked for all the time.
const POLL: Duration = Duration::from_millis(5);
/// The same, beside the notifications of a server.
const LOOK: Duration = Duration::from_millis(50);
/// Connections to a server; a file has one writer at a time anyhow.
const CONNECTIONS: u32 = 4;

/// Runs a worker until it has handled as many messages as it is told.
macro_rules! worker {
    ($backend:expr, $concurrency:expr, $handled:expr) => {
        WorkerBuilder::new(format!("worker-{}", std::process::id()))
            .backend($backend)
            .retry(RetryPolicy::retries(3))
            .concurrency($concurrency)
            .data($handled)
            .build(handle)
            .run()
    };
}

/// Does what does not depend on the store, with an expression for a worker on it.
macro_rules! does {
    ($store:expr, $backend:expr, $work:expr, $numbers:expr) => {{
        let (store, (first, second)) = ($store, $numbers);
        match $work {
            "fill" => bench::batches(store, first, 1_000).await,
            "batches" => bench::batches(store, first, second).await,
            "singles" => bench::singles(store, first, second).await,
            "work" => {
                let (handled, _heard) = Handled::new(first);
                bench::work(store, first, worker!($backend, second, handled)).await
            }
            "pickup" => {
                let (handled, heard) = Handled::new(first);
                bench::pickup(store, first, heard, worker!($backend, 1, handled)).await
            }
            other => Err(format!("there is no work '{other}'").into()),
        }
    }};
}

pub async fn sqlite(path: &str, work: &str, numbers: (usize, usize)) -> Result<Value, Failure> {
    // Its own set-up turns flushing off on one connection, so only its tables are taken from it.
    let options = SqliteConnectOptions::from_str(path)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(60));
    let pool: SqlitePool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    if work == "setup" {
        SqliteStorage::migrations().run(&pool).await?;
        return Ok(json!({}));
    }
    let config = || apalis_sqlite::Config::default().queue(QUEUE).batch_size(FETCHED);
    if work != "pickup" {
        // With more connections they find the database locked, and stop.
        let store = SqliteStorage::<Job>::new(&pool).with_config(config());
        return does!(store.clone(), store.poll_with_interval(POLL), work, numbers);
    }
    // The one with wake-ups makes its connections by itself: they flush unless they are told otherwise.
    let (hooked, wakeups) = SqliteStorage::connect_with_callback(&format!("sqlite://{path}"))?;
    let flushes: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&hooked).await?;
    if flushes != 2 {
        return Err(format!("commits are not flushed: synchronous is {flushes}").into());
    }
    let store = SqliteStorage::<Job>::new(&hooked).with_config(config());
    does!(store.clone(), store.with_callback(wakeups), work, numbers)
}

pub async fn postgres(url: &str, work: &str, numbers: (usize, usize)) -> Result<Value, Failure> {
    let pool: PgPool = PgPoolOptions::new().max_connections(CONNECTIONS + 1).connect(url).await?;
    if work == "setup" {
        PostgresStorage::setup(&pool).await?;
        return Ok(json!({}));
    }
    let config = apalis_postgres::Config::default().queue(QUEUE).batch_size(FETCHED);
    let store = PostgresStorage::<Job>::new(&pool).with_config(config);
    // A notification that comes while it fetches is lost, so it looks by itself as well.
    let both = store.clone().with_pubsub().poll_with_strategy(Strategy::new().interval(LOOK));
    does!(store, both, work, numbers)
}
