use std::io;

use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind};

/// Why lines could not be written, in words that can be copied: many may wait for the same lines.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: DeliveryErrorKind,
    message: String,
}

impl Fault {
    pub(crate) fn permanent(message: String) -> Self {
        Self { kind: DeliveryErrorKind::Permanent, message }
    }

    pub(crate) fn retry(message: String) -> Self {
        Self { kind: DeliveryErrorKind::Retry, message }
    }

    /// What an error of the operating system means for lines that were to go `to` somewhere.
    pub(crate) fn of(error: &io::Error, to: &str) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull => Self::retry(format!("no space is left to write to {to}: make room")),
            Kind::QuotaExceeded => {
                Self::retry(format!("the quota for {to} is used up: make room or raise it"))
            }
            Kind::FileTooLarge => Self::permanent(format!("{to} is as large as files may be: rotate it")),
            Kind::PermissionDenied => {
                Self::permanent(format!("permission to write to {to} is denied: allow it to this user"))
            }
            Kind::ReadOnlyFilesystem => {
                Self::permanent(format!("{to} is on a read-only file system: choose another place"))
            }
            Kind::IsADirectory => Self::permanent(format!("{to} is a directory: give a file")),
            Kind::NotFound | Kind::NotADirectory => {
                Self::permanent(format!("the folder of {to} does not exist: make it"))
            }
            Kind::BrokenPipe => Self::permanent(format!("nobody reads {to} any more")),
            other => Self::retry(format!("writing to {to} failed: {other}")),
        }
    }
}

impl From<Fault> for DeliveryError {
    fn from(fault: Fault) -> Self {
        Self::new(fault.kind, fault.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_may_be_done() {
        let fault = |kind| DeliveryError::from(Fault::of(&io::Error::from(kind), "/var/log/x.jsonl"));
        let full = fault(io::ErrorKind::StorageFull);
        assert_eq!(full.kind(), DeliveryErrorKind::Retry);
        assert_eq!(full.message(), "no space is left to write to /var/log/x.jsonl: make room");
        let denied = fault(io::ErrorKind::PermissionDenied);
        assert_eq!(denied.kind(), DeliveryErrorKind::Permanent);
        assert!(denied.message().starts_with("permission to write to /var/log/x.jsonl is denied"));
        for kind in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::BrokenPipe, io::ErrorKind::NotFound] {
            assert_eq!(fault(kind).kind(), DeliveryErrorKind::Permanent);
        }
        assert_eq!(fault(io::ErrorKind::Other).kind(), DeliveryErrorKind::Retry);
    }
}
