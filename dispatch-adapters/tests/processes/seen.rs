//! What one subscription has got, and whether that is what it was promised.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dispatch_adapters::model::log::{Offset, OffsetRanges};

use crate::said::Who;

/// What one subscription has got, in all runs.
pub(crate) struct Seen {
    who: Who,
    /// The numbers that came, by offset.
    pub(crate) numbers: BTreeMap<u64, u64>,
    /// What consumers have acknowledged, or were about to when they were stopped.
    pub(crate) acknowledged: OffsetRanges,
    /// The cursor that was found last.
    cursor: u64,
    /// The offset and the number that came last for the first time, by line.
    firsts: HashMap<u64, (u64, u64)>,
    run: Run,
    pub(crate) deliveries: u64,
    /// Deliveries that were no retries, of messages that had come before.
    pub(crate) duplicates: u64,
    /// Those among them that had been acknowledged.
    pub(crate) acknowledged_before: u64,
}

/// What it has got since it was opened last.
#[derive(Default)]
struct Run {
    acknowledged: OffsetRanges,
    /// What takes a place in the window: delivered, and not acknowledged.
    held: BTreeSet<u64>,
    /// The offset that came last, by line.
    lasts: HashMap<u64, u64>,
}

impl Seen {
    pub(crate) fn new(who: Who) -> Self {
        Self {
            who,
            numbers: BTreeMap::new(),
            acknowledged: OffsetRanges::default(),
            cursor: 0,
            firsts: HashMap::new(),
            run: Run::default(),
            deliveries: 0,
            duplicates: 0,
            acknowledged_before: 0,
        }
    }

    /// It is opened anew.
    pub(crate) fn opens(&mut self) {
        self.run = Run::default();
    }

    /// The first offset that was not acknowledged.
    fn unacknowledged(&self) -> u64 {
        self.acknowledged
            .iter()
            .next()
            .filter(|first| first.start == Offset::ZERO)
            .map_or(0, |it| it.end.get())
    }

    /// What is wrong with a cursor that was found in the log.
    pub(crate) fn found(&mut self, next: u64, settled: &OffsetRanges) -> Result<(), String> {
        let (name, before) = (self.who.name(), std::mem::replace(&mut self.cursor, next));
        let first = self.unacknowledged();
        if next > first {
            return Err(format!(
                "the cursor of {name} stands at {next}, past {first}, which nobody acknowledged"
            ));
        }
        if next < before {
            return Err(format!("the cursor of {name} went back from {before} to {next}"));
        }
        let mut offsets = settled.iter().flat_map(|range| range.start.get()..range.end.get());
        match offsets.find(|offset| !self.acknowledged.contains(Offset::new(*offset))) {
            Some(offset) => Err(format!("{name} has settled {offset}, which nobody acknowledged")),
            None => Ok(()),
        }
    }

    /// A message has come; `must_be_new` if every stop so far has waited for what was acknowledged to be saved.
    pub(crate) fn delivered(
        &mut self,
        offset: u64,
        number: u64,
        attempt: u32,
        must_be_new: bool,
    ) -> Result<(), String> {
        let name = self.who.name();
        self.deliveries += 1;
        match self.numbers.insert(offset, number) {
            None => self.first(offset, number)?,
            Some(before) if before != number => {
                return Err(format!("{name} got {before} at {offset}, and then {number}"));
            }
            Some(_) if attempt == 1 => {
                let acknowledged = self.acknowledged.contains(Offset::new(offset));
                self.duplicates += 1;
                self.acknowledged_before += u64::from(acknowledged);
                if acknowledged && (must_be_new || self.run.acknowledged.contains(Offset::new(offset))) {
                    return Err(format!("{name} got {offset} again, which it had acknowledged"));
                }
            }
            Some(_) => {}
        }
        self.in_run(offset, number)
    }

    /// It has never come before.
    fn first(&mut self, offset: u64, number: u64) -> Result<(), String> {
        let name = self.who.name();
        let Some(line) = self.who.line(number) else { return Ok(()) };
        let before = self.firsts.insert(line, (offset, number));
        if before.is_some_and(|(before, _)| before > offset) {
            return Err(format!("{name} got {offset} after {before:?}, for the first time"));
        }
        // What a publisher is not told of it publishes again: a number may come twice, and never after a later one.
        if self.who == Who::KeyShared && before.is_some_and(|(_, before)| before > number) {
            return Err(format!("{name} got number {number} of key {line} after {before:?}"));
        }
        let skipped = self.who == Who::Exclusive && before.map_or(0, |(before, _)| before + 1) != offset;
        if skipped {
            Err(format!("{name} got {offset} after {before:?}, and nothing between"))
        } else {
            Ok(())
        }
    }

    fn in_run(&mut self, offset: u64, number: u64) -> Result<(), String> {
        let (who, name) = (self.who, self.who.name());
        self.run.held.insert(offset);
        if self.run.held.len() > who.window() as usize {
            return Err(format!("{name} has {:?} before it, more than its window", self.run.held));
        }
        let Some(line) = who.line(number) else { return Ok(()) };
        let of = |offset: &u64| self.numbers.get(offset).and_then(|number| who.line(*number));
        if let Some(other) = self.run.held.iter().find(|other| **other != offset && of(other) == Some(line)) {
            return Err(format!("{name} got {offset} while {other} of the same key was unacknowledged"));
        }
        match self.run.lasts.insert(line, offset) {
            Some(before) if before > offset => Err(format!("{name} got {offset} after {before} in one run")),
            _ => Ok(()),
        }
    }

    /// A consumer is about to acknowledge it.
    pub(crate) fn acknowledges(&mut self, offset: u64) {
        self.acknowledged.insert(Offset::new(offset));
        self.run.acknowledged.insert(Offset::new(offset));
        self.run.held.remove(&offset);
    }
}
