//! Four workers, of which one is killed again and again.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use dispatch_adapters::messenger::{self, DispatchOptions, Message, Messenger, MessengerConfig};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::judge::Judge;
use crate::worker::{ORDER, Order, Said};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Trial {
    random: StdRng,
    kills: usize,
    too_early: bool,
    /// The type of the transport, and where it is.
    transport: String,
    folder: tempfile::TempDir,
    workers: Vec<Process>,
    started: usize,
    says: Sender<(usize, Option<Said>)>,
    said: Receiver<(usize, Option<Said>)>,
    judge: Judge,
    problems: Vec<String>,
}

struct Process {
    id: usize,
    child: Child,
}

pub(crate) struct Verdict {
    pub(crate) problems: Vec<String>,
    kills: usize,
    accepted: usize,
    pub(crate) lost: usize,
    duplicates: usize,
    untold: usize,
    took: Duration,
}

/// What judge and workers agree on: messages that are done are kept, to be judged.
pub(crate) fn config(transport: &str) -> MessengerConfig {
    let text = format!(
        "[transports.default]\n{transport}\nkeep_done_ms = 3600000\n[retry.default]\nmax_retries = 100"
    );
    MessengerConfig::from_toml(&text).unwrap()
}

impl Trial {
    pub(crate) fn new(seed: u64, kills: usize, too_early: bool, transport: &str) -> Self {
        let (says, said) = channel();
        Self {
            random: StdRng::seed_from_u64(seed),
            kills,
            too_early,
            transport: transport.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            workers: Vec::new(),
            started: 0,
            says,
            said,
            judge: Judge::default(),
            problems: Vec::new(),
        }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) async fn run(mut self) -> Verdict {
        let begun = Instant::now();
        let messenger =
            messenger::builder(self.place()).config(config(&self.transport)).open().await.unwrap();
        for _ in 0..4 {
            self.start();
        }
        for round in 0..self.kills as u64 {
            self.dispatch(&messenger, round * 25).await;
            let lines = self.random.random_range(1..60);
            for _ in 0..lines {
                if !self.hear(Duration::from_secs(3)) {
                    break;
                }
            }
            let place = self.random.random_range(0..self.workers.len());
            self.kill(place);
            self.start();
        }
        let until = Instant::now() + PATIENCE;
        while messenger.stats().await.unwrap()[0].total().open() > 0 {
            self.hear(Duration::from_millis(100));
            if Instant::now() > until {
                self.problems.push("messages are still open after a minute".to_owned());
                break;
            }
        }
        for worker in std::mem::take(&mut self.workers) {
            self.ask_to_stop(worker);
        }
        let accepted = self.judge.accepted();
        self.problems.extend(self.judge.judge(&messenger).await);
        Verdict {
            problems: std::mem::take(&mut self.problems),
            kills: self.kills,
            accepted,
            lost: self.judge.lost,
            duplicates: self.judge.duplicates,
            untold: self.judge.untold,
            took: begun.elapsed(),
        }
    }

    async fn dispatch(&mut self, messenger: &Messenger, first: u64) {
        let items = (first..first + 25).map(|number| {
            let options = DispatchOptions {
                priority: Some((number % 10 + 1).cast_signed()),
                ordering_key: (number % 3 == 0).then(|| format!("key-{}", number % 7)),
                ..DispatchOptions::default()
            };
            (Message::new("Work", &json!({ "number": number })).unwrap(), options)
        });
        let results = messenger.dispatch_batch(items).await.results;
        for (number, result) in (first..).zip(results) {
            match result {
                Ok(sent) => self.judge.accept(sent[0].id, number),
                Err(error) => self.problems.push(format!("message {number} was not accepted: {error}")),
            }
        }
    }

    fn start(&mut self) {
        let order = Order { folder: self.place(), config: self.transport.clone(), too_early: self.too_early };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker::worker", "--nocapture", "--test-threads=1"])
            .env(ORDER, serde_json::to_string(&order).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        self.started += 1;
        let (id, output, says) = (self.started, child.stdout.take().unwrap(), self.says.clone());
        // It ends with the process.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test framework talks as well, and the last line may be cut.
                let Ok(said) = serde_json::from_str(&line) else { continue };
                if says.send((id, Some(said))).is_err() {
                    return;
                }
            }
            let _ = says.send((id, None));
        });
        self.workers.push(Process { id, child });
    }

    /// Hears one thing; `false` if nothing was said for so long.
    fn hear(&mut self, patience: Duration) -> bool {
        match self.said.recv_timeout(patience) {
            Ok((_, Some(said))) => {
                self.judge.hear(said);
                true
            }
            Ok((id, None)) => {
                self.problems.push(format!("worker {id} has ended by itself"));
                self.workers.retain(|worker| worker.id != id);
                false
            }
            Err(_) => false,
        }
    }

    fn kill(&mut self, place: usize) {
        let mut worker = self.workers.swap_remove(place);
        worker.child.kill().unwrap();
        worker.child.wait().unwrap();
        self.hear_out(worker.id);
    }

    /// A worker that is asked to stop ends what it has begun.
    fn ask_to_stop(&mut self, mut worker: Process) {
        let id = worker.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.hear_out(worker.id);
        let status = worker.child.wait().unwrap();
        if !status.success() {
            self.problems.push(format!("a worker that was asked to stop has failed: {status}"));
        }
    }

    /// Hears until a worker has nothing more to say.
    fn hear_out(&mut self, id: usize) {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok((other, None)) if other == id => return,
                Ok((other, None)) => self.problems.push(format!("worker {other} has ended by itself")),
                Ok((_, Some(said))) => self.judge.hear(said),
                Err(_) => return self.problems.push(format!("worker {id} does not end")),
            }
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // One that has ended cannot be killed.
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, accepted, lost, duplicates, untold, took, .. } = self;
        write!(
            f,
            "{kills} kills: {accepted} messages accepted, {lost} attempts lost, {duplicates} handled again, {untold} failed \
             and not told, in {took:?}"
        )
    }
}
