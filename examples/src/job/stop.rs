use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Why the job ends before its input does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
}

/// Listens for Ctrl-C and, on Unix, for a polite request to end.
pub(crate) fn listen() -> Receiver<Signal> {
    let (sender, signals) = channel(4);
    tokio::spawn(interrupts(sender.clone()));
    #[cfg(unix)]
    tokio::spawn(terminations(sender));
    signals
}

async fn interrupts(sender: Sender<Signal>) {
    // Without a handler Ctrl-C ends the program at once, as everywhere.
    while tokio::signal::ctrl_c().await.is_ok() {
        if sender.send(Signal::Interrupt).await.is_err() {
            return;
        }
    }
}

#[cfg(unix)]
async fn terminations(sender: Sender<Signal>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut signals) = signal(SignalKind::terminate()) else { return };
    while signals.recv().await.is_some() {
        if sender.send(Signal::Terminate).await.is_err() {
            return;
        }
    }
}
