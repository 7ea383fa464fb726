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
use super::room::Room;
use super::sending::{Audience, Sender};
use crate::policy::Moment;

/// Collects and sends until the last handle is gone and everything has its result.
pub(super) async fn run<A: Adapter>(
    policy: BatchPolicy,
    hold: Option<Hold>,
    sender: Arc<Sender<A>>,
    room: Room,
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
        // Whatever is old or in a hurry wants to leave; until there is a place, it goes on collecting.
        let in_a_hurry = hurried && (commands.is_empty() || turn.is_some());
        let is_due = line.due().is_some_and(|due| in_a_hurry || due <= origin.elapsed());
        turn = turn.filter(|_| is_due || line.is_ready());
        if turn.is_none() && (is_due || line.is_ready()) {
            turn = Some(Arc::clone(&places).acquire_owned().boxed());
        }
        flushes.retain(|(_, done)| !done.is_closed());
        for (_, done) in flushes.extract_if(.., |(number, _)| line.is_past(*number)) {
            // Whoever asked may have gone meanwhile.
            let _ = done.send(());
        }
        if !open && line.is_empty() {
            break;
        }
        let due = line.due().filter(|_| turn.is_none()).map(|due| origin + due);
        // Who waits for a place gives up like one who is held.
        let end = line.first().and_then(|item| item.until).filter(|_| turn.is_some());
        // By how many too many have no result, should the breaker refuse.
        let over = |hold: &Hold| room.pending().saturating_sub(hold.most);
        let crowded = hold.as_ref().filter(|hold| line.has_unsent() && over(hold) > 0);
        let refusing = OptionFuture::from(crowded.map(|hold| hold.breaker.refusing()));
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
                for item in line.take_back(hold.as_ref().map_or(0, over)) {
                    // Whoever has gone need not be told.
                    let refusal = sender.telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining));
                    let _ = item.reply.send(Err(refusal));
                }
            }
            command = commands.recv(), if open => match command {
                Some(Command::Add(item)) => line.push(item, origin.elapsed()),
                Some(Command::Hurry) => hurried = true,
                Some(Command::Clear) => {
                    room.end_clearing();
                    drop(line.extract(|item| item.reply.is_closed()));
                }
                Some(Command::Flush(done)) => flushes.push((line.cut(), done)),
                None => {
                    open = false;
                    line.cut();
                }
            },
            () = tokio::time::sleep_until(due.unwrap_or(origin)), if due.is_some() => {}
            () = tokio::time::sleep_until(end.unwrap_or(origin)), if end.is_some() => {
                let (now, telemetry) = (Instant::now(), &sender.telemetry);
                for item in line.extract(|item| item.until.is_some_and(|until| until <= now)) {
                    // Whoever has gone need not be told.
                    let _ = item.reply.send(Err(Hold::refuse(hold.as_ref(), telemetry)));
                }
            }
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
