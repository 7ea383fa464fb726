//! Watches an engine's thread from outside.
//!
//! A handler that blocks its arbiter stalls everything on it, and nothing on that thread can say so. The
//! watchdog is a thread of its own: it names the dispatcher whose handler does not return, and keeps the time
//! for callers on other threads, so that they get their time-out even then.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use dispatch_metrics::DispatcherSlot;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use crate::admission::Admission;

/// What an engine's thread shows of itself.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Number of the dispatcher whose handler runs, plus one; 0 between handlers.
    running: AtomicU32,
    /// Goes up with every handler that returns and every beat of the router. Written by one thread only.
    beats: AtomicU64,
}

impl Pulse {
    /// A handler is about to run; it has returned when the guard is dropped.
    pub(crate) fn enter(&self, slot: DispatcherSlot) -> Beat<'_> {
        self.running.store(slot.0.wrapping_add(1), Relaxed);
        Beat(self)
    }

    /// The thread moves.
    pub(crate) fn beat(&self) {
        self.beats.store(self.beats.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

pub(crate) struct Beat<'a>(&'a Pulse);

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        self.0.running.store(0, Relaxed);
        self.0.beat();
    }
}

/// How long callers on other threads wait for a sign of life; a reload changes it.
pub(crate) struct Patience {
    nanos: AtomicU64,
    changed: Notify,
}

impl Patience {
    /// How much longer than the engine's own time-out a caller on another thread waits, before it concludes that
    /// the engine's thread is blocked.
    const GRACE: Duration = Duration::from_secs(1);

    pub(crate) fn of(timeout: Duration) -> Self {
        Self { nanos: AtomicU64::new(Self::nanos(timeout)), changed: Notify::new() }
    }

    fn nanos(timeout: Duration) -> u64 {
        u64::try_from(timeout.saturating_add(Self::GRACE).as_nanos()).unwrap_or(u64::MAX)
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Relaxed))
    }
}

/// What a watchdog looks at.
pub(crate) struct Watched {
    pub(crate) engine: Arc<str>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) admission: Arc<Admission>,
    /// Asks the engine's thread for a beat.
    pub(crate) ping: Box<dyn Fn() + Send>,
    pub(crate) warn_after: Duration,
    pub(crate) patience: Arc<Patience>,
    pub(crate) subscriber: Option<tracing::Dispatch>,
}

/// The thread that watches; it ends when this is dropped.
pub(crate) struct Watchdog {
    pulse: Arc<Pulse>,
    patience: Arc<Patience>,
    timers: Handle,
    names: mpsc::Sender<(u32, String)>,
    _alive: oneshot::Sender<()>,
}

impl Watchdog {
    /// Starts the thread; `None` if the operating system gives none, and the engine does without.
    pub(crate) fn start(watched: Watched) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
        let (pulse, timers) = (Arc::clone(&watched.pulse), runtime.handle().clone());
        let patience = Arc::clone(&watched.patience);
        let (names, new_names) = mpsc::channel();
        let (alive, dropped) = oneshot::channel();
        thread::Builder::new()
            .name("dispatch-watchdog".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = dropped => {}
                        () = watch(watched, new_names) => {}
                    }
                });
            })
            .ok()?;
        Some(Self { pulse, patience, timers, names, _alive: alive })
    }

    /// Tells the watchdog how a dispatcher is called.
    pub(crate) fn name(&self, slot: DispatcherSlot, id: &str) {
        // A watchdog that is gone names nobody.
        let _ = self.names.send((slot.0, id.to_owned()));
    }

    /// How long a caller on another thread waits before it concludes that the engine's thread is blocked.
    pub(crate) fn patience(&self) -> Duration {
        self.patience.get()
    }

    /// The engine's time-out was changed.
    pub(crate) fn set_timeout(&self, timeout: Duration) {
        self.patience.nanos.store(Patience::nanos(timeout), Relaxed);
        // The next look must not come later than the callers' patience ends.
        self.patience.changed.notify_one();
    }

    /// Goes up while the engine's thread moves and something is in flight.
    pub(crate) fn beats(&self) -> u64 {
        self.pulse.beats.load(Relaxed)
    }

    /// A timer that runs on the watchdog's thread, for a future that is polled anywhere.
    pub(crate) fn sleep(&self, duration: Duration) -> tokio::time::Sleep {
        let _context = self.timers.enter();
        tokio::time::sleep(duration)
    }
}

async fn watch(watched: Watched, new_names: mpsc::Receiver<(u32, String)>) {
    let mut names = std::collections::HashMap::new();
    let mut seen = (0, Instant::now());
    let mut warned = false;
    loop {
        let pause = (watched.warn_after / 4).min(watched.patience.get() / 8).max(Duration::from_millis(10));
        tokio::select! {
            biased;
            () = watched.patience.changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        names.extend(new_names.try_iter());
        let beats = watched.pulse.beats.load(Relaxed);
        if beats != seen.0 || watched.admission.in_flight() == 0 {
            seen = (beats, Instant::now());
            warned = false;
        }
        if watched.admission.in_flight() > 0 {
            (watched.ping)();
        }
        let stalled = seen.1.elapsed();
        if warned || stalled < watched.warn_after {
            continue;
        }
        warned = true;
        let slot = watched.pulse.running.load(Relaxed).checked_sub(1);
        let name = slot.and_then(|slot| names.get(&slot)).map_or("", String::as_str);
        let warn = || {
            tracing::warn!(
                target: crate::trace::TARGET,
                engine = &*watched.engine,
                dispatcher_id = name,
                stalled_ms = crate::trace::millis(stalled),
                "engine thread is blocked: the handler named, or other work on its arbiter, does not return"
            );
        };
        match &watched.subscriber {
            Some(subscriber) => tracing::dispatcher::with_default(subscriber, warn),
            None => warn(),
        }
    }
}
