//! What a claim looks at depends on what it takes, and not on how much there is. Needs `DISPATCH_POSTGRES_URL`.

use std::io::Write as _;
use std::time::Duration;

use serde_json::Value as Json;
use tokio_postgres::{Client, NoTls};

use super::super::settle::finish;
use super::super::shape::Shape;
use super::super::{PostgresQueue, PostgresQueueOptions, pool};
use super::look;

/// Messages that are due in a hundred years: `DISPATCH_PROOF` makes them more, up to a million.
fn scheduled() -> u64 {
    let proof = std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1_u64);
    100_000 * proof.clamp(1, 10)
}

/// Where the tests of brokers look, by the same rules.
fn server() -> Option<String> {
    let url = std::env::var("DISPATCH_POSTGRES_URL").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        let required = std::env::var("DISPATCH_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        assert!(!required, "DISPATCH_REQUIRE_SERVERS is 1 and DISPATCH_POSTGRES_URL is not set");
        let _ = writeln!(std::io::stderr(), "the plans of claims: skipped, set DISPATCH_POSTGRES_URL to run");
    }
    url
}

/// What a plan did, summed over its nodes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Rows of the table that came out of an index, or were thrown away after they did.
    rows: u64,
    buffers: u64,
    scans: Vec<String>,
}

impl Seen {
    fn add(&mut self, node: &Json) {
        let number = |name: &str| node.get(name).and_then(Json::as_f64).unwrap_or(0.0);
        let kind = node["Node Type"].as_str().unwrap_or_default();
        if kind.contains("Scan") && node["Relation Name"] == "dispatch_message" {
            let rows = number("Actual Rows")
                + number("Rows Removed by Filter")
                + number("Rows Removed by Index Recheck");
            let rows = (rows * number("Actual Loops")) as u64;
            self.rows += rows;
            let index = node["Index Name"].as_str().unwrap_or("without an index");
            let condition = node["Index Cond"].as_str().unwrap_or_default();
            self.scans.push(format!("{kind} {index} for {rows} rows by {condition}"));
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child);
        }
    }
}

/// Claims ten messages of some queues, and undoes it.
async fn explained(client: &Client, shape: &Shape, queues: &[&str]) -> Seen {
    let names: Vec<_> = queues.iter().map(|queue| format!("'{queue}'")).collect();
    let text = format!(
        "PREPARE claim (text, bigint, text[], bigint, bigint, text, bigint, boolean) AS {}",
        shape.fill(&look(queues.len()))
    );
    let explain = format!(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claim ('jobs', NULL, ARRAY[{}], 10, 10, 'w', 60000, false)",
        names.join(", ")
    );
    client.batch_execute(&text).await.unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    let row = client.simple_query(&explain).await.unwrap();
    client.batch_execute("ROLLBACK; DEALLOCATE claim").await.unwrap();
    let lines = row.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let plan: Json = serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    let top = &plan[0]["Plan"];
    let mut seen = Seen::default();
    seen.add(top);
    let buffers = |name: &str| top[name].as_u64().unwrap_or(0);
    seen.buffers = buffers("Shared Hit Blocks") + buffers("Shared Read Blocks");
    seen
}

/// Puts rows in as they stand there, one in each of two queues in turn.
async fn fill(client: &Client, shape: &Shape, count: u64, values: &str) {
    let text = format!(
        "INSERT INTO {{s}}dispatch_message (transport, id, queue, type, sum, body, state, priority, due, lane) \
         SELECT 'jobs', gen_random_uuid(), 'queue-' || n % 2, 'T', 0, '', {values} FROM generate_series(1, {count}) n"
    );
    client.batch_execute(&shape.fill(&text)).await.unwrap();
}

#[tokio::test]
async fn what_is_scheduled_waits_or_has_failed_is_not_looked_at() {
    let Some(url) = server() else { return };
    let schema = format!("plan_{}", uuid::Uuid::new_v4().simple());
    let options = PostgresQueueOptions::new(url.as_str()).with_transport("jobs").with_schema(&schema);
    PostgresQueue::migrate(&options).await.unwrap();
    let shape = Shape::of(&options, "jobs");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(pool::SETTINGS).await.unwrap();

    let mut all = Vec::new();
    let run = async {
        // Of the lowest priority, so that every other is looked at before.
        fill(&client, &shape, 100, "1, 1, 1000 + n, NULL").await;
        for queues in [&["queue-0"] as &[&str], &["queue-0", "queue-1"]] {
            all.push((queues.len(), explained(&client, &shape, queues).await));
        }
        let never = "4000000000000 + n";
        fill(&client, &shape, scheduled(), &format!("1, 2 + n % 9, {never}, NULL")).await;
        fill(&client, &shape, scheduled() / 10, "0, 10, 1000, 7").await;
        fill(&client, &shape, scheduled() / 10, "5, 10, 1000, NULL").await;
        for analyzed in [false, true] {
            if analyzed {
                client.batch_execute(&shape.fill("ANALYZE {s}dispatch_message")).await.unwrap();
            }
            for queues in [&["queue-0"] as &[&str], &["queue-0", "queue-1"]] {
                all.push((queues.len(), explained(&client, &shape, queues).await));
            }
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(120), run).await;
    client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    done.unwrap();
    for (queues, seen) in &all {
        assert!(seen.scans.iter().all(|scan| !scan.contains("without")), "{seen:?}");
        assert!(seen.scans.iter().any(|scan| scan.contains(" dispatch_ready ")), "{seen:?}");
        // Ten that are taken, each looked up twice or thrice, and at most one more from each queue.
        assert!(seen.rows <= 10 * 4 + *queues as u64, "{seen:?}");
        // A few pages for each of them, and for a look at each priority of each queue.
        assert!(seen.buffers < 900, "{seen:?}");
    }
}

/// Says that all of many messages are done, and undoes it: how many rows were compared in vain.
async fn compared_in_vain(client: &Client, shape: &Shape, removed: bool) -> u64 {
    fn sum(node: &Json) -> u64 {
        let own = node["Rows Removed by Join Filter"].as_f64().unwrap_or(0.0)
            * node["Actual Loops"].as_f64().unwrap_or(1.0);
        own as u64 + node["Plans"].as_array().into_iter().flatten().map(sum).sum::<u64>()
    }
    let text = format!(
        "PREPARE finish (text, bigint, uuid[], bigint[], text[]) AS {}",
        shape.fill(&finish(removed))
    );
    client.batch_execute(&text).await.unwrap();
    let held = shape.fill(
        "SELECT array_agg(id)::text, array_agg(claim)::text, array_agg(worker)::text \
         FROM {s}dispatch_message WHERE state = 2",
    );
    let held = client.query_one(&held, &[]).await.unwrap();
    let held: [String; 3] = [held.get(0), held.get(1), held.get(2)];
    let explain = format!(
        "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE finish ('jobs', NULL, '{}', '{}', '{}')",
        held[0], held[1], held[2]
    );
    client.batch_execute("BEGIN").await.unwrap();
    let row = client.simple_query(&explain).await.unwrap();
    client.batch_execute("ROLLBACK; DEALLOCATE finish").await.unwrap();
    let lines = row.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let plan: Json = serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(plan[0]["Plan"]["Actual Rows"].as_f64(), Some(300.0), "each of them was done: {plan}");
    sum(&plan[0]["Plan"])
}

#[tokio::test]
async fn the_word_that_many_are_done_compares_none_with_all_of_them() {
    let Some(url) = server() else { return };
    let schema = format!("plan_{}", uuid::Uuid::new_v4().simple());
    let options = PostgresQueueOptions::new(url.as_str()).with_transport("jobs").with_schema(&schema);
    PostgresQueue::migrate(&options).await.unwrap();
    let shape = Shape::of(&options, "jobs");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(pool::SETTINGS).await.unwrap();
    let mut all = Vec::new();
    let run = async {
        fill(&client, &shape, 300, "2, 5, 1000, NULL").await;
        let lease =
            "UPDATE {s}dispatch_message SET claim = nextval({claims}), worker = 'w', since = 1, until = 9";
        client.batch_execute(&shape.fill(lease)).await.unwrap();
        for removed in [true, false] {
            all.push(compared_in_vain(&client, &shape, removed).await);
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(120), run).await;
    client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    done.unwrap();
    assert_eq!(all, [0, 0]);
}
