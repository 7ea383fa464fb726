//! How messages get into transports, and what is told of each.

use std::collections::BTreeMap;

use dispatch_core::messenger::{MessengerError, Name, QueuedMessage};
use dispatch_core::queue::{Enqueued, QueueError, Submission};
use futures_util::future::join_all;
use uuid::Uuid;

use super::{BatchResult, Dispatched, Messenger, Sent};

/// Messages of one call to a queue, at most.
const TOGETHER: usize = 500;

impl Messenger {
    /// Sends what was planned, each to all of its transports; one result per item, in their order.
    pub(super) async fn send_planned(
        &self,
        items: impl IntoIterator<Item = Result<Vec<Submission>, MessengerError>>,
    ) -> BatchResult {
        let mut planned = Vec::new();
        let mut by_transport: BTreeMap<Name, Vec<(usize, Submission)>> = BTreeMap::new();
        for (place, item) in items.into_iter().enumerate() {
            let submissions = item.map_err(|error| planned.push(Err(error)));
            let Ok(submissions) = submissions else { continue };
            planned.push(Ok(()));
            for submission in submissions {
                let transport = submission.message.transport.clone();
                by_transport.entry(transport).or_default().push((place, submission));
            }
        }
        let sends = by_transport.into_iter().map(|(transport, messages)| self.send_many(transport, messages));
        let mut answers: Vec<Vec<_>> = planned.iter().map(|_| Vec::new()).collect();
        for (place, transport, answer) in join_all(sends).await.into_iter().flatten() {
            if let Some(answers) = answers.get_mut(place) {
                answers.push((transport, answer));
            }
        }
        let results = planned.into_iter().zip(answers).map(|(planned, transports)| {
            planned?;
            Dispatched { correlation_id: Uuid::nil(), transports }.all()
        });
        BatchResult { results: results.collect() }
    }

    /// Sends messages to one transport, a few hundred at a time; what became of each, with its place.
    pub(super) async fn send_many(
        &self,
        transport: Name,
        messages: Vec<(usize, Submission)>,
    ) -> Vec<(usize, Name, Result<Sent, MessengerError>)> {
        let queue = match self.queue(transport.as_str()) {
            Ok(queue) => queue,
            Err(error) => {
                let refuse = |(place, _)| (place, transport.clone(), Err(error.clone()));
                return messages.into_iter().map(refuse).collect();
            }
        };
        let mut answers = Vec::new();
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let (places, submissions): (Vec<_>, Vec<_>) = messages.by_ref().take(TOGETHER).unzip();
            let about: Vec<_> = places
                .into_iter()
                .zip(&submissions)
                .map(|(place, submission)| (place, About::of(&submission.message)))
                .collect();
            let sent = queue.enqueue(submissions).await;
            if let Some(meter) = self.shared.meters.get(transport.as_str()) {
                match &sent {
                    Ok(sent) => sent.iter().for_each(|answer| meter.count(answer)),
                    Err(_) => meter.refuse(about.len()),
                }
            }
            match sent {
                Ok(sent) => answers.extend(about.into_iter().zip(sent).map(|((place, about), answer)| {
                    (
                        place,
                        transport.clone(),
                        answer.map(|answer| about.sent(answer)).map_err(MessengerError::from),
                    )
                })),
                Err(error) => answers.extend(
                    about
                        .into_iter()
                        .map(|(place, about)| (place, transport.clone(), Err(about.unsent(&error)))),
                ),
            }
        }
        answers
    }
}

/// What is told of a message once it was sent.
struct About(Sent);

impl About {
    fn of(message: &QueuedMessage) -> Self {
        Self(Sent {
            id: message.id,
            transport: message.transport.clone(),
            queue: message.queue.clone(),
            priority: message.priority,
            scheduled_at: message.scheduled_at,
            duplicate_of: None,
            replaced: None,
        })
    }

    fn sent(self, Enqueued { id, duplicate_of, replaced, .. }: Enqueued) -> Sent {
        let scheduled_at = self.0.scheduled_at.filter(|_| duplicate_of.is_none());
        Sent { id, duplicate_of, replaced, scheduled_at, ..self.0 }
    }

    fn unsent(self, error: &QueueError) -> MessengerError {
        let Sent { transport, queue, id, .. } = self.0;
        let problem = format!("transport '{transport}', queue '{queue}', message {id}: {error}");
        MessengerError::new(error.code(), problem).with_retryable(error.is_retryable())
    }
}
