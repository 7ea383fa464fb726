//! Signals, on a thread of their own.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::WorkersReport;
use crate::messenger::worker::GRACE;

/// How much longer than workers need at most before the process is ended without them.
const LONGER: Duration = Duration::from_secs(1);

/// What a run has of the thread that listens.
pub(super) struct Watch {
    /// A signal has come.
    pub(super) asked: oneshot::Receiver<()>,
    /// Dropped when the run has ended.
    pub(super) ended: oneshot::Sender<()>,
}

/// Listens from now on.
pub(super) async fn watch(deadline: Duration) -> io::Result<Watch> {
    let (ready, is_ready) = oneshot::channel();
    let (ask, asked) = oneshot::channel();
    let (ended, run) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("dispatch-signals".to_owned()).spawn(move || {
        runtime.block_on(async move {
            match Signals::new() {
                Err(error) => drop(ready.send(Err(error))),
                Ok(signals) if ready.send(Ok(())).is_ok() => listen(signals, ask, run, deadline).await,
                Ok(_) => {}
            }
        });
    })?;
    is_ready.await.map_err(|_| io::Error::other("the thread that listens to signals has ended"))??;
    Ok(Watch { asked, ended })
}

async fn listen(
    mut signals: Signals,
    ask: oneshot::Sender<()>,
    mut run: oneshot::Receiver<()>,
    deadline: Duration,
) {
    RUNS.fetch_add(1, Ordering::Relaxed);
    let asked = tokio::select! {
        biased;
        _ = &mut run => false,
        _ = signals.next() => true,
    };
    RUNS.fetch_sub(1, Ordering::Relaxed);
    if !asked {
        return after_the_run(signals).await;
    }
    // A run that has ended meanwhile does not mind.
    let _ = ask.send(());
    let latest = deadline.saturating_add(GRACE).saturating_add(LONGER);
    tokio::select! {
        biased;
        _ = &mut run => {}
        _ = signals.next() => end("a second signal has come"),
        () = tokio::time::sleep(latest) => end("the thread of the workers is blocked"),
    }
    // The program is about to end. Whatever holds it up, one more signal ends it.
    signals.next().await;
    end("a second signal has come");
}

/// How many runs wait for a signal in this process. Signals are of the process, and each is heard by all who listen.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// The process is not rid of what listens to signals, so they would do nothing any more.
async fn after_the_run(mut signals: Signals) {
    loop {
        let number = signals.next().await;
        if RUNS.load(Ordering::Relaxed) == 0 {
            std::process::exit(128 + number);
        }
    }
}

fn end(why: &str) {
    tracing::error!(
        why,
        "the process ends at once; what was in hand is handled by others when its lease is over"
    );
    std::process::exit(WorkersReport::UNFINISHED.into());
}

/// Requests to end.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        use tokio::signal::unix::SignalKind;
        let (come, kind) = tokio::select! {
            come = self.terminate.recv() => (come, SignalKind::terminate()),
            come = self.interrupt.recv() => (come, SignalKind::interrupt()),
        };
        if come.is_none() {
            std::future::pending::<()>().await;
        }
        kind.as_raw_value()
    }
}

/// Requests to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
