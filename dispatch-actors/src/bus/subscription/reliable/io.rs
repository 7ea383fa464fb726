//! What the state asks of the log and of the dead-letter target.

use std::sync::Arc;
use std::time::Duration;

use dispatch_core::DeadLetter;
use dispatch_core::log::{Cursor, LogBounds, LogError, LogRecord, ReadLimit};
use dispatch_core::subscription::{Event, Exhaustion, Fetch, Load, SavedCursor, SubscriptionType};
use futures_util::future::BoxFuture;

use super::Reliable;
use super::intake::Intake;
use crate::bus::keep;
use crate::bus::subscription::logging;

/// How long to wait before the log, or a dead-letter target, is tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// How long to wait before the log is asked again for a record that it has and did not give.
const NOT_YET: Duration = Duration::from_millis(50);

/// What a future beside the mailbox has come to.
pub(in crate::bus) struct Done {
    pub(in crate::bus) event: Option<Event<LogRecord>>,
    pub(in crate::bus) failed: Option<(&'static str, String)>,
    /// Why the cursor could not be saved.
    pub(in crate::bus) unsaved: Option<LogError>,
}

impl Done {
    pub(in crate::bus) const fn event(event: Event<LogRecord>) -> Self {
        Self { event: Some(event), failed: None, unsaved: None }
    }

    pub(in crate::bus) fn failed(
        what: &'static str,
        error: &dyn std::fmt::Display,
        then: Option<Event<LogRecord>>,
    ) -> Self {
        Self { event: then, failed: Some((what, error.to_string())), unsaved: None }
    }

    /// There is nothing to say.
    pub(in crate::bus) const fn nothing() -> Self {
        Self { event: None, failed: None, unsaved: None }
    }
}

impl Reliable {
    pub(super) fn done(&mut self, done: Done) {
        if let Some((what, error)) = done.failed {
            let error = self.parts.shared.sanitizer.sanitize_text(&error);
            if self.troubles.add(what, error.clone(), self.parts.shared.clock.now()) {
                logging::failed(&self.parts.config.name, what, &error);
            }
        }
        if let Some(error) = done.unsaved {
            self.flushes.failed(&error);
        }
        match done.event {
            Some(Event::CannotKeep { keep, reason }) => {
                let reason = self.parts.shared.sanitizer.sanitize_text(&reason);
                self.push(Event::CannotKeep { keep, reason });
            }
            Some(event) => self.push(event),
            None => {}
        }
    }

    pub(super) fn read(&self, request: Fetch) -> BoxFuture<'static, Done> {
        let Some(topic) = self.topic(request.topic) else { return nothing() };
        let log = Arc::clone(&self.parts.shared.log);
        let into = self.intake();
        Box::pin(async move {
            match log.read(&topic, request.from, ReadLimit::records(request.max)).await {
                Ok(read) => {
                    let messages = into.messages(read.records);
                    Done::event(Event::Fetched { request, messages, bounds: read.bounds })
                }
                Err(error) => {
                    let again = Event::FetchFailed { request, retry_in: AGAIN };
                    Done::failed("the log cannot be read", &error, Some(again))
                }
            }
        })
    }

    pub(super) fn load(&self, load: Load) -> BoxFuture<'static, Done> {
        let Some(topic) = self.topic(load.topic) else { return nothing() };
        let log = Arc::clone(&self.parts.shared.log);
        Box::pin(async move {
            let again = |retry_in| Event::LoadFailed { load, retry_in };
            match log.read(&topic, load.offset, ReadLimit::records(1)).await {
                Ok(read) => {
                    let record = read.records.into_iter().find(|record| record.offset == load.offset);
                    let LogBounds { oldest, head } = read.bounds;
                    if record.is_some() || load.offset < oldest {
                        return Done::event(Event::Loaded { load, record });
                    }
                    // It is there and was not given, or whoever has answered is behind.
                    Done::event(again(if load.offset < head { NOT_YET } else { AGAIN }))
                }
                Err(error) => Done::failed("a record cannot be read again", &error, Some(again(AGAIN))),
            }
        })
    }

    pub(super) fn save(&self, cursors: Vec<SavedCursor>) -> BoxFuture<'static, Done> {
        let (log, name) = (Arc::clone(&self.parts.shared.log), self.name());
        let with_topic = |saved: SavedCursor| {
            let topic = self.topic(saved.topic)?;
            Some(Cursor { topic, next: saved.next, settled: saved.settled })
        };
        let cursors: Vec<_> = cursors.into_iter().filter_map(with_topic).collect();
        Box::pin(async move {
            match log.save_cursors(&name, cursors).await {
                Ok(()) => Done::event(Event::Saved),
                Err(error) => {
                    let again = Event::NotSaved { retry_in: AGAIN };
                    let failed = Done::failed("the cursor cannot be saved", &error, Some(again));
                    Done { unsaved: Some(error), ..failed }
                }
            }
        })
    }

    pub(super) fn park(&self, exhausted: Exhaustion<LogRecord>) -> BoxFuture<'static, Done> {
        self.say_exhausted(&exhausted, "park");
        let (keep, Some(letter)) = (exhausted.keep, self.letter(exhausted)) else { return nothing() };
        keep::park(Arc::clone(&self.parts.shared.log), self.name(), keep, letter, AGAIN)
    }

    pub(super) fn dead_letter(&self, exhausted: Exhaustion<LogRecord>) -> BoxFuture<'static, Done> {
        self.say_exhausted(&exhausted, "dead_letter");
        let (keep, Some(letter)) = (exhausted.keep, self.letter(exhausted)) else { return nothing() };
        keep::dead_letter(self.parts.dead_letters.clone(), keep, letter, AGAIN)
    }

    fn letter(&self, exhausted: Exhaustion<LogRecord>) -> Option<DeadLetter> {
        let topic = self.topic(exhausted.keep.topic)?;
        Some(keep::letter(&self.parts, &topic, exhausted))
    }

    pub(super) fn say_exhausted(&self, exhausted: &Exhaustion<LogRecord>, then: &str) {
        if let Some(topic) = self.topic(exhausted.keep.topic) {
            let name = &self.parts.config.name;
            let (offset, attempts) = (exhausted.keep.offset, exhausted.attempts);
            logging::exhausted(name, &topic, offset, attempts, &exhausted.last_reason, then);
        }
    }

    pub(super) fn intake(&self) -> Intake {
        Intake {
            keyed: self.parts.config.kind == SubscriptionType::KeyShared,
            weighed: self.parts.config.bytes_per_second.is_some(),
            clock: self.parts.shared.clock.clone(),
        }
    }
}

fn nothing() -> BoxFuture<'static, Done> {
    Box::pin(std::future::ready(Done::nothing()))
}
