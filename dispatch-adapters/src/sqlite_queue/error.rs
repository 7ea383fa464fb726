//! What SQLite and the file system say, as errors of a queue. None of it holds a value that was stored.

use std::io;
use std::path::Path;

use dispatch_core::queue::QueueError;
use rusqlite::{Error, ErrorCode};

/// An error of SQLite.
pub(super) fn of(doing: &str, path: &Path, error: Error) -> QueueError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::TooBig) => {
            QueueError::Full { what: format!("{doing}: {error}") }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            QueueError::ReadOnly { what: format!("{doing}: {error}") }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged(path, format!("{doing}: {error}"))
        }
        Some(ErrorCode::CannotOpen) => QueueError::failed(format!("{doing} {}", path.display()), error),
        Some(_) => QueueError::unavailable(format!("{doing}: {error}"), error),
        // What is stored has another shape than what is ever written.
        None => damaged(path, format!("{doing}: {error}")),
    }
}

/// The database is not what was written.
pub(super) fn damaged(path: &Path, what: impl Into<String>) -> QueueError {
    QueueError::Damaged { path: path.to_owned(), what: what.into() }
}

/// An error of the file system.
pub(super) fn of_file(doing: &str, path: &Path, error: io::Error) -> QueueError {
    let what = format!("{doing} {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => QueueError::ReadOnly { what },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => QueueError::Full { what },
        _ => QueueError::failed(what, error),
    }
}
