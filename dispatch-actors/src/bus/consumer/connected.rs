use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use dispatch_core::subscription::{ConsumerId, SubscriptionConfig};

use super::{Death, Handle, Supervised};
use crate::bus::BusError;
use crate::bus::shared::Shared;
use crate::bus::subscription::{ConsumerInfo, Parts, logging};

/// A connected consumer, and what its subscription keeps beside it.
pub(in crate::bus) struct Connected<X> {
    pub(in crate::bus) name: String,
    pub(in crate::bus) handle: Handle,
    pub(in crate::bus) beside: X,
}

/// What has become of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bus) enum Change {
    /// Its actor has been started.
    Up,
    /// Its actor has died and will be started again.
    Down,
    /// It is not there any more.
    Gone,
}

/// The consumers of a subscription.
///
/// - Their ids ascend, in the order in which they came.
/// - The death of an actor that the bus has made is told by its watch, and it is started again when that is due.
/// - Once in a heartbeat it is looked whether other actors are still there: the only way to notice the death of one that
///   has no messages.
pub(in crate::bus) struct Consumers<X> {
    shared: Rc<Shared>,
    config: Arc<SubscriptionConfig>,
    list: Vec<(ConsumerId, Connected<X>)>,
    last: u64,
    next_beat: Option<Duration>,
    /// How many are actors that the bus has made.
    supervised: usize,
}

impl<X> Consumers<X> {
    pub(in crate::bus) fn new(parts: &Parts) -> Self {
        let (shared, config) = (Rc::clone(&parts.shared), Arc::clone(&parts.config));
        Self { shared, config, list: Vec::new(), last: 0, next_beat: None, supervised: 0 }
    }

    /// The id of the consumer that comes next.
    pub(in crate::bus) const fn next_id(&mut self) -> ConsumerId {
        self.last += 1;
        ConsumerId(self.last)
    }

    /// Adds the consumer with this id, which is the greatest so far, and starts its actor; what has become of it, if that
    /// is something else.
    pub(in crate::bus) fn add(&mut self, id: ConsumerId, consumer: Connected<X>) -> Option<Change> {
        let now = self.shared.clock.now();
        let is_supervised = matches!(consumer.handle, Handle::Supervised(_));
        self.supervised += usize::from(is_supervised);
        if self.next_beat.is_none() && consumer.handle.may_vanish() {
            self.next_beat = Some(now.saturating_add(self.shared.heartbeat));
        }
        if self.list.is_empty() {
            // Most have one.
            self.list.reserve_exact(1);
        }
        self.list.push((id, consumer));
        if is_supervised { self.start(id, now).filter(|change| *change != Change::Up) } else { None }
    }

    pub(in crate::bus) fn remove(&mut self, id: ConsumerId) -> Option<Connected<X>> {
        let index = self.index(id)?;
        let consumer = self.list.remove(index).1;
        self.supervised -= usize::from(matches!(consumer.handle, Handle::Supervised(_)));
        Some(consumer)
    }

    pub(in crate::bus) fn get(&self, id: ConsumerId) -> Option<&Connected<X>> {
        self.list.get(self.index(id)?).map(|(_, consumer)| consumer)
    }

    pub(in crate::bus) fn iter(&self) -> impl Iterator<Item = &Connected<X>> {
        self.list.iter().map(|(_, consumer)| consumer)
    }

    pub(in crate::bus) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(in crate::bus) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// When there is something to do for one of them: an actor to be started, or to be looked for.
    pub(in crate::bus) fn due(&self) -> Option<Duration> {
        let starts = self.supervised().filter_map(|(_, actor)| actor.starts_at());
        starts.chain(self.next_beat).min()
    }

    /// Does what is due; what has become of those that it was due for.
    pub(in crate::bus) fn upkeep(&mut self, now: Duration) -> Vec<(ConsumerId, Change)> {
        let dead = self.beat(now);
        let lost = dead.into_iter().filter_map(|id| Some((id, self.lost(id, now)?)));
        let mut changes: Vec<_> = lost.collect();
        changes.extend(self.restart(now));
        changes
    }

    /// Once in a heartbeat, the actors of somebody else's that are not there any more; they are [lost](Self::lost).
    pub(in crate::bus) fn beat(&mut self, now: Duration) -> Vec<ConsumerId> {
        if self.next_beat.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let dead = self.vanished();
        let theirs = self.list.iter().filter(|(_, it)| it.handle.may_vanish());
        self.next_beat = (theirs.count() > dead.len()).then(|| now.saturating_add(self.shared.heartbeat));
        dead
    }

    /// Starts the actors that this is due for; what has become of them.
    pub(in crate::bus) fn restart(&mut self, now: Duration) -> Vec<(ConsumerId, Change)> {
        let due = |actor: &Supervised| actor.starts_at().is_some_and(|at| at <= now);
        let due: Vec<_> = self.supervised().filter(|(_, actor)| due(actor)).map(|(id, _)| id).collect();
        due.into_iter().filter_map(|id| Some((id, self.start(id, now)?))).collect()
    }

    /// Why there must not be another one, beside those that are about to come.
    pub(in crate::bus) fn full(&self, coming: usize) -> Option<BusError> {
        let (limit, name) = (self.config.max_consumers, self.config.name.clone());
        (limit > 0 && self.list.len() + coming >= limit).then_some(BusError::TooManyConsumers { name, limit })
    }

    /// The actors of somebody else's that are not there any more; they are [lost](Self::lost).
    pub(in crate::bus) fn vanished(&self) -> Vec<ConsumerId> {
        let gone = |it: &Connected<X>| it.handle.may_vanish() && !it.handle.is_connected();
        self.list.iter().filter(|(_, it)| gone(it)).map(|(id, _)| *id).collect()
    }

    /// Actors that the bus has made and that have died; they are [lost](Self::lost).
    pub(in crate::bus) fn died(&mut self, cx: &mut Context<'_>) -> Vec<ConsumerId> {
        if self.supervised == 0 {
            return Vec::new();
        }
        let dead = |(id, it): &mut (ConsumerId, Connected<X>)| match &mut it.handle {
            Handle::Supervised(actor) => actor.poll_death(cx).is_ready().then_some(*id),
            _ => None,
        };
        self.list.iter_mut().filter_map(dead).collect()
    }

    /// A consumer is dead; what becomes of it, unless that is known already.
    pub(in crate::bus) fn lost(&mut self, id: ConsumerId, now: Duration) -> Option<Change> {
        let index = self.index(id)?;
        let death = match self.list.get_mut(index) {
            Some((_, Connected { handle: Handle::Supervised(actor), .. })) => actor.died(now),
            _ => Death::Final,
        };
        self.follows(id, death, "its actor has stopped")
    }

    /// Starts the actor of a consumer; what has become of it.
    fn start(&mut self, id: ConsumerId, now: Duration) -> Option<Change> {
        let index = self.index(id)?;
        let Some((_, Connected { handle: Handle::Supervised(actor), .. })) = self.list.get_mut(index) else {
            return None;
        };
        match actor.start(now) {
            Ok(()) => Some(Change::Up),
            Err((reason, death)) => {
                let reason = self.shared.sanitizer.sanitize_text(&reason);
                self.follows(id, death, &format!("its factory panicked: {reason}"))
            }
        }
    }

    fn follows(&mut self, id: ConsumerId, death: Death, why: &str) -> Option<Change> {
        match death {
            Death::Known => None,
            Death::Restarting(delay) => {
                if let Some(consumer) = self.get(id) {
                    logging::consumer_restarts(&self.config.name, &consumer.name, delay, why);
                }
                Some(Change::Down)
            }
            Death::Final => {
                let consumer = self.remove(id)?;
                logging::consumer_gone(&self.config.name, &consumer.name, why);
                Some(Change::Gone)
            }
        }
    }

    /// How they are; `active` is the one that is served, of a type that serves one.
    pub(in crate::bus) fn info(&self, active: Option<ConsumerId>) -> Vec<ConsumerInfo> {
        let info = |(id, consumer): &(ConsumerId, Connected<X>)| ConsumerInfo {
            id: *id,
            name: consumer.name.clone(),
            active: active == Some(*id),
            restarting: match &consumer.handle {
                Handle::Supervised(actor) => actor.starts_at().is_some(),
                _ => false,
            },
        };
        self.list.iter().map(info).collect()
    }

    fn supervised(&self) -> impl Iterator<Item = (ConsumerId, &Supervised)> {
        let list: &[_] = if self.supervised == 0 { &[] } else { &self.list };
        list.iter().filter_map(|(id, it)| match &it.handle {
            Handle::Supervised(actor) => Some((*id, actor)),
            _ => None,
        })
    }

    fn index(&self, id: ConsumerId) -> Option<usize> {
        self.list.binary_search_by_key(&id, |(id, _)| *id).ok()
    }
}
