//! Who wants to know when the configuration changes.
//!
//! - Changes are told in their order, each to those who watched when it was made and still do.
//! - No lock is held while somebody is told, so whoever is told may change the configuration, watch, or stop to watch.
//! - One thread at a time tells. What changes meanwhile it tells as well, so a callback that changes the configuration is
//!   not called inside itself.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dispatch_core::messenger::MessengerConfig;

use super::active::Active;
use crate::guard::{discard, say};

type Callback = Arc<dyn Fn(&MessengerConfig, &MessengerConfig) + Send + Sync>;

#[derive(Default)]
pub(super) struct Watchers(Mutex<State>);

#[derive(Default)]
struct State {
    callbacks: BTreeMap<u64, Callback>,
    /// How many there ever were.
    count: u64,
    changes: VecDeque<Change>,
    /// Somebody tells.
    telling: bool,
}

/// A change that is to be told to those who came before it.
struct Change {
    old: Arc<Active>,
    new: Arc<Active>,
    before: u64,
}

impl Watchers {
    pub(super) fn watch(self: &Arc<Self>, callback: Callback) -> ConfigWatch {
        let mut state = self.state();
        let id = state.count;
        state.count += 1;
        state.callbacks.insert(id, callback);
        ConfigWatch { watchers: Arc::downgrade(self), id }
    }

    pub(super) fn add(&self, old: Arc<Active>, new: Arc<Active>) {
        let mut state = self.state();
        let before = state.count;
        state.changes.push_back(Change { old, new, before });
    }

    /// Tells what has changed, unless somebody else is about it.
    pub(super) fn tell(&self) {
        if std::mem::replace(&mut self.state().telling, true) {
            return;
        }
        while let Some(Change { old, new, before }) = self.next_change() {
            let mut from = 0;
            while let Some((id, callback)) = self.next_callback(from, before) {
                let told = catch_unwind(AssertUnwindSafe(|| callback(&old.config, &new.config)));
                if let Err(panic) = told {
                    say(|| {
                        tracing::error!(
                            target: crate::trace::TARGET,
                            "a callback that watches the configuration of a messenger panicked; the change stands"
                        );
                    });
                    std::mem::forget(panic);
                }
                discard(callback);
                from = id + 1;
            }
        }
    }

    /// The next change. Without one nobody tells any more, in the same step, so that none is left untold.
    fn next_change(&self) -> Option<Change> {
        let mut state = self.state();
        let change = state.changes.pop_front();
        state.telling = change.is_some();
        change
    }

    fn next_callback(&self, from: u64, before: u64) -> Option<(u64, Callback)> {
        let state = self.state();
        state.callbacks.range(from..before).next().map(|(id, callback)| (*id, Arc::clone(callback)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done when a holder panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as it is there, a callback is told of changes of the configuration. Dropping it ends that; a call that has begun
/// by then comes to its end.
#[must_use = "dropping it ends the watch at once"]
pub struct ConfigWatch {
    watchers: Weak<Watchers>,
    id: u64,
}

impl Drop for ConfigWatch {
    fn drop(&mut self) {
        let Some(watchers) = self.watchers.upgrade() else { return };
        let callback = watchers.state().callbacks.remove(&self.id);
        discard(callback);
    }
}

impl fmt::Debug for ConfigWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigWatch").finish_non_exhaustive()
    }
}
