use dispatch_core::delivery::DeliveryError;
use lapin::{Error, ErrorKind};

use crate::tls::refusal;

/// No connection was made.
pub(super) fn not_connected(failed: Error, server: &str) -> DeliveryError {
    let made = match failed.kind() {
        ErrorKind::ProtocolError(refused) => match refused.get_id() {
            // The text of the broker speaks of mechanisms of authentication.
            403 => DeliveryError::permanent(format!("{server} refused the login: check the user in the url")),
            530 => DeliveryError::permanent(format!(
                "{server} refused the virtual host: check the path of the url"
            )),
            code => DeliveryError::retry(format!("{server} refused the connection: {code}")),
        },
        ErrorKind::IOError(cause) => {
            let why = refusal(&**cause).unwrap_or_else(|| cause.kind().to_string());
            DeliveryError::retry(format!("cannot connect to {server}: {why}"))
        }
        _ => DeliveryError::retry(format!("cannot connect to {server}: {failed}")),
    };
    made.with_source(failed)
}

/// The broker has not taken a message, or nobody knows whether it has.
pub(super) fn not_taken(failed: Error, server: &str) -> DeliveryError {
    let made = match failed.kind() {
        ErrorKind::ProtocolError(refused) => {
            let text = format!("{server} refused the message: {}", refused.get_message());
            match refused.get_id() {
                // Too large, forbidden, not there, not as declared, not allowed, not implemented.
                311 | 403 | 404 | 406 | 530 | 540 => DeliveryError::permanent(text),
                _ => DeliveryError::retry(text),
            }
        }
        ErrorKind::IOError(cause) => {
            DeliveryError::retry(format!("the connection to {server} failed: {}", cause.kind()))
        }
        _ => DeliveryError::retry(format!("the connection to {server} failed: {failed}")),
    };
    made.with_source(failed)
}
