use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use dispatch_core::messenger::{DispatchOptions, MessengerConfig, QueuedMessage, Routing, Schedule};
use dispatch_core::queue::{Remember, Submission};

use super::watchers::Watchers;

/// How long an occurrence of a schedule is remembered at least: other schedulers store it as well, and their clocks may be
/// behind, or their transports slow.
const OCCURRENCE: Duration = Duration::from_secs(3_600);

/// A configuration that is in force, or was.
pub(super) struct Active {
    pub(super) config: MessengerConfig,
    pub(super) routing: Routing,
}

impl Active {
    pub(super) fn submission(&self, message: QueuedMessage, options: &DispatchOptions) -> Submission {
        let remember = self.remember(options, message.available_at);
        Submission::new(message).remembered(remember)
    }

    /// How the key of a message is remembered that is due at a time: the window begins then, so that a message that is
    /// scheduled for long after it is not stored twice meanwhile.
    fn remember(&self, options: &DispatchOptions, due: SystemTime) -> Remember {
        let window = self.routing.dedup_window();
        let is_occurrence = options.headers.contains_key(Schedule::HEADER);
        Remember {
            until: due.checked_add(if is_occurrence { window.max(OCCURRENCE) } else { window }),
            duplicates: self.routing.duplicates(options),
        }
    }
}

/// The configuration of a messenger: replaced whole, and never seen half.
pub(super) struct Configured {
    /// The one it was built with.
    pub(super) built: MessengerConfig,
    /// Held for as long as it takes to copy a pointer.
    active: RwLock<Arc<Active>>,
    /// How often it has changed.
    revision: AtomicU64,
    pub(super) watchers: Arc<Watchers>,
}

impl Configured {
    pub(super) fn new(config: MessengerConfig, routing: Routing) -> Self {
        let active = Active { config: config.clone(), routing };
        Self {
            built: config,
            active: RwLock::new(Arc::new(active)),
            revision: AtomicU64::new(0),
            watchers: Arc::default(),
        }
    }

    pub(super) fn get(&self) -> Arc<Active> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often it has changed.
    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Puts another one in place, and tells whoever wants to know; `false` if it is to replace one that is not in force
    /// any more, and then nothing was done.
    pub(super) fn put(&self, new: Active, replaces: Option<&Arc<Active>>) -> bool {
        let new = Arc::new(new);
        {
            let mut active = self.active.write().unwrap_or_else(PoisonError::into_inner);
            if replaces.is_some_and(|wanted| !Arc::ptr_eq(wanted, &active)) {
                return false;
            }
            let old = mem::replace(&mut *active, Arc::clone(&new));
            if old.config != new.config {
                self.revision.fetch_add(1, Ordering::Release);
                // Under the lock, so that changes are told in their order.
                self.watchers.add(old, new);
            }
        }
        self.watchers.tell();
        true
    }
}
