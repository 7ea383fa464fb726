use std::time::SystemTime;

use dispatch_core::messenger::{MessengerError, Schedule};
use dispatch_core::queue::{Filter, MessageState, Page};

use super::Messenger;

/// Messages that are looked at at once.
const TOGETHER: usize = 200;

/// Cancels occurrences of a schedule that are not due yet and that it does not plan any more.
pub(super) async fn clear(
    messenger: &Messenger,
    schedule: &Schedule,
    now: SystemTime,
) -> Result<(), MessengerError> {
    let options = schedule.options_at(now);
    let message_type = &schedule.message().message_type;
    for transport in messenger.transports_of(message_type, &options)? {
        let queue = messenger.queue(transport.as_str())?;
        let mut filter = Filter::all().of_type(message_type.clone());
        filter.states = vec![MessageState::Ready, MessageState::Waiting];
        let mut page = Page::first(TOGETHER);
        loop {
            let found = queue.list(&filter, page).await?;
            let Some(last) = found.last().map(|stored| stored.id) else { break };
            let outdated = found.iter().filter(|stored| {
                let from = stored.message().and_then(|message| message.headers.get(Schedule::HEADER));
                let is_own = from.is_some_and(|name| name == schedule.name().as_str());
                let says = stored.message().map(|message| &message.payload);
                let is_planned = schedule.plans(stored.due_at) && says == Some(&schedule.message().payload);
                is_own && stored.claim == 0 && stored.due_at > now && !is_planned
            });
            let outdated: Vec<_> = outdated.map(|stored| stored.id).collect();
            if !outdated.is_empty() {
                queue.cancel(&outdated).await?;
            }
            page = Page::after(last, TOGETHER);
        }
    }
    Ok(())
}
