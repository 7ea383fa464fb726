//! The folder of a log, and who has it.
//!
//! - One process at a time: the lock goes with the process, however it ends.
//! - A folder whose log was made once is marked. A database that is missing from it afterwards is damage, and not the
//!   beginning of a new log.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use dispatch_core::log::LogError;

use super::error;

const DATABASE: &str = "log.db";
const LOCK: &str = "log.lock";
/// What a marked lock file holds.
const MARK: &[u8] = b"a topic log is in this folder\n";

/// A folder that is ours for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
    marked: bool,
}

impl Folder {
    /// Makes the folder if it is not there, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self, LogError> {
        if !path.is_dir() {
            fs::create_dir_all(path).map_err(|error| error::of_file("making", path, error))?;
            // The new name has to be on disk before anything that is stored under it is promised.
            for parent in path.ancestors().skip(1).filter(|parent| parent.is_dir()).take(2) {
                sync_folder(parent)?;
            }
        }
        let file = path.join(LOCK);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
        let mut lock = opened.map_err(|error| error::of_file("opening", &file, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(error::of_file("locking", &file, error)),
        }
        let mut found = Vec::new();
        lock.read_to_end(&mut found).map_err(|error| error::of_file("reading", &file, error))?;
        Ok(Self { path: path.to_owned(), lock, marked: !found.is_empty() })
    }

    /// Whether a log was made here before.
    pub(super) const fn is_marked(&self) -> bool {
        self.marked
    }

    /// The log stands: from now on its absence is damage.
    pub(super) fn mark(&mut self) -> Result<(), LogError> {
        if !self.marked {
            let written = self.lock.write_all(MARK).and_then(|()| self.lock.sync_all());
            written.map_err(|error| error::of_file("writing", &self.path.join(LOCK), error))?;
            self.marked = true;
        }
        Ok(())
    }

    /// Puts the names of new files on disk.
    pub(super) fn sync(&self) -> Result<(), LogError> {
        sync_folder(&self.path)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The file that SQLite writes ahead.
    pub(super) fn ahead(&self) -> PathBuf {
        self.path.join(format!("{DATABASE}-wal"))
    }
}

fn sync_folder(path: &Path) -> Result<(), LogError> {
    // Elsewhere a folder cannot be opened as a file, and names need no flush of their own.
    if cfg!(unix) {
        let synced = File::open(path).and_then(|folder| folder.sync_all());
        synced.map_err(|error| error::of_file("flushing", path, error))?;
    }
    Ok(())
}
