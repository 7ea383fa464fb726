use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::{ErrorCode, Problem};
use serde::{Deserialize, Serialize};

use crate::config::Fields;

/// The options of an [`ActorAdapter`](super::ActorAdapter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActorOptions {
    /// Whether to answer as soon as the envelope is in the mailbox; no.
    #[serde(rename = "async")]
    pub async_: bool,
    /// How long the actor may take to answer; 5 s, in milliseconds where it is serialised.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

impl Default for ActorOptions {
    fn default() -> Self {
        Self { async_: false, timeout: Duration::from_secs(5) }
    }
}

impl ActorOptions {
    /// Takes `async` and `timeout_ms` from the target: there are no options of its own.
    #[must_use]
    pub fn read(fields: &mut Fields<'_>) -> Self {
        Self { async_: fields.is_async(), timeout: fields.timeout() }
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let text = format!("timeout_ms is {}: use 1 to 3600000", self.timeout.as_millis());
        let valid = !self.timeout.is_zero() && self.timeout <= Duration::from_secs(3600);
        if valid { Vec::new() } else { vec![Problem::new(ErrorCode::InvalidParameter, text)] }
    }
}
