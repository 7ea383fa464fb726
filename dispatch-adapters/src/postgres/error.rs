use std::error::Error as _;

use dispatch_core::delivery::DeliveryError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::tls::refusal;

/// No connection was made.
pub(super) fn not_connected(failed: Error, server: &str) -> DeliveryError {
    let made = match failed.code().map(SqlState::code) {
        Some(code) if code.starts_with("28") => {
            DeliveryError::permanent(format!("{server} refused the login: check the user in the url"))
        }
        Some("3D000") => {
            DeliveryError::permanent(format!("{server} has no such database: check the path of the url"))
        }
        Some("42501") => DeliveryError::permanent(format!("{server} does not let this user connect")),
        Some(code) => DeliveryError::retry(format!("{server} refused the connection: {code}")),
        None => {
            let why = refusal(&failed).unwrap_or_else(|| cause(&failed));
            DeliveryError::retry(format!("cannot connect to {server}: {why}"))
        }
    };
    made.with_source(failed)
}

/// A notification was not sent, or nobody knows whether it was.
pub(super) fn not_sent(failed: Error, server: &str) -> DeliveryError {
    let made = match failed.as_db_error() {
        Some(refused) => {
            let text = format!(
                "{server} refused the notification: {} ({})",
                refused.message(),
                refused.code().code()
            );
            // Data and syntax are about the notification; the rest, such as a full queue or a replica, is not.
            if refused.code().code().starts_with("22") || refused.code().code().starts_with("42") {
                DeliveryError::permanent(text)
            } else {
                DeliveryError::retry(text)
            }
        }
        None => DeliveryError::retry(format!("the connection to {server} failed: {}", cause(&failed))),
    };
    made.with_source(failed)
}

/// Whether the server is one that takes no notifications, as after a failover: another connection may lead elsewhere.
pub(super) fn needs_another(error: &DeliveryError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<Error>());
    source.and_then(Error::code).is_some_and(|code| *code == SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// What the client says, without the text of its sources, which may name what it was given.
pub(crate) fn cause(failed: &Error) -> String {
    match failed.source().and_then(|source| source.downcast_ref::<std::io::Error>()) {
        Some(cause) => cause.kind().to_string(),
        None if failed.is_closed() => "closed".to_owned(),
        // The client has no other sign of it.
        None if failed.source().is_some_and(|why| why.to_string() == "server does not support TLS") => {
            "it does not speak TLS, which sslmode asks for".to_owned()
        }
        None => "protocol".to_owned(),
    }
}
