//! Starts the pipeline, kills it, writes down what it says.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use dispatch_adapters::bus::TopicLog;
use dispatch_adapters::model::Topic;
use dispatch_adapters::{SqliteLog, SqliteLogOptions};

use crate::Args;
use crate::live::Live;
use crate::said::{Said, TOPIC, Who};
use crate::tally::Tally;

/// For how long nothing may be handled.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the pipeline ran, and was killed.
#[derive(Default)]
pub(crate) struct Runs {
    pub(crate) started: u64,
    pub(crate) killed: u64,
}

/// What the log says in the end, without the pipeline.
pub(crate) struct Left {
    pub(crate) records: u64,
    /// The first offset that each has not settled.
    pub(crate) cursors: [u64; 3],
}

/// A pipeline at work; it does not outlive its parent's interest.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the pipeline until it ends by itself, and kills it as often as asked before that.
pub(crate) fn run(args: &Args, folder: &Path, events: u64) -> Result<(Tally, Runs), Box<dyn Error>> {
    let (mut tally, mut runs, mut live) = (Tally::default(), Runs::default(), Live::new());
    loop {
        runs.started += 1;
        // The kills part the work evenly. Work that is done again does not count, so every run gets further.
        let goal = (runs.killed < args.kills)
            .then(|| events * Who::ALL.len() as u64 * (runs.killed + 1) / (args.kills + 1));
        let mut running = Running(start(args, folder, tally.acknowledged())?);
        let mut killed = false;
        let said = listen(&mut running.0)?;
        let mut moved = (tally.handled(), Instant::now());
        loop {
            let line = match said.recv_timeout(PATIENCE) {
                Ok(line) => line,
                // It was killed, or has ended, and everything it said was heard.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err("the pipeline says nothing any more".into()),
            };
            match serde_json::from_str(&line)? {
                Said::Lag(lag) => live.lag(runs.started, lag),
                happened => tally.add(happened),
            }
            if tally.handled() > moved.0 {
                moved = (tally.handled(), Instant::now());
            } else if moved.1.elapsed() > PATIENCE {
                return Err("the pipeline handles nothing any more".into());
            }
            if !killed && goal.is_some_and(|goal| tally.handled() >= goal) {
                running.0.kill()?;
                killed = true;
            }
        }
        let status = running.0.wait()?;
        if status.success() {
            return Ok((tally, runs));
        }
        if !killed {
            return Err(format!("the pipeline has failed: {status}").into());
        }
        runs.killed += 1;
        live.say(&format!("killed for the {} time", nth(runs.killed)));
    }
}

fn start(args: &Args, folder: &Path, from: u64) -> Result<Child, std::io::Error> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--work-from").arg(from.to_string()).arg("--dir").arg(folder);
    command.arg("--seed").arg(args.seed.to_string());
    if let Some(input) = &args.input {
        command.arg("--input").arg(input);
    }
    if let Some(events) = args.events {
        command.arg("--events").arg(events.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// The lines that it says. What it said before it was killed is heard too.
fn listen(child: &mut Child) -> Result<Receiver<String>, Box<dyn Error>> {
    let output = child.stdout.take().ok_or("the pipeline has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

fn nth(number: u64) -> String {
    match number {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        _ => format!("{number}th"),
    }
}

/// Looks into the log that is left.
pub(crate) async fn look(folder: &Path) -> Result<Left, Box<dyn Error>> {
    let log = SqliteLog::open(SqliteLogOptions::new(folder)).await?;
    let topic: Topic = TOPIC.parse()?;
    let records = log.bounds(&topic).await?.head.get();
    let mut cursors = [0; 3];
    for (who, cursor) in Who::ALL.iter().zip(&mut cursors) {
        let stored = log.load(who.as_str()).await?;
        *cursor = stored.iter().flat_map(|it| &it.cursors).map(|it| it.next.get()).max().unwrap_or(0);
    }
    log.close().await?;
    Ok(Left { records, cursors })
}
