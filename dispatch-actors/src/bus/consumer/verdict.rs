use std::any::type_name;
use std::fmt::Display;
use std::time::Duration;

use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind};

/// What a consumer says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was handled.
    Ack,
    /// It was not handled; it comes again.
    Nack {
        /// When, at the soonest; what the policy of the subscription says if absent.
        delay: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// It will never be handled: it is treated as one whose retries are used up.
    Reject {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// What an adapter has answered.
    pub(in crate::bus) fn of_delivery(error: &DeliveryError) -> Self {
        let reason = error.message().to_owned();
        match error.kind() {
            DeliveryErrorKind::Permanent | DeliveryErrorKind::Disabled => Self::Reject { reason },
            DeliveryErrorKind::RetryAfter(delay) => Self::Nack { delay: Some(delay), reason },
            _ => Self::Nack { delay: None, reason },
        }
    }
}

/// What the function of a consumer may return: nothing, a [`Verdict`], or a result whose error refuses the message.
pub trait IntoVerdict {
    /// What it says of the message.
    fn into_verdict(self) -> Verdict;
}

impl IntoVerdict for () {
    fn into_verdict(self) -> Verdict {
        Verdict::Ack
    }
}

impl IntoVerdict for Verdict {
    fn into_verdict(self) -> Verdict {
        self
    }
}

impl<T: IntoVerdict, E: Display> IntoVerdict for Result<T, E> {
    fn into_verdict(self) -> Verdict {
        match self {
            Ok(value) => value.into_verdict(),
            Err(error) => {
                // As errors of dispatchers are written: the name of the type, and what it says.
                let name = type_name::<E>().split('<').next().unwrap_or_default();
                let name = name.rsplit("::").next().unwrap_or_default();
                let reason = if name.starts_with(char::is_uppercase) && name != "String" && name != "Box" {
                    format!("{name}: {error}")
                } else {
                    error.to_string()
                };
                Verdict::Nack { delay: None, reason }
            }
        }
    }
}
