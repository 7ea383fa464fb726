use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Moves every file one place on and deletes the last: `x` to `x.1`, `x.1` to `x.2` …
///
/// If it fails half-way, no file is lost but the oldest, and it can be tried again.
pub(super) fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    // The rename replaces what is there, so the last place is emptied by the one before it.
    for place in (1..keep).rev() {
        if_there(fs::rename(numbered(path, place), numbered(path, place + 1)))?;
    }
    if_there(fs::rename(path, numbered(path, 1)))
}

fn if_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The file at a place.
fn numbered(path: &Path, place: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{place}"));
    PathBuf::from(name)
}
