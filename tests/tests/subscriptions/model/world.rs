//! A subscription, its naive model, and what is checked after everything that happens.

use std::collections::BTreeSet;
use std::time::Duration;

use dispatch_core::log::{Offset, OffsetRanges};
use dispatch_core::subscription::{
    ConsumerId, DeliveryToken, Effect, Event, Keep, Resolution, SubscriptionType,
};
use dispatch_tests::simulation::{Happened, Published, Seen, Simulation};

use super::naive::{Member, Naive, Phase, Sent};
use super::schedule::{Op, Setup};

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

pub(super) struct World {
    setup: Setup,
    pub(super) simulation: Simulation,
    pub(super) naive: Naive,
    /// What the world has done and the state has not learned.
    untold: Vec<Event<Published>>,
    /// What was to be kept when somebody went elsewhere.
    forgotten: Vec<Keep>,
    /// Every delivery there ever was.
    tokens: Vec<DeliveryToken>,
    /// How much of the history was looked at.
    read: usize,
    cursor: Offset,
}

impl World {
    pub(super) fn new(setup: &Setup) -> Self {
        let config = setup.config();
        let naive = Naive::new(&config);
        let simulation = Simulation::new(config, 7).keeping_records(setup.records);
        let simulation = if setup.by_hand { simulation.by_hand() } else { simulation };
        Self {
            setup: setup.clone(),
            simulation,
            naive,
            untold: Vec::new(),
            forgotten: Vec::new(),
            tokens: Vec::new(),
            read: 0,
            cursor: Offset::ZERO,
        }
    }

    /// Something happens, and everything is checked.
    pub(super) fn happens(&mut self, op: &Op) {
        self.run(op);
        self.check();
    }

    fn run(&mut self, op: &Op) {
        let now = self.simulation.now;
        match op {
            Op::Publish { count, key, delay, ttl, heard } => {
                self.publish(*count, *key, *delay, *ttl, *heard);
            }
            Op::Add(index) => self.add(NAMES[usize::from(*index)]),
            Op::Disconnect(index) => {
                let name = NAMES[usize::from(*index)];
                if let Some(consumer) = self.simulation.consumer(name) {
                    self.naive.gone(consumer, now);
                    self.simulation.disconnect(name);
                }
            }
            Op::SetDown(index, down) => {
                let name = NAMES[usize::from(*index)];
                if let Some(consumer) = self.simulation.consumer(name) {
                    self.naive.set_down(consumer, *down, now);
                    self.simulation.set_down(name, *down);
                }
            }
            Op::PauseConsumer(index, paused) => self.pause_consumer(NAMES[usize::from(*index)], *paused),
            Op::Ack(which) => {
                if let Some(token) = self.pick(*which) {
                    self.ack(token);
                }
            }
            Op::AckUpTo(which) => {
                if let Some(token) = self.pick(*which) {
                    self.ack_up_to(token);
                }
            }
            Op::Nack { which, delay, terminal } => {
                if let Some(token) = self.pick(*which) {
                    self.nack(token, delay.map(Duration::from_millis), *terminal);
                }
            }
            Op::OldAck(which) => {
                if !self.tokens.is_empty() {
                    self.ack(*which.get(&self.tokens));
                }
            }
            Op::ForeignAck(which, by) => {
                if let Some(mut token) = self.pick(*which) {
                    token.consumer = ConsumerId(*by);
                    self.ack(token);
                }
            }
            Op::Advance(ms) => self.simulation.advance(Duration::from_millis(*ms)),
            Op::Stall(ms, answers) => self.stall(Duration::from_millis(*ms), answers),
            Op::Do { which, fails } => {
                if !self.simulation.open.is_empty() {
                    self.act(which.index(self.simulation.open.len()), *fails);
                }
            }
            Op::Tell(which) => {
                if !self.untold.is_empty() {
                    let event = self.untold.remove(which.index(self.untold.len()));
                    self.tell(event);
                }
            }
            Op::Seek(to) => self.seek(to.index(self.naive.log.len() + 1) as u64),
            Op::Window(window) => {
                self.naive.window = *window;
                self.simulation.step(Event::Window(*window));
            }
            Op::Pause(paused) => {
                self.naive.paused = *paused;
                self.simulation.step(Event::Paused(*paused));
            }
            Op::Resolve(which, how) => {
                let blocking = self.naive.blocking();
                if !blocking.is_empty() {
                    self.resolve(*which.get(&blocking), Op::resolution(*how));
                }
            }
            Op::Flush => self.simulation.step(Event::Flush),
            Op::Trim(below) => {
                let below = below.index(self.naive.log.len() + 1) as u64;
                self.simulation.log.trim(Offset::new(below));
                self.naive.trimmed = self.naive.trimmed.max(below);
            }
            Op::Hear => self.hear(),
            Op::Restart => self.restart(),
        }
    }

    fn publish(&mut self, count: usize, key: Option<u8>, delay: u64, ttl: Option<u64>, heard: bool) {
        let (delay, ttl) = (Duration::from_millis(delay), ttl.map(Duration::from_millis));
        // Those of one batch have different keys, so that keys mix.
        let key = |index: usize| key.map(|key| format!("k{}", (usize::from(key) + index / 2) % 5));
        let batch: Vec<_> =
            (0..count).map(|index| Published { key: key(index), delay, ttl, bytes: 1 }).collect();
        let at = self.simulation.now;
        self.naive.log.extend(batch.iter().map(|what| Sent { what: what.clone(), at }));
        if heard {
            self.naive.heard = self.naive.log.len() as u64;
            self.simulation.publish(batch);
        } else {
            self.simulation.publish_unheard(batch);
        }
    }

    fn hear(&mut self) {
        self.naive.heard = self.naive.log.len() as u64;
        self.simulation.hear();
    }

    fn add(&mut self, name: &str) {
        if self.simulation.consumer(name).is_some() {
            return;
        }
        let refused = self.simulation.refused.len();
        let full = self.setup.kind == SubscriptionType::Exclusive && !self.naive.consumers.is_empty();
        // Deliveries follow at once, so it has to be known before.
        if !full {
            let id = self.simulation.next_consumer();
            self.naive.consumers.push(Member { id, paused: false, down: false });
        }
        self.simulation.add(name);
        assert_eq!(self.simulation.refused.len() > refused, full, "whether a consumer is refused");
    }

    fn pause_consumer(&mut self, name: &str, paused: bool) {
        let id = self.simulation.consumer(name);
        for consumer in &mut self.naive.consumers {
            if Some(consumer.id) == id {
                consumer.paused = paused;
            }
        }
        self.simulation.pause(name, paused);
    }

    fn resolve(&mut self, offset: u64, resolution: Resolution) {
        match resolution {
            Resolution::Retry => self.naive.retry(offset, self.simulation.now),
            Resolution::Skip => self.naive.settle(offset),
            Resolution::Park => drop(self.naive.phases.insert(offset, Phase::Keeping)),
        }
        self.simulation.resolve(Offset::new(offset), resolution);
    }

    fn seek(&mut self, to: u64) {
        // What was to be kept is forgotten: its answer means nothing any more, even if the message fails again.
        for asked in &self.simulation.open {
            if let Effect::Park(exhaustion) | Effect::DeadLetter(exhaustion) = asked {
                self.forgotten.push(exhaustion.keep);
            }
        }
        for event in &self.untold {
            if let Event::Kept(keep) | Event::NotKept { keep, .. } = event {
                self.forgotten.push(*keep);
            }
        }
        self.naive.forget((0..to).collect());
        self.naive.ended.extend(0..to);
        self.naive.heard = self.naive.heard.max(to);
        self.cursor = Offset::ZERO;
        self.simulation.seek(Offset::new(to));
    }

    fn restart(&mut self) {
        let (next, settled) = self.simulation.saved.clone();
        self.naive.forget(offsets(next, &settled));
        self.naive.consumers.clear();
        (self.naive.window, self.naive.paused) = (self.setup.window, false);
        self.naive.heard = self.naive.log.len() as u64;
        (self.naive.acked, self.naive.nacked, self.naive.stale, self.naive.timed_out) = (0, 0, 0, 0);
        self.untold.clear();
        self.forgotten.clear();
        self.cursor = Offset::ZERO;
        self.simulation.restart();
    }

    /// The world does something that was asked for.
    fn act(&mut self, which: usize, fails: bool) {
        let asked: Effect<Published> = self.simulation.open.remove(which);
        let event = if fails { self.simulation.fail(asked) } else { self.simulation.answer(asked) };
        self.untold.extend(event);
    }

    fn tell(&mut self, event: Event<Published>) {
        if let Event::Kept(keep) = &event
            && !self.forgotten.contains(keep)
            && self.naive.phases.get(&keep.offset.get()) == Some(&Phase::Keeping)
        {
            self.told_kept(keep.offset.get());
        }
        if let Event::Fetched { bounds, .. } = &event {
            self.naive.heard = self.naive.heard.max(bounds.head.get());
        }
        self.simulation.step(event);
    }

    fn told_kept(&mut self, offset: u64) {
        self.naive.settle(offset);
    }

    /// Everything that has happened is right, and so is what has come of it.
    fn check(&mut self) {
        self.look(Some(Naive::at));
        let now = self.simulation.now;
        self.naive.at(now);
        let status = self.simulation.status();
        let counters = status.counters;
        assert_eq!(status.in_flight, self.naive.in_flight().count(), "in flight");
        let (least, most) = self.naive.held(now);
        assert!((least..=most).contains(&status.held), "held {} and not {least} to {most}", status.held);
        assert_eq!(
            (counters.acked, counters.nacked, counters.stale, counters.timed_out),
            (self.naive.acked, self.naive.nacked, self.naive.stale, self.naive.timed_out),
            "acked, nacked, stale, timed out"
        );
        assert_eq!(self.simulation.blocked().len(), self.naive.blocking().len(), "blocked");
        let cursor = self.simulation.cursor().unwrap();
        assert!(cursor >= self.cursor, "the cursor went back from {} to {cursor}", self.cursor);
        self.cursor = cursor;
        self.check_passed(cursor, &OffsetRanges::default(), now);
        let next = self.simulation.next_deadline();
        assert!(next.is_none_or(|next| next > now), "due at {next:?}, which is not after {now:?}");
        if self.setup.is_prompt() && status.aside < self.setup.config().max_aside {
            assert_eq!(self.naive.neglected(now), None, "not delivered though it could be");
        }
    }

    /// What has happened is right, one after the other; before each, what was due by then.
    pub(super) fn look(&mut self, due: Option<fn(&mut Naive, Duration)>) {
        for index in self.read..self.simulation.history.len() {
            let Seen { at, what } = self.simulation.history[index].clone();
            if let Some(due) = due {
                due(&mut self.naive, at);
            }
            self.saw(at, what);
        }
        self.read = self.simulation.history.len();
    }

    fn saw(&mut self, at: Duration, what: Happened) {
        match what {
            Happened::Delivered(token) => {
                self.naive.delivered(token, at);
                self.tokens.push(token);
            }
            Happened::Keeping(offset) => {
                assert_eq!(self.naive.phases.get(&offset.get()), Some(&Phase::Keeping), "{offset}");
            }
            Happened::Kept(offset) => {
                self.naive.ended.insert(offset.get());
                if !self.setup.by_hand {
                    self.told_kept(offset.get());
                }
            }
            Happened::Blocked(offset) => {
                assert_eq!(self.naive.phases.get(&offset.get()), Some(&Phase::Blocking), "{offset}");
            }
            Happened::Saving(next, settled) => self.check_passed(next, &settled, at),
        }
    }

    /// A cursor passes nothing but what is settled.
    fn check_passed(&self, next: Offset, settled: &OffsetRanges, at: Duration) {
        let wrong = offsets(next, settled).into_iter().find(|offset| !self.naive.passable(*offset, at));
        assert_eq!(wrong, None, "the cursor {next} passes what is not settled");
    }

    /// Consumers that do what they should, for long enough: nothing is left, and nothing was lost.
    pub(super) fn comes_to_rest(&mut self) {
        self.happens(&Op::Pause(false));
        for index in 0..4 {
            self.happens(&Op::PauseConsumer(index, false));
            self.happens(&Op::SetDown(index, false));
        }
        self.happens(&Op::Add(0));
        self.happens(&Op::Hear);
        for round in 0.. {
            self.settle_all();
            let status = self.simulation.status();
            if status.lag() == 0 && status.held == 0 && status.aside == 0 {
                break;
            }
            assert!(round < 3_000, "it does not come to rest: {status:?}, {:?}", self.naive.phases);
            self.happens(&Op::Advance(1_000));
        }
        let head = self.naive.log.len() as u64;
        assert_eq!(self.simulation.cursor(), Some(Offset::new(head)));
        let now = self.simulation.now;
        let lost = (self.naive.trimmed..head)
            .find(|offset| !self.naive.ended.contains(offset) && !self.naive.passable(*offset, now));
        assert_eq!(lost, None, "lost");
        // A save that had failed may have to wait.
        self.happens(&Op::Advance(1_000));
        self.settle_all();
        self.happens(&Op::Flush);
        self.settle_all();
        assert_eq!(self.simulation.saved.0, Offset::new(head), "the cursor is saved in the end");
    }

    fn settle_all(&mut self) {
        loop {
            let in_flight = self.naive.in_flight().next();
            if !self.untold.is_empty() {
                let event = self.untold.remove(0);
                self.tell(event);
                self.check();
            } else if !self.simulation.open.is_empty() {
                self.act(0, false);
                self.check();
            } else if let Some(offset) = self.naive.blocking().first().copied() {
                self.resolve(offset, Resolution::Skip);
                self.check();
            } else if let Some((_, token)) = in_flight {
                self.ack(token);
                self.check();
            } else {
                return;
            }
        }
    }
}

fn offsets(next: Offset, settled: &OffsetRanges) -> BTreeSet<u64> {
    let above = settled.iter().flat_map(|range| range.start.get()..range.end.get());
    (0..next.get()).chain(above).collect()
}
