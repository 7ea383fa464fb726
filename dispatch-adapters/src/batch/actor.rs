use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, Receipt};
use dispatch_core::policy::{BatchPolicy, RefusedBy};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::Hold;
use super::line::Line;
use super::protocol::{Command, Item};
use super::sending::{Audience, Sender};
use crate::policy::Moment;

/// Collects and sends until the last handle is gone and everything has its result.
pub(super) async fn run<A: Adapter>(
    policy: BatchPolicy,
    hold: Option<Hold>,
    sender: Arc<Sender<A>>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let origin = Instant::now();
    let mut line: Line<Item> = Line::new(policy);
    let places = Arc::clone(&sender.places);
    let mut sending = FuturesUnordered::new();
    // Who waits until every batch up to a number has its results.
    let mut flushes: Vec<(u64, oneshot::Sender<()>)> = Vec::new();
    let (mut open, mut hurried) = (true, false);
    // The turn for a place: kept from one round of the loop to the next, so that nobody gets before it.
    let mut turn: Option<BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>> = None;
    loop {
        // Whatever is old wants to leave; until there is a place, it goes on collecting.
        let is_due = line.due().is_some_and(|due| due <= origin.elapsed());
        turn = turn.filter(|_| is_due || line.is_ready());
        if turn.is_none() && (is_due || line.is_ready()) {
            turn = Some(Arc::clone(&places).acquire_owned().boxed());
        }
        for (_, done) in flushes.extract_if(.., |(number, _)| line.is_past(*number)) {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
        if !open && line.is_empty() {
            break;
        }
        let due = line.due().filter(|_| turn.is_none()).map(|due| origin + due);
        // Who waits for a place gives up like one who is held.
        let end = line.first().and_then(|item| item.until).filter(|_| turn.is_some());
        let over = hold.as_ref().filter(|hold| line.can_take_back(hold.most));
        let refusing = OptionFuture::from(over.map(|hold| hold.breaker.refusing()));
        tokio::select! {
            biased;
            Some(number) = sending.next() => line.finished(number),
            Some(place) = OptionFuture::from(turn.as_mut()) => {
                turn = None;
                if !line.is_ready() {
                    line.cut();
                }
                if let Ok(place) = place
                    && let Some((number, items)) = line.next()
                {
                    sending.push(send(Arc::clone(&sender), number, items, place));
                }
            }
            Some(remaining) = refusing => {
                drop(line.extract(|item| item.reply.is_closed()));
                for item in line.take_back(hold.as_ref().map_or(0, |hold| hold.most)) {
                    // Whoever has gone need not be told.
                    let refusal = sender.telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining));
                    let _ = item.reply.send(Err(refusal));
                }
            }
            command = commands.recv(), if open => match command {
                Some(Command::Add(item)) => line.push(item, origin.elapsed()),
                Some(Command::Hurry) => hurried = true,
                Some(Command::Clear) => drop(line.extract(|item| item.reply.is_closed())),
                Some(Command::Flush(done)) => flushes.push((line.cut(), done)),
                None => {
                    open = false;
                    line.cut();
                }
            },
            () = tokio::time::sleep_until(due.unwrap_or(origin)), if due.is_some() => {}
            () = tokio::time::sleep_until(end.unwrap_or(origin)), if end.is_some() => {
                let now = Instant::now();
                for item in line.extract(|item| item.until.is_some_and(|until| until <= now)) {
                    // Whoever has gone need not be told.
                    let _ = item.reply.send(Err(sender.telemetry.refuse(RefusedBy::CircuitOpen, None)));
                }
            }
        }
        if hurried && commands.is_empty() {
            line.cut();
        }
    }
}

/// Sends a batch of callers that wait each for their own; its number.
async fn send<A: Adapter>(
    sender: Arc<Sender<A>>,
    number: u64,
    items: Vec<Item>,
    place: OwnedSemaphorePermit,
) -> u64 {
    let caller =
        |Item { envelope, reply, permit, until: _ }| (envelope, Some(Caller { reply, _permit: permit }));
    let (envelopes, callers): (Vec<Envelope>, Vec<_>) = items.into_iter().map(caller).unzip();
    sender.send(envelopes, &mut Callers(callers), &Moment::start(), Some(place)).await;
    number
}

struct Caller {
    reply: oneshot::Sender<Result<Receipt, DeliveryError>>,
    /// Makes room when it is answered.
    _permit: OwnedSemaphorePermit,
}

/// Callers by the place of their envelope, until they are answered.
struct Callers(Vec<Option<Caller>>);

impl Audience for Callers {
    fn wants(&self, place: usize) -> bool {
        self.0.get(place).and_then(Option::as_ref).is_some_and(|caller| !caller.reply.is_closed())
    }

    fn answer(&mut self, place: usize, answer: Result<Receipt, DeliveryError>) {
        if let Some(caller) = self.0.get_mut(place).and_then(Option::take) {
            // It may have gone meanwhile.
            let _ = caller.reply.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use dispatch_core::delivery::DeliveryLabels;

    use super::super::Batched;
    use super::*;
    use crate::policy::Telemetry;

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

    /// Takes a second for each batch, and remembers what came.
    #[derive(Default)]
    struct Slow(std::sync::Mutex<Vec<dispatch_core::uuid::Uuid>>, AtomicUsize, AtomicUsize);

    #[async_trait]
    impl Adapter for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            Err(DeliveryError::permanent("batches only"))
        }

        async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
            let now = self.1.fetch_add(1, Ordering::SeqCst) + 1;
            self.2.fetch_max(now, Ordering::SeqCst);
            // The first takes longest: were the second sent meanwhile, it would overtake.
            let first = self.0.lock().unwrap().is_empty();
            tokio::time::sleep(Duration::from_secs(if first { 3 } else { 1 })).await;
            self.0.lock().unwrap().extend(envelopes.iter().map(Envelope::id));
            self.1.fetch_sub(1, Ordering::SeqCst);
            envelopes.iter().map(|_| Ok(Receipt::taken())).collect()
        }
    }

    fn slow() -> Batched<Slow> {
        let policy = BatchPolicy { max_size: 10, max_age: Duration::from_secs(5) };
        let telemetry = Telemetry::new(DeliveryLabels::new("slow", "slow"));
        Batched::start(policy, Slow::default(), telemetry).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn batches_are_sent_one_at_a_time_and_arrive_in_order() {
        let (batched, envelopes) = (slow(), [(); 45].map(|()| Envelope::empty("Good")));
        let results = futures_util::future::join_all(envelopes.iter().map(|it| batched.deliver(it))).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(*batched.inner().0.lock().unwrap(), envelopes.each_ref().map(Envelope::id));
        assert_eq!(batched.inner().2.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_returns_under_steady_load() {
        let batched = Arc::new(slow());
        let load = Arc::clone(&batched);
        let load = tokio::spawn(async move {
            loop {
                let load = Arc::clone(&load);
                tokio::spawn(async move { load.deliver(&Envelope::empty("Good")).await });
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(1550)).await;
        let before = Instant::now();
        tokio::time::timeout(Duration::from_secs(60), batched.flush()).await.expect("it returns");
        // One is on its way, the rest of what came before follows it.
        assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
        assert!(batched.inner().0.lock().unwrap().len() >= 15);
        load.abort();
    }
}
