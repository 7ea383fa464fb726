//! What was stored by an earlier version of a schedule, and is not planned any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use dispatch_core::messenger::{Name, Schedule};
use dispatch_core::queue::{Filter, MessageQueue, MessageState, QueueError};

use crate::messenger::pages::Pages;

/// The schedules of a transport, with their places in the scheduler.
pub(super) struct Clearing {
    pub(super) transport: Name,
    pub(super) schedules: Vec<(usize, Arc<Schedule>)>,
    pub(super) has_begun: bool,
}

/// Cancels occurrences that are not due yet, and that their schedule does not plan any more or would send with another
/// payload. Whoever listens is told of each place and of the times that were cancelled there: occurrences of these times
/// that are planned have to be stored once more.
pub(super) async fn clear(
    queue: &dyn MessageQueue,
    schedules: &[(usize, Arc<Schedule>)],
    now: SystemTime,
    cancelled: impl Fn(usize, BTreeSet<SystemTime>),
) -> Result<(), QueueError> {
    let types: BTreeSet<_> = schedules.iter().map(|(_, schedule)| &schedule.message().message_type).collect();
    for message_type in types {
        let own = schedules.iter().filter(|(_, schedule)| schedule.message().message_type == *message_type);
        let own: BTreeMap<_, _> =
            own.map(|(place, schedule)| (schedule.name().as_str(), (*place, schedule))).collect();
        let mut filter = Filter::all().of_type(message_type.clone());
        filter.states = vec![MessageState::Ready, MessageState::Waiting];
        let mut pages = Pages::new();
        loop {
            let found = queue.list(&filter, pages.next()).await?;
            if !pages.seen(&found) {
                break;
            }
            let (mut outdated, mut times) = (Vec::new(), BTreeMap::<_, BTreeSet<_>>::new());
            for stored in &found {
                let Some(message) = stored.message() else { continue };
                let from = message.headers.get(Schedule::HEADER);
                let Some((place, schedule)) = from.and_then(|name| own.get(name.as_str())) else { continue };
                let is_planned =
                    schedule.plans(stored.due_at) && message.payload == schedule.message().payload;
                if stored.claim == 0 && stored.due_at > now && !is_planned {
                    outdated.push(stored.id);
                    times.entry(*place).or_default().insert(stored.due_at);
                }
            }
            if !outdated.is_empty() {
                let answer = queue.cancel(&outdated).await;
                // Also if it has failed: some may be gone, and what is stored once more is stored once.
                times.into_iter().for_each(|(place, times)| cancelled(place, times));
                answer?;
            }
        }
    }
    Ok(())
}
