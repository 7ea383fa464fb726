//! A thread of the bus that is away for longer than there is time to answer: blocked, or stopped with its process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_actors::bus::Acknowledge;
use dispatch_core::subscription::SubscriptionConfig;
use dispatch_tests::support::paused;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use crate::support::{TOPIC, bus, log, publish, settle};

/// More than a task may do in one turn.
const MANY: usize = 600;

fn window(config: SubscriptionConfig) -> SubscriptionConfig {
    config.with_window(MANY as u32)
}

#[test]
fn answers_that_wait_while_the_thread_is_away_are_in_time() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_shared("s", TOPIC).configure(window).open().await.unwrap();
        let (kept, mut answers) = mpsc::unbounded_channel();
        let run = move |_, acknowledge: Acknowledge| {
            let kept = kept.clone();
            async move { kept.send(acknowledge).unwrap() }
        };
        subscription.consumer("a").run_manual(run).await.unwrap();
        publish(&bus, MANY).await;
        settle().await;
        let all: Vec<_> = std::iter::from_fn(|| answers.try_recv().ok()).collect();
        assert_eq!(all.len(), MANY);
        Acknowledge::ack_all(all);
        // Something that comes before the answers.
        subscription.set_window(8).unwrap();
        advance(Duration::from_secs(60)).await;
        sleep(Duration::from_secs(60)).await;
        let counters = subscription.info().await.unwrap().status.counters;
        assert_eq!((counters.acked, counters.timed_out, counters.stale), (MANY as u64, 0, 0));
    });
}

#[test]
fn functions_that_could_go_on_while_the_thread_is_away_are_in_time() {
    for by_itself in [false, true] {
        paused(async {
            let bus = bus(&log());
            let subscription = bus.reliable_shared("s", TOPIC).configure(window).open().await.unwrap();
            let open = Arc::new(Mutex::new(Vec::new()));
            let opened = Arc::clone(&open);
            let wait = move || {
                let (done, waits) = oneshot::channel::<()>();
                opened.lock().unwrap().push(done);
                async move { waits.await.map_err(|_| "nobody answers") }
            };
            let consumer = subscription.consumer("a");
            if by_itself {
                let run = move |_, acknowledge: Acknowledge| {
                    let waits = wait();
                    async move {
                        waits.await.unwrap();
                        acknowledge.ack();
                    }
                };
                consumer.run_manual(run).await.unwrap();
            } else {
                consumer.run(move |_| wait()).await.unwrap();
            }
            publish(&bus, MANY).await;
            settle().await;
            let all = std::mem::take(&mut *open.lock().unwrap());
            assert_eq!(all.len(), MANY);
            for done in all {
                done.send(()).unwrap();
            }
            subscription.set_window(8).unwrap();
            advance(Duration::from_secs(60)).await;
            sleep(Duration::from_secs(60)).await;
            let counters = subscription.info().await.unwrap().status.counters;
            assert_eq!((counters.acked, counters.timed_out), (MANY as u64, 0));
        });
    }
}

#[test]
fn what_is_not_answered_is_timed_out_though_answers_come_all_the_time() {
    paused(async {
        let bus = bus(&log());
        let config = |it: SubscriptionConfig| it.with_window(2);
        let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        subscription.consumer("hangs").run(|_| std::future::pending::<()>()).await.unwrap();
        publish(&bus, 1).await;
        settle().await;
        subscription.consumer("works").run(|_| async {}).await.unwrap();
        publish(&bus, 20_000).await;
        advance(Duration::from_secs(31)).await;
        yield_now().await;
        let status = subscription.info().await.unwrap().status;
        assert_eq!(status.counters.timed_out, 1);
        assert!(status.lag() > 10_000, "there are answers still: {}", status.lag());
    });
}
