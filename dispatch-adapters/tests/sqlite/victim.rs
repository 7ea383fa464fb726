//! A process that writes a log until it is stopped, and says on its output what was acknowledged.
//!
//! It is this very test binary, told by variables what to do. Lines are `a OFFSET NUMBER` for an append and `c NEXT`
//! for a cursor.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use dispatch_adapters::model::log::{Cursor, LogError, Offset, StoredSubscription, SyncPolicy, TopicLog};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use serde_json::json;

use crate::support::{all, number_of, numbered, open, run, topic};

const FOLDER: &str = "DISPATCH_VICTIM_FOLDER";
const POLICY: &str = "DISPATCH_VICTIM_POLICY";
const LIES: &str = "DISPATCH_VICTIM_LIES";
/// Appends that are under way at the same time.
const PUBLISHERS: u64 = 8;
const SUBSCRIPTION: &str = "billing";

/// Not a test: what a victim does.
#[test]
fn victim() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let policy: SyncPolicy = serde_json::from_str(&std::env::var(POLICY).unwrap()).unwrap();
    let lies = std::env::var(LIES).is_ok();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let log = SqliteLog::open(SqliteLogOptions::new(folder).with_sync(policy)).await.unwrap();
        let stored =
            StoredSubscription { name: SUBSCRIPTION.into(), definition: json!({}), cursors: Vec::new() };
        log.save(&stored).await.unwrap();
        let publishers = (0..PUBLISHERS).map(|publisher| publish(&log, publisher, lies));
        futures_util::future::join_all(publishers).await;
    });
}

async fn publish(log: &SqliteLog, publisher: u64, lies: bool) {
    for round in 0.. {
        let number = round * PUBLISHERS + publisher;
        if lies {
            // Acknowledged before it is written: what a log with a broken policy does.
            let head = log.bounds(&topic()).await.unwrap().head;
            say(&format!("a {head} {number}"));
        }
        let offset = log.append(&topic(), vec![numbered(number).into()]).await.unwrap()[0];
        if !lies {
            say(&format!("a {offset} {number}"));
        }
        if publisher == 0 && round % 8 == 0 {
            log.save_cursors(SUBSCRIPTION, vec![Cursor::at(topic(), offset.next())]).await.unwrap();
            say(&format!("c {}", offset.next()));
        }
    }
}

fn say(line: &str) {
    // One write, so that a line is whole or not there.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// A running victim, and what it has acknowledged.
pub(crate) struct Victim {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) heard: Heard,
}

/// What a victim has acknowledged.
#[derive(Default, Clone)]
pub(crate) struct Heard {
    /// Offsets and the numbers that were appended there.
    pub(crate) appends: Vec<(u64, u64)>,
    pub(crate) cursor: u64,
}

impl Victim {
    pub(crate) fn start(folder: &Path, policy: SyncPolicy, lies: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "victim::victim", "--nocapture", "--test-threads=1"]);
        command.env(FOLDER, folder).env(POLICY, serde_json::to_string(&policy).unwrap());
        if lies {
            command.env(LIES, "1");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, heard: Heard::default() }
    }

    /// Hears one line; `false` at the end.
    fn hear(&mut self) -> bool {
        let mut line = String::new();
        if self.lines.read_line(&mut line).unwrap() == 0 {
            return false;
        }
        // The test framework talks as well, and the last line may be cut.
        let mut words = line.strip_suffix('\n').unwrap_or_default().split(' ');
        let number = |words: &mut std::str::Split<'_, char>| words.next().and_then(|word| word.parse().ok());
        match words.next() {
            Some("a") => {
                if let Some((offset, value)) = number(&mut words).zip(number(&mut words)) {
                    self.heard.appends.push((offset, value));
                }
            }
            Some("c") => self.heard.cursor = number(&mut words).unwrap_or(self.heard.cursor),
            _ => {}
        }
        true
    }

    /// Listens until so many more appends are acknowledged.
    pub(crate) fn hear_appends(&mut self, more: usize) {
        let enough = self.heard.appends.len() + more;
        while self.heard.appends.len() < enough {
            assert!(self.hear(), "the victim has ended by itself");
        }
    }

    /// Its process, for those who stop it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does, and hears what it had said by then.
    pub(crate) fn kill(mut self) -> Heard {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.hear() {}
        self.heard
    }
}

/// What is wrong with a log after a crash; nothing, if every acknowledged append is there. Where the newest may be
/// lost, the rest has to be without gaps, and no cursor may be past it.
pub(crate) fn check(folder: &Path, heard: &Heard, may_lose_the_newest: bool) -> Result<u64, String> {
    run(async {
        let log = open(folder).await.map_err(|error| format!("it cannot be opened: {error}"))?;
        let records = all(&log, &topic()).await.map_err(|error| format!("it cannot be read: {error}"))?;
        let numbers: Vec<u64> = records.iter().map(number_of).collect();
        if !records.iter().map(|record| record.offset.get()).eq(0..records.len() as u64) {
            return Err("there are gaps".to_owned());
        }
        let mut lost = 0;
        for (offset, number) in &heard.appends {
            match numbers.get(usize::try_from(*offset).unwrap()) {
                Some(there) if there == number => {}
                None if may_lose_the_newest => lost += 1,
                other => return Err(format!("{number} was acknowledged at {offset}, where {other:?} is")),
            }
        }
        let stored = log.load(SUBSCRIPTION).await.map_err(|error| error.to_string())?;
        let cursor = stored.and_then(|stored| stored.cursors.first().map(|cursor| cursor.next));
        let cursor = cursor.map_or(0, Offset::get);
        if cursor > records.len() as u64 {
            return Err(format!("a cursor stands at {cursor}, past {} records", records.len()));
        }
        if cursor < heard.cursor && !may_lose_the_newest {
            return Err(format!("a cursor stands at {cursor}, {} was acknowledged", heard.cursor));
        }
        let next = log.append(&topic(), vec![numbered(0).into()]).await.map_err(|error| error.to_string())?;
        if next != [Offset::new(records.len() as u64)] {
            return Err(format!("it goes on at {next:?} after {} records", records.len()));
        }
        log.close().await.map_err(|error| error.to_string())?;
        Ok(lost)
    })
}

#[test]
fn another_process_is_refused_while_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut victim = Victim::start(folder.path(), SyncPolicy::Os, false);
    victim.hear_appends(10);
    let error = run(open(folder.path())).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    let heard = victim.kill();
    // The lock goes with the process.
    check(folder.path(), &heard, false).unwrap();
}

/// Kills a victim after a few acknowledgements; a different number of them each round.
fn rounds(count: usize, policy: SyncPolicy, lies: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut acknowledged = 0;
    for round in 0..count {
        let folder = tempfile::tempdir().unwrap();
        let mut victim = Victim::start(folder.path(), policy, lies);
        victim.hear_appends(1 + round * 37 % 400);
        let heard = victim.kill();
        acknowledged += heard.appends.len();
        if let Err(error) = check(folder.path(), &heard, false) {
            wrong.push(format!("round {round}: {error}"));
        }
    }
    println!(
        "{policy:?}: {count} kills, {acknowledged} acknowledged appends, {} rounds went wrong",
        wrong.len()
    );
    wrong
}

#[test]
fn nothing_acknowledged_is_lost_with_a_killed_process() {
    let interval = SyncPolicy::Interval { every: Duration::from_millis(5) };
    for policy in [SyncPolicy::Always, SyncPolicy::Os, interval] {
        assert_eq!(rounds(4 * crate::support::proof(), policy, false), Vec::<String>::new());
    }
}

#[test]
fn the_check_finds_a_log_that_acknowledges_too_early() {
    let wrong = rounds(5, SyncPolicy::Always, true);
    assert!(!wrong.is_empty(), "a log that acknowledges before it writes has passed");
}
