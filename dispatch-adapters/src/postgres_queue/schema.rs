//! The tables, and their versions.

use dispatch_core::queue::QueueError;
use tokio_postgres::types::Type;

use super::error::Step;
use super::shape::Shape;
use super::store::Store;

/// Every version of the tables: what makes it of the one before.
///
/// States as they are stored, which partial indexes name: waiting 0, ready 1, leased 2, done 3, expired 4, failed 5.
/// Times are milliseconds since 1970. A lane is the sum of a transport and an ordering key.
/// `since` is when a lease has begun; of a ready message, since when it is held back in front of its lane. What is looked up comes first
/// in an index, so that no plan, however old, goes through all of a transport instead. A queue may stand in its table
/// twice: whoever stores the first message of one waits for nobody else who does, in a long transaction perhaps.
const VERSIONS: &[&str] = &["
    CREATE SEQUENCE {s}dispatch_claims;
    CREATE TABLE {s}dispatch_queue (
        transport text COLLATE \"C\" NOT NULL, name text COLLATE \"C\" NOT NULL
    );
    CREATE INDEX dispatch_queue_name ON {s}dispatch_queue (name, transport);
    CREATE TABLE {s}dispatch_paused (
        transport text COLLATE \"C\" NOT NULL, name text COLLATE \"C\" NOT NULL, PRIMARY KEY (name, transport)
    );
    CREATE TABLE {s}dispatch_message (
        transport text COLLATE \"C\" NOT NULL, id uuid NOT NULL, queue text COLLATE \"C\" NOT NULL,
        type text COLLATE \"C\" NOT NULL, state smallint NOT NULL CHECK (state BETWEEN 0 AND 5),
        priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 10), due bigint NOT NULL, expires bigint, lane bigint,
        key text COLLATE \"C\", series integer NOT NULL DEFAULT 0, attempts integer NOT NULL DEFAULT 0,
        claim bigint NOT NULL DEFAULT 0, worker text COLLATE \"C\", since bigint, until bigint, settled bigint,
        error_group text COLLATE \"C\", history text, succeeded text, sum bigint NOT NULL, body bytea NOT NULL,
        PRIMARY KEY (id, transport)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
    CREATE TABLE {s}dispatch_key (
        transport text COLLATE \"C\" NOT NULL, key text COLLATE \"C\" NOT NULL, message uuid NOT NULL, until bigint,
        PRIMARY KEY (key, transport)
    );
    CREATE INDEX dispatch_ready ON {s}dispatch_message (transport, queue, priority, due, id) WHERE state = 1;
    CREATE INDEX dispatch_leased ON {s}dispatch_message (transport, until) WHERE state = 2;
    CREATE INDEX dispatch_lane ON {s}dispatch_message (lane, state, due, id)
        WHERE lane IS NOT NULL AND state < 3;
    CREATE INDEX dispatch_kept ON {s}dispatch_message (transport, settled) WHERE state IN (3, 4);
    CREATE INDEX dispatch_failed ON {s}dispatch_message (id, transport) WHERE state = 5;
    CREATE INDEX dispatch_key_until ON {s}dispatch_key (transport, until) WHERE until IS NOT NULL;
"];

/// The version of the tables that is written here.
pub(super) fn wanted() -> u32 {
    u32::try_from(VERSIONS.len()).unwrap_or(u32::MAX)
}

/// Refuses tables of another version.
pub(super) async fn check(store: &Store<'_>) -> Step<()> {
    match version(store).await? {
        found if found < wanted() => Err(QueueError::NotMigrated { found, wanted: wanted() }.into()),
        found if found > wanted() => Err(QueueError::Newer { found, known: wanted() }.into()),
        _ => Ok(()),
    }
}

/// Brings the tables to the newest version. To be called in a transaction; others wait for it.
pub(super) async fn migrate(store: &Store<'_>, shape: &Shape) -> Step<()> {
    let lock = shape.lock_of("migrations");
    store.once("SELECT pg_advisory_xact_lock($3)", &[(&lock, Type::INT8)]).await?;
    let known = store
        .once("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $3", &[(&shape.schema, Type::TEXT)])
        .await?;
    if known.is_empty() {
        store.batch("CREATE SCHEMA {schema}").await?;
    }
    let found = version(store).await?;
    if found > wanted() {
        return Err(QueueError::Newer { found, known: wanted() }.into());
    }
    if found == 0 {
        let meta = "CREATE TABLE {s}dispatch_meta (name text PRIMARY KEY, value bigint NOT NULL); \
                    INSERT INTO {s}dispatch_meta (name, value) VALUES ('version', 0)";
        store.batch(meta).await?;
    }
    for text in VERSIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        store.batch(text).await?;
    }
    let set = "UPDATE {s}dispatch_meta SET value = $3 WHERE name = 'version'";
    store.once(set, &[(&i64::from(wanted()), Type::INT8)]).await?;
    Ok(())
}

/// The version of the tables; 0 if there are none.
async fn version(store: &Store<'_>) -> Step<u32> {
    let there = "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $3 AND c.relname = 'dispatch_meta'";
    if store.once(there, &[(&store.shape.schema, Type::TEXT)]).await?.is_empty() {
        return Ok(0);
    }
    let rows = store.once("SELECT value::bigint FROM {s}dispatch_meta WHERE name = 'version'", &[]).await?;
    let value: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?;
    let version = value.and_then(|value| u32::try_from(value).ok()).filter(|version| *version > 0);
    version.ok_or_else(|| {
        let what =
            "its table dispatch_meta names no version: use another schema, or remove the table".to_owned();
        QueueError::Failed { what, source: None }.into()
    })
}
