//! Calls that come at the same time are answered together: one statement, one commit.

use dispatch_core::queue::QueueError;
use std::future::Future;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait; more wait to be let in.
const WAITING: usize = 4_096;
/// Things that are done together, at most, if not one call alone has more.
pub(super) const TOGETHER: usize = 1_000;
/// Their bytes.
pub(super) const TOGETHER_BYTES: usize = 4 * 1024 * 1024;

struct Call<T, A> {
    things: Vec<T>,
    bytes: usize,
    answer: oneshot::Sender<Result<Vec<A>, QueueError>>,
}

/// Hands things to the task that does them. It ends once the last of these is gone.
pub(super) struct Gather<T, A>(mpsc::Sender<Call<T, A>>);

impl<T, A> Clone for Gather<T, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static, A: Send + 'static> Gather<T, A> {
    /// Starts the task. `work` does some things, and answers for each, in order.
    pub(super) fn start<F>(work: impl Fn(Vec<T>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Vec<A>, QueueError>> + Send + 'static,
    {
        let (sender, calls) = mpsc::channel(WAITING);
        tokio::spawn(answer(calls, work));
        Self(sender)
    }

    /// Has things done.
    pub(super) async fn ask(&self, things: Vec<T>, bytes: usize) -> Result<Vec<A>, QueueError> {
        let (answer, answered) = oneshot::channel();
        let ended = || QueueError::Failed {
            what: "the runtime that it was opened on has ended: open it on one that lives as long".to_owned(),
            source: None,
        };
        self.0.send(Call { things, bytes, answer }).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

async fn answer<T, A, F>(mut calls: mpsc::Receiver<Call<T, A>>, work: impl Fn(Vec<T>) -> F)
where
    F: Future<Output = Result<Vec<A>, QueueError>>,
{
    let mut next: Option<Call<T, A>> = None;
    loop {
        let first = match next.take() {
            Some(call) => call,
            None => match calls.recv().await {
                Some(call) => call,
                None => return,
            },
        };
        let (mut bytes, mut things, mut waiting) = (first.bytes, first.things, Vec::new());
        waiting.push((things.len(), first.answer));
        while let Ok(call) = calls.try_recv() {
            // Whoever has given up does not want it any more.
            if call.answer.is_closed() {
                continue;
            }
            if things.len() + call.things.len() > TOGETHER || bytes + call.bytes > TOGETHER_BYTES {
                next = Some(call);
                break;
            }
            bytes += call.bytes;
            waiting.push((call.things.len(), call.answer));
            things.extend(call.things);
        }
        match work(things).await {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for (count, answer) in waiting {
                    let _ = answer.send(Ok(answers.by_ref().take(count).collect()));
                }
            }
            Err(error) => waiting.into_iter().for_each(|(_, answer)| drop(answer.send(Err(error.repeat())))),
        }
    }
}
