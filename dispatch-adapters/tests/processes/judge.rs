//! Who writes down what was acknowledged, and holds the log to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use dispatch_adapters::model::log::{LogError, Offset, ReadLimit, TopicLog};
use dispatch_adapters::model::{DeadLetterOrigin, Topic};

use crate::place::Place;
use crate::said::{PUBLISHERS, Said, TOPIC, Who};
use crate::seen::Seen;
use crate::worker::number_of;

/// What all processes have said, and what is wrong with it.
pub(crate) struct Judge {
    place: Place,
    /// Whether what was acknowledged may not come again.
    must_be_new: bool,
    /// The numbers whose publishing was acknowledged, by offset.
    published: BTreeMap<u64, u64>,
    /// Those of them that were not looked up in the log yet.
    unchecked: Vec<(u64, u64)>,
    /// The round that each publisher goes on with.
    pub(crate) rounds: [u64; PUBLISHERS as usize],
    seen: [Seen; 3],
    /// The numbers in the log, by offset, as far as it was looked at.
    log: Vec<u64>,
    /// Acknowledged publications that the log has not.
    lost: u64,
    /// Records that some subscription has not acknowledged in the end.
    unhandled: u64,
    /// The offsets of the messages that are parked, some of them more than once.
    parked: Vec<u64>,
    pub(crate) stops: usize,
    pub(crate) problems: Vec<String>,
}

impl Judge {
    pub(crate) fn new(place: Place, must_be_new: bool) -> Self {
        Self {
            place,
            must_be_new,
            published: BTreeMap::new(),
            unchecked: Vec::new(),
            rounds: [0; PUBLISHERS as usize],
            seen: Who::ALL.map(Seen::new),
            log: Vec::new(),
            lost: 0,
            unhandled: 0,
            parked: Vec::new(),
            stops: 0,
            problems: Vec::new(),
        }
    }

    /// How many messages were published that the slowest subscription has not acknowledged.
    pub(crate) fn backlog(&self) -> u64 {
        let acknowledged = self.seen.iter().map(|seen| seen.acknowledged.len()).min().unwrap_or(0);
        (self.published.len() as u64).saturating_sub(acknowledged)
    }

    /// A process that consumes is about to start.
    pub(crate) fn consumers_start(&mut self) {
        self.seen.iter_mut().for_each(Seen::opens);
    }

    /// A process has said something.
    pub(crate) fn hear(&mut self, said: Said) {
        let result = match said {
            Said::Ready => Ok(()),
            Said::Found { by, next, settled } => self.seen[by as usize].found(next, &settled),
            Said::Published { number, offset } => self.published(number, offset),
            Said::Delivered { by, offset, number, attempt } => {
                self.seen[by as usize].delivered(offset, number, attempt, self.must_be_new)
            }
            // A message that is refused for good is parked, and then as good as acknowledged.
            Said::Acknowledges { by, offset } | Said::Refuses { by, offset } => {
                self.seen[by as usize].acknowledges(offset);
                Ok(())
            }
            Said::Stopped { unacknowledged: 0, unsaved: false, .. } => Ok(()),
            Said::Stopped { by, unacknowledged, unsaved } => {
                Err(format!("{by} has stopped with {unacknowledged} unacknowledged, unsaved: {unsaved}"))
            }
            Said::Failed(error) => Err(format!("a process has failed: {error}")),
        };
        self.note(result);
    }

    pub(crate) fn note(&mut self, result: Result<(), String>) {
        self.problems.extend(result.err());
    }

    fn published(&mut self, number: u64, offset: u64) -> Result<(), String> {
        self.unchecked.push((offset, number));
        let publisher = usize::try_from(number % PUBLISHERS).unwrap();
        self.rounds[publisher] = self.rounds[publisher].max(number / PUBLISHERS + 1);
        match self.published.insert(offset, number) {
            Some(before) => Err(format!("{before} and {number} were both acknowledged at {offset}")),
            None => Ok(()),
        }
    }

    /// Looks into the log: what was acknowledged has to be there by now, and no cursor may be too far.
    pub(crate) fn look(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _alone = super::trial::while_nobody_forks();
        let looked = runtime.block_on(async {
            let log = self.place.open().await?;
            self.read(&log).await?;
            self.look_at_cursors(&*log).await?;
            self.look_at_parked(&*log).await?;
            log.close().await
        });
        self.note(looked.map_err(|error| format!("the judge cannot look into the log: {error}")));
        for (offset, number) in std::mem::take(&mut self.unchecked) {
            let there = self.log.get(usize::try_from(offset).unwrap()).copied();
            if there != Some(number) {
                self.lost += 1;
                self.note(Err(format!("{number} was acknowledged at {offset}, where {there:?} is")));
            }
        }
    }

    /// Reads what it has not read yet.
    async fn read(&mut self, log: &Arc<dyn TopicLog>) -> Result<(), LogError> {
        let topic: Topic = TOPIC.parse().unwrap();
        loop {
            let from = Offset::new(self.log.len() as u64);
            let read = log.read(&topic, from, ReadLimit::records(1_000)).await?;
            if read.records.is_empty() {
                return Ok(());
            }
            for record in read.records {
                let (expected, found) = (self.log.len() as u64, record.offset.get());
                if found != expected {
                    self.note(Err(format!("the log has {found} where {expected} should be")));
                }
                self.log.push(number_of(&record.entry.envelope));
            }
        }
    }

    async fn look_at_cursors(&mut self, log: &dyn TopicLog) -> Result<(), LogError> {
        for who in Who::ALL {
            for cursor in log.load(who.name()).await?.into_iter().flat_map(|stored| stored.cursors) {
                let found = self.seen[who as usize].found(cursor.next.get(), &cursor.settled);
                self.note(found);
            }
        }
        Ok(())
    }

    /// What a cursor has passed and nobody takes is parked.
    async fn look_at_parked(&mut self, log: &dyn TopicLog) -> Result<(), LogError> {
        let name = Who::PARKS.name();
        let cursors = log.load(name).await?.map(|stored| stored.cursors).unwrap_or_default();
        self.parked.clear();
        let mut after = None;
        loop {
            let letters = log.parked(name, after, 1_000).await?;
            let Some(last) = letters.last() else { break };
            after = Some(last.id);
            self.parked.extend(letters.iter().filter_map(|letter| match &letter.origin {
                DeadLetterOrigin::Subscription { offset, .. } => Some(offset.get()),
                _ => None,
            }));
        }
        let passed = |offset: u64| {
            let offset = Offset::new(offset);
            cursors.iter().any(|cursor| offset < cursor.next || cursor.settled.contains(offset))
        };
        let there: BTreeSet<_> = self.parked.iter().copied().collect();
        let refused = (0..self.log.len() as u64).filter(|offset| Who::PARKS.refuses(*offset));
        let missing: Vec<_> = refused.filter(|it| passed(*it) && !there.contains(it)).collect();
        if !missing.is_empty() {
            self.problems.push(format!("{name} has passed {missing:?}, which nobody took and nobody parked"));
        }
        if self.must_be_new && there.len() < self.parked.len() {
            self.problems.push(format!("{name} has parked something twice: {:?}", self.parked));
        }
        Ok(())
    }

    /// Everything was published and handled: looks at all of it once more.
    pub(crate) fn ends(&mut self) {
        let before = std::mem::take(&mut self.log);
        self.unchecked = self.published.iter().map(|(offset, number)| (*offset, *number)).collect();
        self.look();
        if !self.log.starts_with(&before) {
            self.note(Err("the log has changed what it held before".to_owned()));
        }
        let head = self.log.len() as u64;
        for (who, seen) in Who::ALL.iter().zip(&self.seen) {
            let unhandled = head - seen.acknowledged.len().min(head);
            if unhandled > 0 {
                self.problems.push(format!("{who:?} has never acknowledged {unhandled} of {head} records"));
            }
            self.unhandled += unhandled;
            if !seen.numbers.values().eq(&self.log) {
                self.problems.push(format!("what {who:?} got is not what the log holds"));
            }
        }
    }
}

/// The figures of a trial.
impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let distinct = self.log.iter().collect::<BTreeSet<_>>().len();
        write!(
            f,
            "{} stops, {} publications acknowledged, {} lost, {} records, {} of them published again, {} unhandled, {} parked",
            self.stops,
            self.published.len(),
            self.lost,
            self.log.len(),
            self.log.len() - distinct,
            self.unhandled,
            self.parked.len(),
        )?;
        for (who, seen) in Who::ALL.iter().zip(&self.seen) {
            write!(
                f,
                "\n  {}: {} deliveries, {} duplicates, {} of them acknowledged before",
                who.name(),
                seen.deliveries,
                seen.duplicates,
                seen.acknowledged_before,
            )?;
        }
        Ok(())
    }
}
