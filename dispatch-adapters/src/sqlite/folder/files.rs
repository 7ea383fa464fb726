use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

/// What a folder asks of the file system. A model of one stands in for it where a crash at every step is tried.
pub(in crate::sqlite) trait Files {
    /// A file that is locked as long as this lives.
    type Locked;

    fn is_folder(&self, path: &Path) -> bool;

    /// Makes a folder in one that is there.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Puts the names in a folder on disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Opens a file, or makes it, and locks it; nothing if somebody else has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Locked>>;

    /// What is in it.
    fn read(&self, locked: &mut Self::Locked) -> io::Result<Vec<u8>>;

    /// Writes into it, behind what was read.
    fn write(&self, locked: &mut Self::Locked, bytes: &[u8]) -> io::Result<()>;

    /// Puts what was written on disk.
    fn sync(&self, locked: &mut Self::Locked) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug)]
pub(in crate::sqlite) struct Machine;

impl Files for Machine {
    type Locked = File;

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // Elsewhere a folder cannot be opened as a file, and names need no flush of their own.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn read(&self, locked: &mut File) -> io::Result<Vec<u8>> {
        let mut found = Vec::new();
        locked.read_to_end(&mut found)?;
        Ok(found)
    }

    fn write(&self, locked: &mut File, bytes: &[u8]) -> io::Result<()> {
        locked.write_all(bytes)
    }

    fn sync(&self, locked: &mut File) -> io::Result<()> {
        locked.sync_all()
    }
}
