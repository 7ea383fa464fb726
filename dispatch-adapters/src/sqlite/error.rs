//! What SQLite and the file system say, as errors of a log. None of it holds a value that was stored.

use std::io;
use std::path::Path;

use dispatch_core::log::LogError;
use rusqlite::{Error, ErrorCode};

/// An error of SQLite.
pub(super) fn of(doing: &str, error: Error) -> LogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LogError::Full { what: format!("{doing}: {error}") },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            LogError::ReadOnly { what: format!("{doing}: {error}") }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(doing, error),
        Some(ErrorCode::TooBig) => LogError::Full { what: format!("{doing}: {error}") },
        Some(_) => LogError::unavailable(doing.to_owned(), error),
        // What is stored has another shape than what is ever written.
        None => damaged(doing, error),
    }
}

/// The database is not what was written.
pub(super) fn damaged(doing: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LogError {
    LogError::failed(format!("{doing}: the database is damaged; restore its folder from a copy"), error)
}

/// An error of the file system.
pub(super) fn of_file(doing: &str, path: &Path, error: io::Error) -> LogError {
    let what = format!("{doing} {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => LogError::ReadOnly { what },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogError::Full { what },
        _ => LogError::failed(what, error),
    }
}
