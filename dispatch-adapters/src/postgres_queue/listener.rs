//! A connection of its own on which the server tells that something became ready.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;

use super::work::Work;
use crate::postgres::server::Session;

/// The first pause before connecting again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often to ask the server whether it is still there, and how long it may take to say so.
const ASKS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// The task that listens; it ends with this.
pub(super) struct Listener(JoinHandle<()>);

impl Listener {
    pub(super) fn start(work: Arc<Work>) -> Self {
        Self(tokio::spawn(listen(work)))
    }

    pub(super) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end();
    }
}

async fn listen(work: Arc<Work>) {
    let mut pause = PAUSES.0;
    while !work.closed.load(Ordering::Acquire) {
        match tokio::time::timeout(ASKS.1, connect(&work)).await {
            Ok(Ok(session)) => {
                pause = PAUSES.0;
                // What was told while nobody listened is not told again.
                work.wakeups.wake();
                stay(session).await;
                tracing::debug!(
                    server = work.pool.server.label,
                    transport = work.shape.transport,
                    "wake-ups were interrupted; until they are back, workers look once a second"
                );
            }
            Ok(Err(error)) => {
                tracing::debug!(
                    server = work.pool.server.label,
                    code = error.code().map(SqlState::code),
                    "cannot listen for wake-ups; it will be tried again"
                );
            }
            Err(_) => {
                tracing::debug!(
                    server = work.pool.server.label,
                    "no answer to LISTEN; it will be tried again"
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn connect(work: &Work) -> Result<Session, tokio_postgres::Error> {
    let (wakeups, own) = (Arc::clone(&work.wakeups), work.shape.sender.clone());
    let notified = move |sender: &str| {
        // One's own were told of when they were committed.
        if sender != own {
            wakeups.wake();
        }
    };
    let session = work.pool.server.listen(notified).await?;
    session.client.batch_execute(&format!("LISTEN {}", work.shape.channel)).await?;
    Ok(session)
}

/// Listens until the connection breaks or the server does not answer any more.
async fn stay(mut session: Session) {
    loop {
        tokio::select! {
            biased;
            () = session.ended() => return,
            () = tokio::time::sleep(ASKS.0) => {}
        }
        match tokio::time::timeout(ASKS.1, session.client.batch_execute("SELECT 1")).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}
