use std::time::Duration;

use dispatch_core::log::LogBounds;
use dispatch_core::subscription::{Effect, Event};

use super::{Happened, Published, Simulation};

impl Simulation {
    /// Does what the state asks for, and says what came of it.
    pub fn answer(&mut self, asked: Effect<Published>) -> Option<Event<Published>> {
        Some(match asked {
            Effect::Fetch(request) => {
                let messages = self.log.read(request.from, request.max);
                Event::Fetched { request, messages, bounds: self.log.bounds() }
            }
            Effect::Load(load) => Event::Loaded { load, record: self.log.get(load.offset).cloned() },
            Effect::Park(exhaustion) => {
                self.parked.push(exhaustion.keep.offset);
                self.saw(Happened::Kept(exhaustion.keep.offset));
                Event::Kept(exhaustion.keep)
            }
            Effect::DeadLetter(exhaustion) => {
                self.dead.push(exhaustion.keep.offset);
                self.saw(Happened::Kept(exhaustion.keep.offset));
                Event::Kept(exhaustion.keep)
            }
            Effect::Save(cursors) => {
                for cursor in cursors {
                    self.saved = (cursor.next, cursor.settled);
                }
                Event::Saved
            }
            _ => return None,
        })
    }

    /// Does not do what the state asks for, and says so.
    pub fn fail(&mut self, asked: Effect<Published>) -> Option<Event<Published>> {
        let retry_in = Duration::from_millis(700);
        Some(match asked {
            // A log that has records does not always give them at once.
            Effect::Fetch(request) if request.max % 2 == 0 && request.from < self.log.head() => {
                let bounds = LogBounds { oldest: request.from, ..self.log.bounds() };
                Event::Fetched { request, messages: Vec::new(), bounds }
            }
            Effect::Fetch(request) => Event::FetchFailed { request, retry_in },
            Effect::Load(load) => Event::LoadFailed { load, retry_in },
            Effect::Park(exhaustion) | Effect::DeadLetter(exhaustion) => {
                Event::NotKept { keep: exhaustion.keep, retry_in }
            }
            Effect::Save(_) => Event::NotSaved { retry_in },
            other => return self.answer(other),
        })
    }
}
