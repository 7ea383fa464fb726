//! What actors had in hand when they died, and which of it they died of.

use std::sync::mpsc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::bus::{Acknowledge, Bus, Consume, Subscription};
use dispatch_core::subscription::SubscriptionConfig;
use dispatch_tests::support::paused;
use tokio::time::sleep;

use crate::support::{TOPIC, bus, log, publish, settle};

/// What an actor does with the messages that it gets.
#[derive(Clone, Copy, PartialEq)]
enum Habit {
    Keeps,
    /// Keeps all, and dies of this one.
    DiesOf(u64),
    /// Handles them in futures of its own, and this one panics.
    DiesLaterOf(u64),
    /// Does not answer, and lives on.
    Forgets,
    /// Is dead before it gets any.
    NeverBegins,
}

struct Keeper {
    habit: Habit,
    kept: Vec<Acknowledge>,
    got: mpsc::Sender<(u64, u32)>,
    /// Dropped after what it has kept.
    _last: Option<Last>,
}

/// Is dropped when it is told to.
struct Last {
    dropping: mpsc::Sender<()>,
    go: mpsc::Receiver<()>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.dropping.send(()).unwrap();
        self.go.recv().unwrap();
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        assert!(self.habit != Habit::NeverBegins, "it cannot begin");
    }
}

impl Handler<Consume> for Keeper {
    type Result = ();

    fn handle(&mut self, consume: Consume, ctx: &mut Context<Self>) {
        let offset = consume.delivery.offset().get();
        self.got.send((offset, consume.delivery.attempt())).unwrap();
        match self.habit {
            Habit::Forgets => {}
            Habit::DiesLaterOf(own) => {
                let acknowledge = consume.acknowledge;
                let work = async move {
                    tokio::task::yield_now().await;
                    assert!(offset != own, "this one kills");
                    acknowledge
                };
                ctx.spawn(work.into_actor(self).map(|acknowledge, keeper, _| keeper.kept.push(acknowledge)));
            }
            habit => {
                self.kept.push(consume.acknowledge);
                assert!(habit != Habit::DiesOf(offset), "this one kills");
            }
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
enum End {
    Stop,
    /// As a timer or another message may have it.
    Panic,
}

impl Handler<End> for Keeper {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Context<Self>) {
        match end {
            End::Stop => ctx.stop(),
            End::Panic => panic!("a bug"),
        }
    }
}

/// A keeper, and what it gets.
fn keeper(habit: Habit) -> (Keeper, mpsc::Receiver<(u64, u32)>) {
    let (got, gets) = mpsc::channel();
    (Keeper { habit, kept: Vec::new(), got, _last: None }, gets)
}

async fn opened(bus: &Bus, window: u32) -> Subscription {
    let config = |mut it: SubscriptionConfig| {
        it.retry = it.retry.with_max_retries(2);
        it.with_window(window)
    };
    bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap()
}

/// Gives an actor three messages and has it die; the attempts at the next consumer, and what was charged.
async fn survives(habit: Habit, end: Option<End>) -> (Vec<(u64, u32)>, u64) {
    let bus = bus(&log());
    let subscription = opened(&bus, 3).await;
    let (actor, _gets) = keeper(habit);
    let actor = actor.start();
    subscription.consumer("actor").actor(actor.clone().recipient()).await.unwrap();
    publish(&bus, 3).await;
    settle().await;
    if let Some(end) = end {
        actor.do_send(end);
        settle().await;
    }
    let (next, gets) = keeper(Habit::Keeps);
    subscription.consumer("next").actor(next.start().recipient()).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    (gets.try_iter().collect(), subscription.info().await.unwrap().status.counters.nacked)
}

#[test]
fn a_panic_in_something_else_costs_no_message_an_attempt() {
    paused(async {
        let all = vec![(0, 1), (1, 1), (2, 1)];
        assert_eq!(survives(Habit::Keeps, Some(End::Panic)).await, (all.clone(), 0));
        assert_eq!(survives(Habit::NeverBegins, None).await, (all, 0));
    });
}

#[test]
fn of_what_an_actor_has_kept_only_the_message_whose_handler_panicked_is_charged() {
    paused(async {
        assert_eq!(survives(Habit::DiesOf(1), None).await, (vec![(0, 1), (2, 1), (1, 2)], 1));
    });
}

#[test]
fn a_message_that_kills_in_a_future_of_its_actor_is_charged_from_the_second_time_on() {
    paused(async {
        let bus = bus(&log());
        let subscription = opened(&bus, 1).await;
        let (got, gets) = mpsc::channel();
        let life =
            move || Keeper { habit: Habit::DiesLaterOf(0), kept: Vec::new(), got: got.clone(), _last: None };
        subscription.consumer("actor").supervised(life).await.unwrap();
        publish(&bus, 2).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(gets.try_iter().collect::<Vec<_>>(), [(0, 1), (0, 1), (0, 2), (0, 3), (1, 1)]);
        assert_eq!(subscription.parked_count().await.unwrap(), 1);
    });
}

#[test]
fn a_message_that_is_not_answered_by_an_actor_that_lives_on_is_refused() {
    paused(async {
        let bus = bus(&log());
        let subscription = opened(&bus, 3).await;
        let (actor, gets) = keeper(Habit::Forgets);
        subscription.consumer("actor").actor(actor.start().recipient()).await.unwrap();
        publish(&bus, 1).await;
        sleep(Duration::from_millis(1_200)).await;
        assert_eq!(gets.try_iter().collect::<Vec<_>>(), [(0, 1), (0, 2)]);
        assert_eq!(subscription.info().await.unwrap().status.counters.nacked, 2);
    });
}

#[test]
fn an_actor_on_another_thread_costs_no_attempt_while_it_dies() {
    for end in [End::Stop, End::Panic] {
        paused(async {
            let bus = bus(&log());
            let subscription = opened(&bus, 4).await;
            let (mut actor, gets) = keeper(Habit::Keeps);
            let (dropping, drops) = mpsc::channel();
            let (goes, go) = mpsc::channel();
            actor._last = Some(Last { dropping, go });
            let arbiter = Arbiter::new();
            let actor = Keeper::start_in_arbiter(&arbiter.handle(), |_| actor);
            subscription.consumer("actor").actor(actor.clone().recipient()).await.unwrap();
            publish(&bus, 3).await;
            settle().await;
            for offset in 0..3 {
                assert_eq!(gets.recv().unwrap(), (offset, 1));
            }
            actor.do_send(end);
            drops.recv().unwrap();
            // What it had kept is dropped, and it is still there, as far as anybody can tell; one more waits in its mailbox.
            publish(&bus, 1).await;
            settle().await;
            assert!(actor.connected());
            goes.send(()).unwrap();
            arbiter.stop();
            arbiter.join().unwrap();
            assert!(!actor.connected());
            let (next, gets) = keeper(Habit::Keeps);
            subscription.consumer("next").actor(next.start().recipient()).await.unwrap();
            sleep(Duration::from_secs(5)).await;
            assert_eq!(gets.try_iter().collect::<Vec<_>>(), [(0, 1), (1, 1), (2, 1), (3, 1)]);
            assert_eq!(subscription.info().await.unwrap().status.counters.nacked, 0);
        });
    }
}
