//! What a subscription has to do, told as simply as it can be: every message has a phase, and nothing is fast.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dispatch_core::subscription::{
    ConsumerId, DeliveryToken, Exhausted, SubscriptionConfig, SubscriptionType,
};
use dispatch_tests::simulation::Published;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::schedule::ACK_TIMEOUT;

/// Where a message is that a consumer has had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    InFlight(DeliveryToken, Duration),
    /// Comes again from then on.
    Again(Duration),
    Blocking,
    Keeping,
}

/// A message in the log.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) what: Published,
    pub(super) at: Duration,
}

impl Sent {
    fn expired(&self, now: Duration) -> bool {
        self.what.ttl.is_some_and(|ttl| self.at + ttl <= now)
    }

    fn due(&self) -> Duration {
        self.at + self.what.delay
    }
}

/// A consumer that is connected.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: ConsumerId,
    pub(super) paused: bool,
    pub(super) down: bool,
}

#[derive(Debug)]
pub(super) struct Naive {
    config: SubscriptionConfig,
    keyed: bool,
    pub(super) window: u32,
    pub(super) paused: bool,
    pub(super) log: Vec<Sent>,
    /// Of the log, what the state has heard of.
    pub(super) heard: u64,
    /// Everything below was trimmed.
    pub(super) trimmed: u64,
    /// In the order in which they came.
    pub(super) consumers: Vec<Member>,
    pub(super) phases: BTreeMap<u64, Phase>,
    failures: BTreeMap<u64, u32>,
    pub(super) settled: BTreeSet<u64>,
    /// Ever settled for a reason that a person would accept, whatever was forgotten later.
    pub(super) ended: BTreeSet<u64>,
    /// The last message that was delivered for the first time, those apart that were delayed.
    last_first: Option<u64>,
    pub(super) acked: u64,
    pub(super) nacked: u64,
    pub(super) stale: u64,
    pub(super) timed_out: u64,
}

impl Naive {
    pub(super) fn new(config: &SubscriptionConfig) -> Self {
        Self {
            config: config.clone(),
            keyed: config.kind == SubscriptionType::KeyShared,
            window: config.window,
            paused: false,
            log: Vec::new(),
            heard: 0,
            trimmed: 0,
            consumers: Vec::new(),
            phases: BTreeMap::new(),
            failures: BTreeMap::new(),
            settled: BTreeSet::new(),
            ended: BTreeSet::new(),
            last_first: None,
            acked: 0,
            nacked: 0,
            stale: 0,
            timed_out: 0,
        }
    }

    /// Whether an offset may be passed: settled, or nobody can tell whether it is.
    pub(super) fn passable(&self, offset: u64, now: Duration) -> bool {
        self.settled.contains(&offset)
            || offset < self.trimmed
            || self.log.get(usize::try_from(offset).unwrap()).is_some_and(|sent| sent.expired(now))
    }

    pub(super) fn in_flight(&self) -> impl Iterator<Item = (u64, DeliveryToken)> {
        self.phases.iter().filter_map(|(offset, phase)| match phase {
            Phase::InFlight(token, _) => Some((*offset, *token)),
            _ => None,
        })
    }

    fn of(&self, consumer: ConsumerId) -> usize {
        self.in_flight().filter(|(_, token)| token.consumer == consumer).count()
    }

    /// Places in the window that are taken, at the least and at the most: what is to come again may be too old.
    pub(super) fn held(&self, now: Duration) -> (usize, usize) {
        let holds = |phase: &Phase| !(self.keyed && *phase == Phase::Blocking);
        let most = self.phases.values().filter(|phase| holds(phase)).count();
        let old = self.phases.iter().filter(|(offset, phase)| {
            matches!(phase, Phase::Again(at) if *at <= now) && self.sent(**offset).expired(now)
        });
        (most - old.count(), most)
    }

    pub(super) fn blocking(&self) -> Vec<u64> {
        self.phases
            .iter()
            .filter(|(_, phase)| **phase == Phase::Blocking)
            .map(|(offset, _)| *offset)
            .collect()
    }

    fn sent(&self, offset: u64) -> &Sent {
        &self.log[usize::try_from(offset).unwrap()]
    }

    pub(super) fn settle(&mut self, offset: u64) {
        self.phases.remove(&offset);
        self.failures.remove(&offset);
        self.settled.insert(offset);
        self.ended.insert(offset);
    }

    pub(super) fn is_current(&self, token: &DeliveryToken) -> bool {
        matches!(self.phases.get(&token.offset.get()), Some(Phase::InFlight(own, _)) if own == token)
    }

    /// Time-outs that are due.
    pub(super) fn at(&mut self, now: Duration) {
        for (offset, until) in self.overdue(now) {
            self.timed_out += 1;
            self.failed(offset, None, false, until);
        }
    }

    /// Time-outs that are due, and were noticed only now.
    pub(super) fn late(&mut self, now: Duration) {
        for (offset, _) in self.overdue(now) {
            self.timed_out += 1;
            self.failed(offset, None, false, now);
        }
    }

    fn overdue(&self, now: Duration) -> Vec<(u64, Duration)> {
        self.phases
            .iter()
            .filter(|(_, phase)| matches!(phase, Phase::InFlight(_, until) if *until <= now))
            .map(|(offset, phase)| match phase {
                Phase::InFlight(_, until) => (*offset, *until),
                _ => unreachable!(),
            })
            .collect()
    }

    pub(super) fn failed(&mut self, offset: u64, delay: Option<Duration>, terminal: bool, now: Duration) {
        let failures = self.failures.entry(offset).or_default();
        let backoff = self.config.retry.delay(*failures, &mut SmallRng::seed_from_u64(0));
        *failures += 1;
        match backoff.filter(|_| !terminal) {
            Some(backoff) => {
                let wait = delay.map_or(backoff, |delay| self.config.retry.clamp(delay));
                self.phases.insert(offset, Phase::Again(now + wait));
            }
            None => match self.config.exhausted() {
                Exhausted::Drop => self.settle(offset),
                Exhausted::Block => drop(self.phases.insert(offset, Phase::Blocking)),
                Exhausted::Park | Exhausted::DeadLetter => {
                    self.phases.insert(offset, Phase::Keeping);
                }
            },
        }
    }

    pub(super) fn gone(&mut self, consumer: ConsumerId, now: Duration) {
        self.hand_over(consumer, now);
        self.consumers.retain(|other| other.id != consumer);
    }

    pub(super) fn set_down(&mut self, consumer: ConsumerId, down: bool, now: Duration) {
        let member = self.consumers.iter_mut().find(|member| member.id == consumer).expect("it is connected");
        if !std::mem::replace(&mut member.down, down) && down {
            self.hand_over(consumer, now);
        }
    }

    fn hand_over(&mut self, consumer: ConsumerId, now: Duration) {
        let theirs: Vec<_> = self
            .in_flight()
            .filter(|(_, token)| token.consumer == consumer)
            .map(|(offset, _)| offset)
            .collect();
        for offset in theirs {
            self.phases.insert(offset, Phase::Again(now));
        }
    }

    /// What had failed before is forgotten.
    pub(super) fn retry(&mut self, offset: u64, now: Duration) {
        self.failures.remove(&offset);
        if self.keyed {
            // It has no place in the window yet.
            self.phases.remove(&offset);
        } else {
            self.phases.insert(offset, Phase::Again(now));
        }
    }

    /// Begins somewhere else.
    pub(super) fn forget(&mut self, settled: BTreeSet<u64>) {
        self.phases.clear();
        self.failures.clear();
        self.last_first = None;
        self.settled = settled;
    }

    /// A delivery: is it one that has to be?
    pub(super) fn delivered(&mut self, token: DeliveryToken, now: Duration) {
        let offset = token.offset.get();
        let sent = self.sent(offset).clone();
        self.check_consumer(token.consumer);
        assert!(!self.settled.contains(&offset), "{offset} is settled and comes again");
        assert!(!sent.expired(now), "{offset} is too old");
        assert!(now >= sent.due(), "{offset} comes too soon");
        let failures = self.failures.get(&offset).copied().unwrap_or_default();
        assert_eq!(token.attempt, failures + 1, "attempts of {offset}");
        assert!(token.attempt <= self.config.retry.max_retries + 1, "{offset} comes too often");
        match self.phases.get(&offset) {
            None => self.check_fresh(offset, &sent, now),
            Some(Phase::Again(from)) => assert!(*from <= now, "{offset} comes again too soon"),
            Some(other) => panic!("{offset} comes again while it is {other:?}"),
        }
        if self.keyed && sent.what.key.is_some() {
            self.check_key(offset, &sent, now);
        }
        self.phases.insert(offset, Phase::InFlight(token, now + ACK_TIMEOUT));
        assert!(
            self.of(token.consumer) <= self.share(),
            "consumer {} has more than its share",
            token.consumer
        );
    }

    fn check_consumer(&self, consumer: ConsumerId) {
        assert!(!self.paused, "nothing may be delivered");
        let ready = self.consumers.iter().any(|it| it.id == consumer && !it.paused && !it.down);
        assert!(ready, "consumer {consumer} is not there, paused, or down");
        if self.config.kind.is_ordered() {
            assert_eq!(self.served().first(), Some(&consumer), "only the first one is served");
        }
    }

    fn check_fresh(&mut self, offset: u64, sent: &Sent, now: Duration) {
        assert!(self.held(now).0 < self.window as usize, "{offset} has no place in the window");
        if !self.keyed {
            assert!(self.blocking().is_empty(), "{offset} comes though something blocks");
            let first = self.phases.iter().find(|(other, phase)| {
                matches!(phase, Phase::Again(at) if *at <= now) && !self.sent(**other).expired(now)
            });
            assert_eq!(first, None, "{offset} is new and comes before what comes again");
        }
        if !self.keyed && sent.what.delay.is_zero() {
            assert!(self.last_first < Some(offset), "{offset} comes after {:?}", self.last_first);
            self.last_first = Some(offset);
        }
    }

    fn check_key(&self, offset: u64, sent: &Sent, now: Duration) {
        for (other, phase) in &self.phases {
            let same = *other != offset && self.sent(*other).what.key == sent.what.key;
            let old = matches!(phase, Phase::Again(at) if *at <= now) && self.sent(*other).expired(now);
            assert!(!same || old, "{offset} and {other} have one key, and {other} is {phase:?}");
        }
        let before = (0..offset).find(|other| {
            let own = self.sent(*other);
            own.what.key == sent.what.key && own.what.delay.is_zero() && !self.passable(*other, now)
        });
        assert_eq!(before, None, "{offset} comes before an earlier one of its key");
    }

    pub(super) fn served(&self) -> Vec<ConsumerId> {
        let ready = self.consumers.iter().filter(|it| !it.paused && !it.down).map(|it| it.id);
        ready.take(if self.config.kind.is_ordered() { 1 } else { usize::MAX }).collect()
    }

    fn share(&self) -> usize {
        (self.window as usize).div_ceil(self.served().len().max(1)).max(1)
    }

    /// A message that would have to be at a consumer by now, if nothing but consumers and window held it back.
    pub(super) fn neglected(&self, now: Duration) -> Option<u64> {
        let free = |id: &ConsumerId| self.of(*id) < self.share();
        if self.paused || self.keyed || !self.served().iter().any(free) {
            return None;
        }
        let alive = |offset: &u64| !self.sent(*offset).expired(now);
        let again = self.phases.iter().filter(|(_, phase)| matches!(phase, Phase::Again(at) if *at <= now));
        let again = again.map(|(offset, _)| *offset).find(alive);
        if again.is_some() || self.held(now).1 >= self.window as usize || !self.blocking().is_empty() {
            return again;
        }
        let new = (self.trimmed..self.heard).filter(|offset| !self.settled.contains(offset));
        let mut new =
            new.filter(|offset| !self.phases.contains_key(offset) && self.sent(*offset).due() <= now);
        new.find(alive)
    }
}
