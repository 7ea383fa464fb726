use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::thread;

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Event;
use super::lines::{Line, Lines};
use super::workload::Workload;

/// Which events are wanted.
#[derive(Debug)]
pub struct Source {
    /// A file of JSON lines, or `-` for standard input; made up without it.
    pub input: Option<PathBuf>,
    /// How many at most.
    pub events: Option<u64>,
    /// How many are made up unless a number is given.
    pub made_up: u64,
    /// Seed of what is made up.
    pub seed: u64,
    /// Longest line in bytes; a longer one is unreadable.
    pub max_line: usize,
}

/// Events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Not at all.
    #[error("cannot read '{}': {source}; give --input a file of JSON lines, or '-' for standard input", path.display())]
    Open {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
    /// Not to the end.
    #[error(
        "reading the input failed after line {line}: {source}; the figures are those of the lines before"
    )]
    Read {
        /// The last line that could be read.
        line: u64,
        /// Why the next could not be.
        source: io::Error,
    },
}

/// Something that was read.
#[derive(Debug)]
pub enum Entry {
    /// An event.
    Event {
        /// What it is.
        event: Event,
        /// How long its line was.
        bytes: usize,
    },
    /// A line that is none.
    Unreadable {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// Several entries, in their order.
#[derive(Debug, Default)]
pub struct Batch {
    /// What was read.
    pub entries: Vec<Entry>,
    /// Bytes of the input read so far.
    pub position: u64,
}

/// How much there is to read.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// So many events.
    Events(u64),
    /// So many bytes.
    Bytes(u64),
    /// Nobody knows.
    Unknown,
}

/// The input, opened and being read.
#[derive(Debug)]
pub struct Input {
    /// What is read, until the end or an error.
    pub batches: Receiver<Result<Batch, InputError>>,
    /// How much there is.
    pub expected: Expected,
}

const BATCH_LINES: usize = 64;
const BATCH_BYTES: u64 = 1024 * 1024;
/// Batches that may wait.
const WAITING: usize = 2;

/// Begins to read events, on a thread of its own that parses them and sends them on in batches.
///
/// - Never more than a few batches are held, and a batch ends after 64 lines or 1 MiB.
/// - A batch is sent before the thread waits for input: what has come in is dispatched at once.
///
/// # Errors
/// [`InputError::Open`].
pub fn open(source: &Source) -> Result<Input, InputError> {
    let (sender, batches) = mpsc::channel(WAITING);
    let most = source.events.unwrap_or(u64::MAX);
    let expected = match source.input.as_deref() {
        None => {
            let (events, seed) = (source.events.unwrap_or(source.made_up), source.seed);
            thread::spawn(move || make_up(seed, events, &sender));
            Expected::Events(events)
        }
        Some(path) if path == Path::new("-") => {
            let lines = Lines::new(io::stdin(), source.max_line);
            thread::spawn(move || read(lines, most, &sender));
            Expected::Unknown
        }
        Some(path) => {
            let failed = |error| InputError::Open { path: path.to_owned(), source: error };
            let file = File::open(path).map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            if about.is_dir() {
                return Err(failed(ErrorKind::IsADirectory.into()));
            }
            let lines = Lines::new(file, source.max_line);
            thread::spawn(move || read(lines, most, &sender));
            if about.is_file() && source.events.is_none() {
                Expected::Bytes(about.len())
            } else {
                Expected::Unknown
            }
        }
    };
    Ok(Input { batches, expected })
}

/// Sends `most` events of a workload. Ends early if nobody wants them any more.
fn make_up(seed: u64, most: u64, sender: &Sender<Result<Batch, InputError>>) {
    let mut workload = Workload::new(seed);
    let mut left = most;
    while left > 0 {
        let size = left.min(BATCH_LINES as u64);
        left -= size;
        // A batch is small, so its size fits.
        let events = workload.by_ref().take(size as usize);
        let entries = events.map(|event| Entry::Event { event, bytes: 0 }).collect();
        if sender.blocking_send(Ok(Batch { entries, position: 0 })).is_err() {
            return;
        }
    }
}

/// Sends up to `most` entries, one for each line that is not empty.
fn read<R: Read>(mut lines: Lines<R>, most: u64, sender: &Sender<Result<Batch, InputError>>) {
    let (mut number, mut count) = (0, 0);
    let mut batch = Batch::default();
    let mut begun = 0;
    while count < most {
        let full = batch.entries.len() >= BATCH_LINES || lines.taken() - begun >= BATCH_BYTES;
        if !batch.entries.is_empty() && (full || !lines.is_ready()) {
            begun = lines.taken();
            batch.position = begun;
            if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                return;
            }
        }
        number += 1;
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(source) => {
                // Nobody reads the rest if this is not wanted any more.
                let _ = sender.blocking_send(Err(InputError::Read { line: number - 1, source }));
                return;
            }
        };
        if let Some(entry) = entry(line, number) {
            count += 1;
            batch.entries.push(entry);
        }
    }
    batch.position = lines.taken();
    // As above.
    let _ = sender.blocking_send(Ok(batch));
}

fn entry(line: Line<'_>, number: u64) -> Option<Entry> {
    let text = match line {
        // A byte order mark is no part of the first line.
        Line::Text(text) if number == 1 => text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
        Line::Text(text) => text,
        Line::TooLong { bytes } => {
            let reason = format!("{bytes} bytes are too long for a line; raise --max-line if that is right");
            return Some(Entry::Unreadable { line: number, reason });
        }
    };
    if text.trim_ascii().is_empty() {
        return None;
    }
    Some(match Event::parse(text) {
        Ok(event) => Entry::Event { event, bytes: text.len() },
        Err(reason) => Entry::Unreadable { line: number, reason },
    })
}
