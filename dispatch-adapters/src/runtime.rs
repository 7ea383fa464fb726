use std::time::Duration;

use dispatch_core::RegistrationError;
use dispatch_core::error::{ErrorCode, Problem};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// So long from now; a time without an end is a hundred years.
pub(crate) fn after(time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    Instant::now() + time.min(CENTURY)
}

/// The runtime the caller is in.
pub(crate) fn current() -> Result<Handle, RegistrationError> {
    Handle::try_current().map_err(|_| {
        Problem::new(
            ErrorCode::InvalidState,
            "there is no tokio runtime here: call this from async code, or inside Runtime::enter()",
        )
        .into()
    })
}
