//! What the server says, as errors of a queue.
//!
//! The texts of the server are left out, and so are the errors of the client that hold them: they may show a key or a
//! row. What is told is the code, which is looked up in the manual of PostgreSQL.

use dispatch_core::queue::QueueError;
use tokio_postgres::Error;

use crate::postgres::error::cause;
use crate::tls::refusal;

/// Why a step has failed.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server or the connection.
    Server(Error),
    /// Something that is known.
    Known(QueueError),
}

/// What a step comes to.
pub(super) type Step<T> = Result<T, Broken>;

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<QueueError> for Broken {
    fn from(error: QueueError) -> Self {
        Self::Known(error)
    }
}

impl Broken {
    /// Whether others were in the way, so that doing it once more is likely to help.
    pub(super) fn is_conflict(&self) -> bool {
        match self {
            // A serialization failure, a deadlock.
            Self::Server(error) => error.code().is_some_and(|code| matches!(code.code(), "40001" | "40P01")),
            Self::Known(_) => false,
        }
    }

    /// The error for whoever has asked; `server` is its host and port.
    pub(super) fn into_error(self, server: &str) -> QueueError {
        match self {
            Self::Known(error) => error,
            Self::Server(error) => of(&error, server),
        }
    }
}

fn unavailable(what: String) -> QueueError {
    QueueError::Unavailable { what, retry_in: None, source: None }
}

fn failed(what: String) -> QueueError {
    QueueError::Failed { what, source: None }
}

/// No connection was made.
pub(super) fn not_connected(error: &Error, server: &str) -> QueueError {
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some(code) if code.starts_with("28") => {
            failed(format!("{server} refused the login ({code}): check the user in the url"))
        }
        Some("3D000") => failed(format!("{server} has no such database: check the path of the url")),
        Some("42501") => failed(format!("{server} does not let this user connect: check its rights")),
        Some(code) => unavailable(format!(
            "{server} refused the connection ({code}): if it does not pass, see what its log says"
        )),
        None => {
            let why = refusal(error).unwrap_or_else(|| cause(error));
            unavailable(format!("cannot connect to {server} ({why}): start the server, or correct the url"))
        }
    }
}

/// No answer came in time.
pub(super) fn too_late(server: &str) -> QueueError {
    unavailable(format!(
        "no answer from {server} in time: if it does not pass, look for locks that are held, or raise the timeout"
    ))
}

fn of(error: &Error, server: &str) -> QueueError {
    let Some(code) = error.code() else {
        return if error.is_closed() || error.as_db_error().is_some() || is_io(error) {
            unavailable(format!("the connection to {server} was lost ({})", cause(error)))
        } else {
            failed(format!(
                "{server} has answered with something else than a queue has stored: check who else writes its tables"
            ))
        };
    };
    let code = code.code();
    match (code.get(..2), code) {
        (_, "53100") => QueueError::Full { what: format!("the disk of {server}") },
        (_, "57014" | "55P03") => too_late(server),
        (Some("08" | "40" | "53" | "57" | "58"), _) => {
            unavailable(format!("{server} does not work now ({code})"))
        }
        (_, "25006" | "42501") => {
            QueueError::ReadOnly { what: format!("{server} does not let this user write ({code})") }
        }
        (_, "3F000" | "42P01" | "42703" | "42883") => failed(format!(
            "the tables of the queue are missing in {server}, or are others ({code}): run the migrations"
        )),
        _ => failed(format!("{server} refused what it was asked ({code}): its log says why")),
    }
}

fn is_io(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    source.and_then(|source| source.downcast_ref::<std::io::Error>()).is_some()
}
