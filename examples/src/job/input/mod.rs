//! Where events come from: a thread of its own that reads, parses and sends them on in batches.
//!
//! - Never more than a few batches are held, and a batch ends after 64 lines or 1 MiB.
//! - A batch is sent before the thread waits for input: what has come in is dispatched at once.

mod lines;
mod workload;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::thread;

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::args::{Args, DEFAULT_EVENTS};
use super::error::JobError;
use super::event::Event;
use lines::{Line, Lines};
use workload::Workload;

/// Something that was read.
pub(crate) enum Entry {
    Event { event: Event, bytes: usize },
    Unreadable { line: u64, reason: String },
}

/// Several entries, in their order.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    /// Bytes of the input read so far.
    pub(crate) position: u64,
}

/// How much there is to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    Events(u64),
    Bytes(u64),
    Unknown,
}

/// The input, opened and being read.
pub(crate) struct Input {
    pub(crate) batches: Receiver<Result<Batch, JobError>>,
    pub(crate) expected: Expected,
}

const BATCH_LINES: usize = 64;
const BATCH_BYTES: u64 = 1024 * 1024;
/// Batches that may wait.
const WAITING: usize = 2;

/// Opens what the arguments name and begins to read it.
pub(crate) fn open(args: &Args) -> Result<Input, JobError> {
    let (sender, batches) = mpsc::channel(WAITING);
    let most = args.events.unwrap_or(u64::MAX);
    let expected = match args.input.as_deref() {
        None => {
            let (events, seed) = (args.events.unwrap_or(DEFAULT_EVENTS), args.seed);
            thread::spawn(move || make_up(seed, events, &sender));
            Expected::Events(events)
        }
        Some(path) if path == Path::new("-") => {
            let lines = Lines::new(io::stdin(), args.max_line);
            thread::spawn(move || read(lines, most, &sender));
            Expected::Unknown
        }
        Some(path) => {
            let failed = |source| JobError::OpenInput { path: path.to_owned(), source };
            let file = File::open(path).map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            if about.is_dir() {
                return Err(failed(ErrorKind::IsADirectory.into()));
            }
            let lines = Lines::new(file, args.max_line);
            thread::spawn(move || read(lines, most, &sender));
            if about.is_file() && args.events.is_none() {
                Expected::Bytes(about.len())
            } else {
                Expected::Unknown
            }
        }
    };
    Ok(Input { batches, expected })
}

/// Sends `most` events of a workload. Ends early if nobody wants them any more.
fn make_up(seed: u64, most: u64, sender: &Sender<Result<Batch, JobError>>) {
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
fn read<R: Read>(mut lines: Lines<R>, most: u64, sender: &Sender<Result<Batch, JobError>>) {
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
                let _ = sender.blocking_send(Err(JobError::Read { line: number - 1, source }));
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
