use std::io;

use dispatch_core::delivery::DeliveryError;
use redis::{ErrorKind, RedisError, RedisResult, Value};

use crate::tls::refusal;

/// Codes of errors that pass: the server is starting, full, failing over, or waiting for its replicas.
const PASSING: &[&str] = &[
    "LOADING",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "READONLY",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "BUSY",
    "UNBLOCKED",
];

/// Codes of errors about who we are.
const LOGIN: &[&str] = &["WRONGPASS", "NOAUTH", "NOPERM"];

/// No connection was made.
pub(super) fn not_connected(failed: RedisError, server: &str) -> DeliveryError {
    if is_login(&failed) {
        return refused_login(failed, server);
    }
    let made = match failed.kind() {
        ErrorKind::Server(_) if !passes(&failed) => {
            let text = failed.detail().unwrap_or("no reason given");
            DeliveryError::permanent(format!("{server} refused the connection: {text}"))
        }
        _ => DeliveryError::retry(format!("cannot connect to {server}: {}", failed.category())),
    };
    made.with_source(failed)
}

/// No connection with TLS was made, at which the client had no part yet.
pub(super) fn not_dialled(failed: io::Error, server: &str) -> DeliveryError {
    let why = refusal(&failed).unwrap_or_else(|| failed.kind().to_string());
    DeliveryError::retry(format!("cannot connect to {server}: {why}")).with_source(failed)
}

/// A command was not run, or nobody knows whether it was.
pub(super) fn not_run(failed: RedisError, server: &str) -> DeliveryError {
    if is_login(&failed) {
        return refused_login(failed, server);
    }
    let code = failed.code().map(str::to_owned);
    let made = match code {
        Some(code) if passes(&failed) => DeliveryError::retry(format!("{server} cannot do it now: {code}")),
        Some(code) => {
            let detail = failed.detail().unwrap_or_default();
            DeliveryError::permanent(format!("{server} refused the command: {code} {detail}"))
        }
        None => DeliveryError::retry(format!("the connection to {server} failed: {}", failed.category())),
    };
    made.with_source(failed)
}

/// Whether the server sends us elsewhere: a connection made anew may lead to one that takes writes.
pub(super) fn needs_another(answer: &RedisResult<Value>) -> bool {
    answer.as_ref().is_err_and(|failed| failed.code() == Some("READONLY"))
}

fn passes(failed: &RedisError) -> bool {
    failed.code().is_some_and(|code| PASSING.contains(&code))
}

fn is_login(failed: &RedisError) -> bool {
    failed.kind() == ErrorKind::AuthenticationFailed
        || failed.code().is_some_and(|code| LOGIN.contains(&code))
}

fn refused_login(failed: RedisError, server: &str) -> DeliveryError {
    let text = format!("{server} refused the login, or what this user may do: check the user in the url");
    DeliveryError::permanent(text).with_source(failed)
}
