//! Keeping panics of other people's code where they belong.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops a value that other code made and whose destructor may panic.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        say(|| {
            tracing::error!(target: crate::trace::TARGET, "a value panicked while it was dropped; the engine goes on");
        });
        // What a panic leaves behind may panic once more.
        std::mem::forget(panic);
    }
}

/// What a panic says, after it was dropped without another one.
pub(crate) fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // There is no end to this but to leave it where it is.
        std::mem::forget(again);
    }
    text
}

/// Runs a part of an actor's work. A panic ends that part and nothing else; false if there was one.
pub(crate) fn guarded(work: impl FnOnce()) -> bool {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { return true };
    say(|| {
        tracing::error!(target: crate::trace::TARGET, "a piece of work panicked outside of its handler; the engine goes on");
    });
    std::mem::forget(panic);
    false
}

/// Logs something. Subscribers are other people's code too, and may be what has panicked.
pub(crate) fn say(log: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(log)) {
        std::mem::forget(panic);
    }
}
