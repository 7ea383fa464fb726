use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use dispatch_core::Sanitizer;
use dispatch_core::log::{LogRecord, TopicLog};
use dispatch_core::subscription::{Effect, Event};

use super::hub::Hub;
use super::time::BusClock;

/// What all subscriptions of a bus have in common, on its thread.
pub(in crate::bus) struct Shared {
    pub(in crate::bus) log: Arc<dyn TopicLog>,
    pub(in crate::bus) clock: BusClock,
    pub(in crate::bus) sanitizer: Sanitizer,
    pub(in crate::bus) heartbeat: Duration,
    pub(in crate::bus) idle_timeout: Duration,
    pub(in crate::bus) hub: Addr<Hub>,
    pub(in crate::bus) spare: Spare,
}

/// Room that a subscription borrows for a turn. One has its turn at a time, so what would be kept ready by each, and be
/// empty nearly always, is there once.
#[derive(Default)]
pub(in crate::bus) struct Spare {
    pub(in crate::bus) events: Cell<VecDeque<Event<LogRecord>>>,
    pub(in crate::bus) effects: Cell<Vec<Effect<LogRecord>>>,
}
