//! A database of its own on the server of `DISPATCH_POSTGRES_URL`, dropped at the end.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::compare::engine::load;

/// A connection to the server, and the database that was made on it.
pub(super) struct Server {
    runtime: Runtime,
    client: Client,
    base: String,
    database: String,
    /// The process that all others of the server are children of, if it is on this machine.
    postmaster: Option<u32>,
}

/// A schema that nobody else uses. It goes with its database.
pub(super) struct Tables {
    url: String,
    schema: String,
}

impl Tables {
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }
}

impl Server {
    pub(super) fn connect() -> Result<Self, String> {
        let base = std::env::var("DISPATCH_POSTGRES_URL").map_err(|_| "DISPATCH_POSTGRES_URL is not set")?;
        // On a thread of its own: it is used between the runtimes of others.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let connected = runtime.block_on(tokio_postgres::connect(&base, NoTls));
        let (client, connection) = connected.map_err(|error| format!("the server: {error}"))?;
        runtime.spawn(connection);
        let database = format!("dispatch_compare_{}", Uuid::new_v4().simple());
        let made = runtime.block_on(client.batch_execute(&format!("CREATE DATABASE {database}")));
        made.map_err(|error| format!("no database can be made: {error}"))?;
        let server: i32 = runtime
            .block_on(client.query_one("SELECT pg_backend_pid()", &[]))
            .map(|row| row.get(0))
            .map_err(|error| format!("the server: {error}"))?;
        let own = u32::try_from(server).ok().and_then(process).filter(|own| own.name == "postgres");
        Ok(Self { runtime, client, base, database, postmaster: own.map(|own| own.parent) })
    }

    /// The URL of the database.
    pub(super) fn url(&self) -> String {
        let (place, query) = self.base.split_once('?').unwrap_or((&self.base, ""));
        let server = place.rsplit_once('/').map_or(place, |(server, _)| server);
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{server}/{}{query}", self.database)
    }

    /// A schema in it.
    pub(super) fn tables(&self) -> Tables {
        Tables { url: self.url(), schema: format!("ours_{}", Uuid::new_v4().simple()) }
    }

    /// What the server has computed so far, in all of its processes and for whoever uses it. Nothing, if it is on
    /// another machine.
    pub(super) fn cpu_time(&self) -> Duration {
        let Some(postmaster) = self.postmaster else { return Duration::ZERO };
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let live: Duration =
            ids.filter_map(process).filter(|one| one.parent == postmaster).map(|one| one.own).sum();
        live + process(postmaster).map_or(Duration::ZERO, |one| one.own + one.ended)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let dropped = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        if let Err(error) = self.runtime.block_on(self.client.batch_execute(&dropped)) {
            eprintln!("the database {} is left: {error}", self.database);
        }
    }
}

/// A process of this machine.
struct Process {
    name: String,
    parent: u32,
    /// What it has computed itself.
    own: Duration,
    /// What its children had that have ended.
    ended: Duration,
}

fn process(id: u32) -> Option<Process> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (name, rest) = text.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // In hundredths of a second, as on every Linux.
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Some(Process {
        name: name.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        own: Duration::from_millis(10 * (ticks(11) + ticks(12))),
        ended: Duration::from_millis(10 * (ticks(13) + ticks(14))),
    })
}

/// Does something while the server is watched: what came of it, and what the server computed, for each of so many
/// messages.
pub(super) fn watched<T>(server: &Server, messages: u64, work: impl FnOnce() -> T) -> (T, f64) {
    let before = server.cpu_time();
    let done = work();
    let computed = server.cpu_time().saturating_sub(before);
    (done, computed.as_nanos() as f64 / messages as f64)
}

/// Runs something without actors.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    load::runtime().block_on(work)
}
