use dispatch_core::RegistrationError;
use dispatch_core::error::{ErrorCode, Problem};
use tokio::runtime::Handle;

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
