//! What the handles of an engine share.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use actix::Addr;
use dispatch_metrics::DispatchMetrics;

use super::Refused;
use super::stalled::Stalled;
use crate::admission::{Admission, Permits};
use crate::collector::Collector;
use crate::router::{Router, Shutdown};
use crate::watchdog::Watchdog;

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) router: Addr<Router>,
    pub(super) collector: Addr<Collector>,
    pub(super) admission: Arc<Admission>,
    pub(super) state: AtomicU8,
    pub(super) down: Arc<AtomicUsize>,
    pub(super) home: ThreadMark,
    pub(super) watchdog: Option<Arc<Watchdog>>,
    pub(super) last_metrics: OnceLock<DispatchMetrics>,
    pub(super) stalled: Arc<Stalled>,
}

/// Tells a thread from all others that live: the address of something that each of them has its own of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ThreadMark(usize);

impl ThreadMark {
    fn here() -> Self {
        thread_local!(static MARK: u8 = const { 0 });
        Self(MARK.with(|mark| std::ptr::from_ref(mark).addr()))
    }

    fn is_here(self) -> bool {
        self == Self::here()
    }
}

const READY: u8 = 0;
const STOPPING: u8 = 1;

impl Shared {
    pub(super) fn new(
        name: Arc<str>,
        router: Addr<Router>,
        collector: Addr<Collector>,
        admission: Arc<Admission>,
        down: Arc<AtomicUsize>,
        watchdog: Option<Arc<Watchdog>>,
        stalled: Stalled,
    ) -> Self {
        Self {
            name,
            router,
            collector,
            admission,
            state: AtomicU8::new(READY),
            down,
            home: ThreadMark::here(),
            watchdog,
            last_metrics: OnceLock::new(),
            stalled: Arc::new(stalled),
        }
    }

    /// Takes a permit without waiting; `None` if there is none, or if the engine is stopping.
    pub(super) fn admit_now(&self) -> Option<Permits<'_>> {
        self.check_ready().ok()?;
        self.admission.try_permit()
    }

    /// The watchdog, for a caller on another thread: on the engine's own nobody could notice that it is blocked.
    pub(super) fn far_away(&self) -> Option<&Arc<Watchdog>> {
        self.watchdog.as_ref().filter(|_| !self.home.is_here())
    }

    /// An answer will never come, because the engine's thread has ended: nothing more is admitted.
    pub(super) fn lost(&self, permits: usize) -> Refused {
        if !self.router.connected() {
            self.state.store(STOPPING, SeqCst);
            self.admission.wake_all();
        }
        self.admission.release(permits);
        Refused::InvalidState
    }

    /// Stops admitting; false if that was so already.
    pub(super) fn stop(&self) -> bool {
        let stopped = self.state.swap(STOPPING, SeqCst) == READY;
        self.admission.wake_all();
        stopped
    }

    pub(super) fn check_ready(&self) -> Result<(), Refused> {
        if self.state.load(SeqCst) == READY { Ok(()) } else { Err(Refused::InvalidState) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.state.load(SeqCst) == READY {
            self.router.do_send(Shutdown { deadline: None, reply: None });
        }
    }
}
