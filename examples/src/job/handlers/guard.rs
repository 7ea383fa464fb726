use dispatch_adapters::prelude::{DispatcherError, Envelope};

/// Message types that must not happen.
const FORBIDDEN: [(&str, &str); 3] = [
    ("BranchProtectionRuleDeleted", "a branch protection rule was deleted"),
    ("RepositoryDeleted", "a repository was deleted"),
    ("RepositoryPublicized", "a repository was made public"),
];

/// Fails for what the rules of the house forbid, always for the same events.
pub(crate) async fn check(envelope: Envelope) -> Result<(), DispatcherError> {
    let message_type = envelope.message_type();
    match FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == message_type.as_str()) {
        Some((_, why)) => Err(DispatcherError::new("PolicyViolation", *why).unrecoverable()),
        None => Ok(()),
    }
}
