use super::{MessengerMetrics, SendMetrics, TransportMetrics, TypeMetrics, WorkMetrics};

/// Adds without overflow: a snapshot may have been read from anywhere.
const fn add(mine: &mut u64, theirs: u64) {
    *mine = mine.saturating_add(theirs);
}

impl MessengerMetrics {
    /// Adds the figures of the same messenger in another process, on the same transports.
    ///
    /// What was sent and done adds up. What is in queues both see: the figures of `other` hold, if it could reach the
    /// transport. Its workers get the next numbers that are free. The name stays, unless it is empty.
    pub fn merge(&mut self, other: &Self) {
        if self.messenger.is_empty() {
            self.messenger.clone_from(&other.messenger);
        }
        for (name, transport) in &other.transports {
            self.transports.entry(name.clone()).or_default().merge(transport);
        }
        let mut number = 1_usize;
        for worker in other.workers.values() {
            while self.workers.contains_key(&number.to_string()) {
                number += 1;
            }
            self.workers.insert(number.to_string(), worker.clone());
        }
    }

    /// What has happened since an earlier snapshot of the same messenger: what was sent and done since then, with the
    /// queues and the workers as they are now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (name, transport) in &mut since.transports {
            if let Some(before) = earlier.transports.get(name) {
                transport.sends.subtract(&before.sends);
                transport.work.subtract(&before.work);
            }
        }
        for worker in since.workers.values_mut() {
            let Some(before) = earlier.workers.values().find(|before| before.id == worker.id) else {
                continue;
            };
            for (name, work) in &mut worker.work {
                before.work.get(name).into_iter().for_each(|before| work.subtract(before));
            }
        }
        since
    }
}

impl TransportMetrics {
    fn merge(&mut self, other: &Self) {
        if other.reachable {
            self.reachable = true;
            self.queues.clone_from(&other.queues);
        }
        for (mine, theirs) in self.sends.all().into_iter().zip(other.sends.by_result()) {
            add(mine, theirs.1);
        }
        self.work.merge(&other.work);
    }
}

impl SendMetrics {
    const fn all(&mut self) -> [&mut u64; 4] {
        [&mut self.stored, &mut self.replaced, &mut self.duplicates, &mut self.refused]
    }

    fn subtract(&mut self, earlier: &Self) {
        for (mine, before) in self.all().into_iter().zip(earlier.by_result()) {
            *mine = mine.saturating_sub(before.1);
        }
    }
}

impl WorkMetrics {
    /// Adds what other workers have done. The larger limit of types holds: types beyond it go to
    /// [`OTHER_TYPES`](crate::OTHER_TYPES), in the order of their names.
    pub fn merge(&mut self, other: &Self) {
        self.type_limit = self.type_limit.max(other.type_limit);
        for (name, theirs) in &other.types {
            self.of_type(name, |mine| mine.merge(theirs));
        }
        for (mine, (_, theirs)) in self.all().into_iter().zip(other.by_incident()) {
            add(mine, theirs);
        }
    }

    const fn all(&mut self) -> [&mut u64; 8] {
        [
            &mut self.expired,
            &mut self.unreadable,
            &mut self.lost,
            &mut self.handed_back,
            &mut self.abandoned,
            &mut self.unwritten,
            &mut self.dead_lettered,
            &mut self.untold,
        ]
    }

    /// Name and number of each thing that happens beside attempts.
    pub(crate) const fn by_incident(&self) -> [(&'static str, u64); 8] {
        [
            ("expired", self.expired),
            ("unreadable", self.unreadable),
            ("lost", self.lost),
            ("handed_back", self.handed_back),
            ("abandoned", self.abandoned),
            ("unwritten", self.unwritten),
            ("dead_lettered", self.dead_lettered),
            ("untold", self.untold),
        ]
    }

    fn subtract(&mut self, earlier: &Self) {
        for (name, mine) in &mut self.types {
            earlier.types.get(name).into_iter().for_each(|before| mine.subtract(before));
        }
        for (mine, (_, before)) in self.all().into_iter().zip(earlier.by_incident()) {
            *mine = mine.saturating_sub(before);
        }
    }
}

impl TypeMetrics {
    fn merge(&mut self, other: &Self) {
        let Self { attempts, done, retried, failed, wait, run } = other;
        add(&mut self.attempts, *attempts);
        add(&mut self.done, *done);
        add(&mut self.retried, *retried);
        add(&mut self.failed, *failed);
        self.wait.merge(wait);
        self.run.merge(run);
    }

    fn subtract(&mut self, earlier: &Self) {
        let Self { attempts, done, retried, failed, wait, run } = earlier;
        self.attempts = self.attempts.saturating_sub(*attempts);
        self.done = self.done.saturating_sub(*done);
        self.retried = self.retried.saturating_sub(*retried);
        self.failed = self.failed.saturating_sub(*failed);
        self.wait = self.wait.since(wait);
        self.run = self.run.since(run);
    }
}
