use std::sync::Arc;

use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryEvent};
use dispatch_core::policy::{Batch, BatchPolicy};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::protocol::{Command, Item};
use super::wrong_count;
use crate::policy::Telemetry;

/// Collects and sends until the last handle is gone and everything has its result.
pub(super) async fn run<A: Adapter>(
    policy: BatchPolicy,
    adapter: Arc<A>,
    telemetry: Telemetry,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let origin = Instant::now();
    let mut batch = Batch::new(policy);
    let mut sending = FuturesUnordered::new();
    let mut flushes: Vec<oneshot::Sender<()>> = Vec::new();
    let (mut open, mut draining) = (true, false);
    while open || !sending.is_empty() || !batch.is_empty() {
        if sending.is_empty() && batch.is_empty() {
            flushed(&mut flushes);
        }
        let due = batch.due().map(|due| origin + due);
        let ready = tokio::select! {
            biased;
            Some(()) = sending.next() => None,
            command = commands.recv(), if open => match command {
                Some(Command::Add(item)) => {
                    let full = batch.push(item, origin.elapsed());
                    full.or_else(|| (draining && commands.is_empty()).then(|| batch.take()))
                }
                Some(Command::Drain) => {
                    draining = true;
                    Some(batch.take())
                }
                Some(Command::Flush(done)) => {
                    flushes.push(done);
                    Some(batch.take())
                }
                None => {
                    open = false;
                    Some(batch.take())
                }
            },
            () = tokio::time::sleep_until(due.unwrap_or(origin)), if due.is_some() => batch.take_due(origin.elapsed()),
        };
        if let Some(items) = ready.filter(|items| !items.is_empty()) {
            sending.push(send(Arc::clone(&adapter), telemetry.clone(), items));
        }
    }
    flushed(&mut flushes);
}

/// Answers those who wait for a flush.
fn flushed(waiting: &mut Vec<oneshot::Sender<()>>) {
    for done in waiting.drain(..) {
        // Whoever asked may have gone.
        let _ = done.send(());
    }
}

async fn send<A: Adapter>(adapter: Arc<A>, telemetry: Telemetry, items: Vec<Item>) {
    // Whoever has gone does not want it any more.
    let items = items.into_iter().filter(|item| !item.reply.is_closed());
    let (envelopes, replies): (Vec<_>, Vec<_>) =
        items.map(|Item { envelope, reply, _permit }| (envelope, (reply, _permit))).unzip();
    if envelopes.is_empty() {
        return;
    }
    telemetry.emit(DeliveryEvent::Batched { size: envelopes.len() });
    let mut results = adapter.deliver_batch(&envelopes).await;
    if results.len() != envelopes.len() {
        let problem = wrong_count(adapter.name(), results.len(), envelopes.len());
        tracing::error!(adapter = adapter.name(), "{problem}");
        // Which of them were delivered cannot be told, so all are tried again.
        results = envelopes.iter().map(|_| Err(DeliveryError::retry(problem.message()))).collect();
    }
    for ((reply, _permit), result) in replies.into_iter().zip(results) {
        // The caller may have gone meanwhile.
        let _ = reply.send(result);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use dispatch_core::Envelope;
    use dispatch_core::delivery::{DeliveryLabels, Receipt};

    use super::super::Batched;
    use super::*;

    /// Remembers the sizes of batches and fails every envelope of a type.
    #[derive(Default)]
    struct Sizes(AtomicUsize, AtomicUsize);

    #[async_trait]
    impl Adapter for Sizes {
        fn name(&self) -> &str {
            "sizes"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            Err(DeliveryError::permanent("batches only"))
        }

        async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.fetch_max(envelopes.len(), Ordering::SeqCst);
            let answer = |envelope: &Envelope| match envelope.message_type_str() {
                "Bad" => Err(DeliveryError::permanent("bad")),
                _ => Ok(Receipt::with_id(envelope.id().to_string())),
            };
            envelopes.iter().map(answer).collect()
        }
    }

    fn batched(max_size: usize) -> Batched<Sizes> {
        let policy = BatchPolicy { max_size, max_age: Duration::from_secs(5) };
        let telemetry = Telemetry::new(DeliveryLabels::new("sizes", "sizes"));
        Batched::start(policy, Sizes::default(), telemetry).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_caller_gets_its_own_result() {
        let batched = batched(3);
        let envelopes = ["Good", "Bad", "Good"].map(Envelope::empty);
        let results = futures_util::future::join_all(envelopes.iter().map(|it| batched.deliver(it))).await;
        assert_eq!(results[0].as_ref().unwrap().id, Some(envelopes[0].id().to_string()));
        assert_eq!(results[1].as_ref().unwrap_err().message(), "bad");
        assert_eq!(results[2].as_ref().unwrap().id, Some(envelopes[2].id().to_string()));
        assert_eq!(batched.inner().0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_envelope_leaves_when_it_is_old() {
        let (batched, before) = (batched(100), Instant::now());
        batched.deliver(&Envelope::empty("Good")).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_does_not_wait_for_age() {
        let (batched, before) = (batched(100), Instant::now());
        let envelope = Envelope::empty("Good");
        let (delivered, ()) = tokio::join!(batched.deliver(&envelope), async {
            tokio::task::yield_now().await;
            batched.flush().await;
        });
        assert!(delivered.is_ok() && before.elapsed() < Duration::from_millis(5));
        assert_eq!(batched.pending(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_not_sent() {
        let batched = batched(100);
        let envelope = Envelope::empty("Good");
        let given_up = tokio::time::timeout(Duration::from_secs(1), batched.deliver(&envelope)).await;
        assert!(given_up.is_err());
        batched.flush().await;
        assert_eq!(batched.inner().0.load(Ordering::SeqCst), 0);
    }
}
