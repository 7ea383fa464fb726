//! The folder of a log, and who has it.
//!
//! - One process at a time: the lock goes with the process, however it ends.
//! - A folder whose log was made once is marked. A database that is missing from it afterwards is damage, and not the
//!   beginning of a new log.
//! - The mark is written when the database and every name on the way to it are on disk. Until then they are put there
//!   again each time, for whoever began may have ended before he had done so.
//! - Folders above that were there before need not be such that they can be put on disk: what they hold is not ours.

#[cfg(test)]
mod crash;
mod files;

use std::io;
use std::path::{Path, PathBuf};

use dispatch_core::log::LogError;

use self::files::{Files, Machine};
use super::error;

const DATABASE: &str = "log.db";
const LOCK: &str = "log.lock";
/// What a marked lock file holds. Part of it is enough.
const MARK: &[u8] = b"a topic log is in this folder\n";

/// A folder that is ours for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder<F: Files = Machine> {
    files: F,
    path: PathBuf,
    lock: F::Locked,
    marked: bool,
}

impl Folder {
    /// Makes the folder if it is not there, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self, LogError> {
        Self::take_on(Machine, path)
    }
}

impl<F: Files> Folder<F> {
    fn take_on(files: F, path: &Path) -> Result<Self, LogError> {
        let made = make(&files, path)?;
        let file = path.join(LOCK);
        let locked = files.lock(&file).map_err(|error| error::of_file("locking", &file, error))?;
        let Some(mut lock) = locked else { return Err(LogError::Locked { path: path.to_owned() }) };
        let found = files.read(&mut lock).map_err(|error| error::of_file("reading", &file, error))?;
        let marked = !found.is_empty();
        if marked {
            // Whoever wrote it may have ended before it was on disk.
            files.sync(&mut lock).map_err(|error| error::of_file("flushing", &file, error))?;
        } else {
            sync_way(&files, path, made)?;
        }
        Ok(Self { files, path: path.to_owned(), lock, marked })
    }

    /// Whether a log was made here before.
    pub(super) const fn is_marked(&self) -> bool {
        self.marked
    }

    /// The log stands: from now on its absence is damage.
    pub(super) fn mark(&mut self) -> Result<(), LogError> {
        if !self.marked {
            let written = self.files.write(&mut self.lock, MARK);
            let written = written.and_then(|()| self.files.sync(&mut self.lock));
            written.map_err(|error| error::of_file("writing", &self.path.join(LOCK), error))?;
            self.marked = true;
        }
        Ok(())
    }

    /// Puts the names of new files on disk.
    pub(super) fn sync(&self) -> Result<(), LogError> {
        self.files.sync_folder(&self.path).map_err(|error| error::of_file("flushing", &self.path, error))
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The file that SQLite writes ahead.
    pub(super) fn ahead(&self) -> PathBuf {
        self.path.join(format!("{DATABASE}-wal"))
    }
}

/// Makes a folder, and those on the way to it that are not there; how many.
fn make(files: &impl Files, path: &Path) -> Result<usize, LogError> {
    let is_missing = |level: &&Path| !level.as_os_str().is_empty() && !files.is_folder(level);
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    for level in missing.iter().rev() {
        match files.make_folder(level) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && files.is_folder(level) => {}
            made => made.map_err(|error| error::of_file("making", level, error))?,
        }
    }
    Ok(missing.len())
}

/// Puts the names of a folder and of those on the way to it on disk, before anything that is stored in it is promised;
/// the last so many of them were just made.
fn sync_way(files: &impl Files, path: &Path, made: usize) -> Result<(), LogError> {
    for (level, parent) in path.ancestors().skip(1).enumerate() {
        // What a relative path begins in has no name in it.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match files.sync_folder(parent) {
            // It holds no name of ours: the file system of the log begins below it, for the folder of a log has to be
            // flushed itself.
            Err(error) if level >= made && cannot_be_flushed(&error) => {}
            synced => synced.map_err(|error| error::of_file("flushing", parent, error))?,
        }
    }
    Ok(())
}

/// Whether a folder may not be looked into, is never written, or is on a file system that flushes none.
fn cannot_be_flushed(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported)
}
