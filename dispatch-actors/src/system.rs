//! Where actors run: on the thread that is there, or on one of their own.

use std::io;

use actix::prelude::*;
use tokio::sync::oneshot;

/// Starts something made of actors, and gives back its handle: on this thread inside an actix system, else on a new
/// thread, which ends when `stopped` does.
pub(crate) fn start<H: Send + 'static>(
    thread: &str,
    begin: impl FnOnce() -> (H, oneshot::Receiver<()>) + Send + 'static,
) -> io::Result<H> {
    if inside_actix() {
        let (handle, _stopped) = begin();
        return Ok(handle);
    }
    let (ready, started) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
        System::new().block_on(async move {
            let (handle, stopped) = begin();
            // The caller waits for exactly this; without it the handle is dropped and everything stops.
            let _ = ready.send(handle);
            let _ = stopped.await;
        });
    })?;
    started.recv().map_err(|_| io::Error::other("the thread ended at once"))
}

/// Whether timers and tasks can be made here. A system that ends begins with the actors that it has not begun with, and drops
/// them: they must do nothing then.
pub(crate) fn is_running() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

/// Whether actors can be started on the current thread. A thread remembers its system after that has ended, so
/// the arbiter is asked whether it still takes work.
fn inside_actix() -> bool {
    let alive = || Arbiter::try_current().is_some_and(|arbiter| arbiter.spawn(async {}));
    System::is_registered() && is_running() && alive()
}
