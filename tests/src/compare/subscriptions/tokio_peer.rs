//! The same messages through the channels of tokio, which keep, order, count and repeat nothing.

use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::meter::{Meter, message};
use crate::compare::engine::load;
use crate::compare::measure::Contender;

/// Messages that a channel holds.
const ROOM: usize = 1024;

/// How many are sent between two looks at whether there is still room.
const BURST: u64 = 64;

/// One receiver of a broadcast.
pub(super) fn broadcast() -> Contender {
    let (runtime, meter, message) = (load::runtime(), Meter::default(), message());
    let (sender, mut receiver) = broadcast::channel(ROOM);
    let counted = meter.clone();
    runtime.spawn(async move {
        while let Ok(message) = receiver.recv().await {
            std::hint::black_box(message);
            counted.count();
        }
    });
    Contender::new("tokio broadcast", move |operations| {
        runtime.block_on(async {
            meter.expect(operations);
            for sent in 0..operations {
                sender.send(message.clone()).expect("the receiver is there");
                if sent % BURST == BURST - 1 {
                    // A broadcast does not wait for a receiver that is behind: it forgets.
                    tokio::task::yield_now().await;
                }
            }
            meter.reached().await;
        });
    })
}

/// Receivers with a channel each, served in turn.
pub(super) fn channels(receivers: usize) -> Contender {
    let (runtime, meter, message) = (load::runtime(), Meter::default(), message());
    let start = |_| {
        let (sender, mut receiver) = mpsc::channel(ROOM);
        let counted = meter.clone();
        runtime.spawn(async move {
            while let Some(message) = receiver.recv().await {
                std::hint::black_box(message);
                counted.count();
            }
        });
        sender
    };
    let senders: Vec<_> = (0..receivers).map(start).collect();
    Contender::new("tokio mpsc", move |operations| {
        runtime.block_on(async {
            meter.expect(operations);
            for sender in senders.iter().cycle().take(usize::try_from(operations).expect("it is small")) {
                sender.send(message.clone()).await.expect("the receiver is there");
            }
            meter.reached().await;
        });
    })
}

/// One receiver that acknowledges each message through a channel of its own, so many senders at a time.
pub(super) fn acknowledged(senders: u64) -> Contender {
    let (runtime, message) = (load::runtime(), message());
    let (sender, mut receiver) = mpsc::channel::<(_, oneshot::Sender<()>)>(ROOM);
    runtime.spawn(async move {
        while let Some((message, acknowledge)) = receiver.recv().await {
            std::hint::black_box(message);
            acknowledge.send(()).expect("the sender waits");
        }
    });
    Contender::new("tokio mpsc+oneshot", move |operations| {
        let operation = {
            let (sender, message) = (sender.clone(), message.clone());
            move || {
                let (sender, message) = (sender.clone(), message.clone());
                async move {
                    let (acknowledge, acknowledged) = oneshot::channel();
                    sender.send((message, acknowledge)).await.expect("the receiver is there");
                    acknowledged.await.expect("it is acknowledged");
                }
            }
        };
        run(&runtime, load::shared(senders, operations, operation));
    })
}

fn run(runtime: &Runtime, work: impl Future<Output = ()>) {
    runtime.block_on(work);
}
