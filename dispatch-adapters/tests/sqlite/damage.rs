//! Every byte of a small log is changed, and every length of it is cut: what is read afterwards is what was written, or
//! an error with a name.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use dispatch_adapters::model::Topic;
use dispatch_adapters::model::log::{Cursor, LogError, Offset, ReadLimit, StoredSubscription, TopicLog};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use serde_json::{Value, json};

use crate::support::{numbered, open, proof, run};

const FILES: [&str; 3] = ["log.db", "log.db-wal", "log.lock"];

/// The files of a log.
type Files = HashMap<&'static str, Vec<u8>>;

fn topics() -> [Topic; 2] {
    ["shop.order.events", "shop.item.events"].map(|topic| topic.parse().unwrap())
}

/// What a log said before it was damaged.
struct Written {
    records: HashMap<Topic, Vec<Value>>,
    subscription: StoredSubscription,
}

/// A log as it lies on disk after it was closed, or after its process was killed.
async fn written(killed: bool) -> (Files, Written) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await.unwrap();
    let subscription = StoredSubscription {
        name: "billing".into(),
        definition: json!({ "type": "shared" }),
        cursors: vec![Cursor::at(topics()[0].clone(), Offset::new(2))],
    };
    for round in 0..3 {
        for topic in topics() {
            let batch = (round * 3..round * 3 + 3).map(|number| numbered(number).into());
            log.append(&topic, batch.collect()).await.unwrap();
        }
        log.save(&subscription).await.unwrap();
    }
    let mut records = HashMap::new();
    for topic in topics() {
        records.insert(topic.clone(), shown(&log, &topic).await.unwrap());
    }
    if !killed {
        log.close().await.unwrap();
    }
    let files =
        FILES.iter().filter_map(|name| Some((*name, fs::read(folder.path().join(name)).ok()?))).collect();
    log.close().await.unwrap();
    (files, Written { records, subscription })
}

async fn shown(log: &SqliteLog, topic: &Topic) -> Result<Vec<Value>, LogError> {
    let mut all = Vec::new();
    loop {
        let read = log.read(topic, Offset::new(all.len() as u64), ReadLimit::records(100)).await?;
        if read.records.is_empty() {
            return Ok(all);
        }
        all.extend(read.records.iter().map(|record| json!([record.offset, record.entry.envelope])));
    }
}

/// Opens what lies there. `may_be_shorter` where the end cannot be told from what was never committed.
async fn look(files: &Files, written: &Written, may_be_shorter: bool, what: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    look_in(folder.path(), written, may_be_shorter, what).await
}

/// Whether an error had to be named.
async fn look_in(folder: &Path, written: &Written, may_be_shorter: bool, what: &str) -> bool {
    let options = SqliteLogOptions::new(folder);
    let Ok(log) = SqliteLog::open(options).await else { return true };
    let mut named = false;
    for (topic, records) in &written.records {
        // As far as it goes, one by one: an error hides nothing that comes before it.
        match shown(&log, topic).await {
            Ok(there) => {
                assert!(records.starts_with(&there), "{what}: '{topic}' is {there:?}");
                assert!(
                    may_be_shorter || there.len() == records.len(),
                    "{what}: '{topic}' has {}",
                    there.len()
                );
            }
            Err(_) => named = true,
        }
        for offset in 0..records.len() {
            let limit = ReadLimit::records(1);
            let Ok(read) = log.read(topic, Offset::new(offset as u64), limit).await else { continue };
            for record in read.records {
                assert_eq!(
                    Some(&json!([record.offset, record.entry.envelope])),
                    records.get(offset),
                    "{what}"
                );
            }
        }
    }
    match log.load("billing").await.unwrap() {
        Some(there) => assert_eq!(there, written.subscription, "{what}"),
        None => assert!(may_be_shorter, "{what}: the subscription is gone"),
    }
    log.close().await.unwrap();
    named
}

/// The places to look at: all of them in the slow lane.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let step = (1_009 / proof()).max(1);
    (0..length).step_by(step)
}

/// Changes a file byte by byte, and cuts it at every length; how many changes were noticed.
fn damage(killed: bool, file: &'static str, may_be_shorter: bool) {
    let (files, written) = run(written(killed));
    assert!(!run(look(&files, &written, false, "as it was")));
    let whole = files[file].clone();
    assert!(!whole.is_empty());
    let mut noticed = 0;
    for at in places(whole.len()) {
        let mut changed = files.clone();
        changed.get_mut(file).unwrap()[at] ^= 1 << (at % 8);
        let mut cut = files.clone();
        cut.get_mut(file).unwrap().truncate(at);
        for (what, files) in
            [(format!("{file} changed at {at}"), changed), (format!("{file} cut at {at}"), cut)]
        {
            // Each has a time of its own, so that one that hangs is seen.
            noticed += u32::from(run(look(&files, &written, may_be_shorter, &what)));
        }
    }
    println!("{file}: {noticed} of {} changes gave an error", 2 * places(whole.len()).count());
}

#[test]
fn a_changed_database_gives_no_wrong_record() {
    damage(false, "log.db", false);
}

#[test]
fn a_changed_database_with_commits_ahead_of_it_gives_no_wrong_record() {
    damage(true, "log.db", false);
}

#[test]
fn a_changed_file_ahead_gives_a_log_without_its_end_at_most() {
    damage(true, "log.db-wal", true);
}
