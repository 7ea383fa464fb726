//! Starts processes, stops them in the middle, and has the judge hear everything that they say.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::fault::Fault;
use crate::judge::Judge;
use crate::place::Place;
use crate::said::{PUBLISHERS, Said};
use crate::worker::{ORDER, Order};

/// For how long nothing may be said by those who have work.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who says nothing for so long has nothing to do.
const QUIET: Duration = Duration::from_millis(300);
/// Publishing goes on as long as no more than this is unhandled.
const BACKLOG: u64 = 2_000;

/// How a process is stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// As `kill -9` does.
    Kill,
    /// It is asked to stop, as `kill` does.
    Ask,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Role {
    publish: bool,
    consume: bool,
}

/// A number of stops at random points, and an undisturbed end.
pub(crate) struct Trial {
    pub(crate) place: Place,
    pub(crate) stop: Stop,
    pub(crate) stops: usize,
    pub(crate) fault: Option<Fault>,
    pub(crate) seed: u64,
}

struct Process {
    id: usize,
    role: Role,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes of a trial, and what they say.
struct Running<'a> {
    trial: &'a Trial,
    judge: Judge,
    rng: SmallRng,
    processes: Vec<Process>,
    started: usize,
    /// Processes that have not said yet that they are ready.
    unready: Vec<usize>,
    says: Sender<(usize, Option<Said>)>,
    said: Receiver<(usize, Option<Said>)>,
}

impl Trial {
    /// Runs it, until something is wrong. On a folder one process does everything.
    pub(crate) fn run(&self) -> Judge {
        let both = Role { publish: true, consume: true };
        let roles = if self.place.is_shared() {
            vec![Role { consume: false, ..both }, Role { publish: false, ..both }]
        } else {
            vec![both]
        };
        let (says, said) = channel();
        let mut running = Running {
            trial: self,
            judge: Judge::new(self.place.clone(), self.stop == Stop::Ask),
            rng: SmallRng::seed_from_u64(self.seed),
            processes: Vec::new(),
            started: 0,
            unready: Vec::new(),
            says,
            said,
        };
        for round in 0..self.stops {
            running.round(&roles, round + 1 == self.stops);
            if !running.judge.problems.is_empty() {
                return running.judge;
            }
        }
        for role in roles {
            running.start(role, true);
            running.hear_the_end();
        }
        running.judge.ends();
        running.judge
    }
}

impl Running<'_> {
    /// Starts what does not run, lets it work for a while, and stops one or all.
    fn round(&mut self, roles: &[Role], is_last: bool) {
        for role in roles {
            if !self.processes.iter().any(|process| process.role == *role) {
                self.start(*role, false);
            }
        }
        if self.trial.stop == Stop::Kill && self.rng.random_ratio(1, 8) {
            // While it starts.
            let after = Duration::from_micros(self.rng.random_range(0..60_000));
            self.hear_for(after);
        } else {
            // As many points early in a run as late in it.
            let lines = 10_f64.powf(self.rng.random_range(0.0..4.0)) as usize;
            self.hear_lines(lines);
        }
        let picked = self.rng.random_range(0..=roles.len());
        let stopped: Vec<_> = match roles.get(picked) {
            Some(role) if !is_last => vec![*role],
            _ => roles.to_vec(),
        };
        for role in stopped {
            self.stop(role);
        }
        // What a consumer has acknowledged meanwhile may not have been heard yet. And where nobody looks, it is the next
        // run that recovers the log.
        let consumes = self.processes.iter().any(|process| process.role.consume);
        if !consumes && self.rng.random() {
            self.judge.look();
        }
    }

    fn start(&mut self, role: Role, to_the_end: bool) {
        let count = BACKLOG.saturating_sub(self.judge.backlog()) / PUBLISHERS;
        let order = Order {
            place: self.trial.place.clone(),
            fault: self.trial.fault,
            publish: role.publish.then_some((self.judge.rounds, count)),
            consume: role.consume,
            // Where it is asked to stop, what saves the cursors is the stop.
            cursor_interval: match self.trial.stop {
                Stop::Kill => Duration::from_millis(25),
                Stop::Ask => Duration::from_secs(3_600),
            },
            to_the_end,
        };
        if role.consume {
            self.judge.consumers_start();
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "worker::worker", "--nocapture", "--test-threads=1"])
            .env(ORDER, serde_json::to_string(&order).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = spawn(&mut command);
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
        self.unready.push(id);
        self.processes.push(Process { id, role, child });
    }

    /// Hears one thing; `false` if nothing was said for so long, or somebody has ended.
    fn hear(&mut self, patience: Duration) -> bool {
        let (id, said) = match self.said.recv_timeout(patience) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => unreachable!("this process could say something"),
        };
        let Some(said) = said else {
            self.ended(id);
            return false;
        };
        if matches!(said, Said::Ready) {
            self.unready.retain(|unready| *unready != id);
        }
        self.judge.hear(said);
        true
    }

    /// Somebody has ended who was not asked to.
    fn ended(&mut self, id: usize) {
        let Some(at) = self.processes.iter().position(|process| process.id == id) else { return };
        let mut process = self.processes.swap_remove(at);
        let status = process.child.wait().unwrap();
        self.judge.note(Err(format!("a process has ended by itself: {:?}, {status}", process.role)));
    }

    /// Hears so many things, once everybody is ready.
    fn hear_lines(&mut self, lines: usize) {
        while !self.unready.is_empty() {
            if !self.hear(PATIENCE) {
                self.judge.note(Err("a process is never ready".to_owned()));
                return;
            }
        }
        for _ in 0..lines {
            if !self.hear(QUIET) {
                return;
            }
        }
    }

    fn hear_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.hear(left);
        }
    }

    /// Stops a process, and hears all that it had said by then.
    fn stop(&mut self, role: Role) {
        let Some(at) = self.processes.iter().position(|process| process.role == role) else { return };
        let mut process = self.processes.swap_remove(at);
        match self.trial.stop {
            Stop::Kill => process.child.kill().unwrap(),
            Stop::Ask => {
                let id = process.child.id().to_string();
                assert!(spawn(Command::new("kill").args(["-TERM", &id])).wait().unwrap().success());
            }
        }
        self.judge.stops += 1;
        self.hear_out(process.id);
        self.unready.retain(|unready| *unready != process.id);
        let status = process.child.wait().unwrap();
        if self.trial.stop == Stop::Ask && !status.success() {
            self.judge.note(Err(format!("a process that was asked to stop has failed: {status}")));
        }
    }

    /// Hears a process that ends by itself.
    fn hear_the_end(&mut self) {
        let mut process = self.processes.pop().unwrap();
        self.hear_out(process.id);
        let status = process.child.wait().unwrap();
        if !status.success() {
            self.judge.note(Err(format!("the last process has failed: {status}")));
        }
    }

    /// Hears until a process has nothing more to say.
    fn hear_out(&mut self, id: usize) {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok((other, None)) if other == id => return,
                Ok((other, None)) => self.ended(other),
                Ok((_, Some(said))) => self.judge.hear(said),
                Err(_) => {
                    self.judge.note(Err("a process that is to end says nothing and does not end".to_owned()));
                    return;
                }
            }
        }
    }
}

/// Until it runs its own program, a child has everything open that this process has, the lock of a folder too: while
/// somebody looks into a log here, nobody makes one.
static FORKING: Mutex<()> = Mutex::new(());

pub(crate) fn while_nobody_forks() -> MutexGuard<'static, ()> {
    FORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(command: &mut Command) -> Child {
    let _alone = while_nobody_forks();
    // It returns once the child runs its own program.
    command.spawn().unwrap()
}
