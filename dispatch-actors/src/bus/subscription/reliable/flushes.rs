use dispatch_core::log::LogError;
use tokio::sync::oneshot;

use crate::bus::BusError;

type Reply = oneshot::Sender<Result<(), BusError>>;

/// Those who wait until the cursor is saved.
///
/// A flush covers what has come before it, and waits for nothing that comes later: under load there is always something
/// that is not saved.
#[derive(Default)]
pub(super) struct Flushes(Vec<(Waits, Reply)>);

/// What a flush waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// What consumers have answered before it has not been collected.
    Answers,
    /// So many events are to be worked off: those that came before it, and the one that asks for a save.
    Events(u64),
    /// So many changes are to be saved.
    Changes(u64),
}

impl Flushes {
    pub(super) fn add(&mut self, reply: Reply) {
        self.0.push((Waits::Answers, reply));
    }

    /// Whether a save has to be asked for, behind what was collected.
    pub(super) fn is_asked(&self) -> bool {
        self.0.iter().any(|(waits, _)| *waits == Waits::Answers)
    }

    /// A save was asked for, as the last of so many events.
    pub(super) fn asked(&mut self, events: u64) {
        for (waits, _) in self.0.iter_mut().filter(|(waits, _)| *waits == Waits::Answers) {
            *waits = Waits::Events(events);
        }
    }

    /// So many events have been worked off, and so many changes were made by them.
    pub(super) fn worked_off(&mut self, events: u64, changes: u64) {
        for (waits, _) in &mut self.0 {
            if matches!(waits, Waits::Events(after) if *after <= events) {
                *waits = Waits::Changes(changes);
            }
        }
    }

    /// So many changes are saved.
    pub(super) fn saved(&mut self, changes: u64) {
        let is_done = |waits: &Waits| matches!(waits, Waits::Changes(upto) if *upto <= changes);
        for (_, reply) in self.0.extract_if(.., |(waits, _)| is_done(waits)) {
            let _ = reply.send(Ok(()));
        }
    }

    /// The cursor cannot be saved.
    pub(super) fn failed(&mut self, error: &LogError) {
        for (_, reply) in self.0.drain(..) {
            let _ = reply.send(Err(error.repeat().into()));
        }
    }
}
