use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::bus::{Acknowledge, BusError, Consume, Verdict};
use dispatch_core::Envelope;
use dispatch_core::subscription::SubscriptionType;
use dispatch_tests::support::paused;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

/// An actor that keeps what it gets, or dies of it.
pub(super) struct Keeper {
    kept: Vec<Acknowledge>,
    seen: Seen,
    dies_at: Option<u64>,
}

impl Actor for Keeper {
    type Context = Context<Self>;
}

impl Handler<Consume> for Keeper {
    type Result = ();

    fn handle(&mut self, consume: Consume, _: &mut Context<Self>) {
        let offset = consume.delivery.offset().get();
        self.seen.add("actor", offset);
        assert!(self.dies_at != Some(offset), "this one kills");
        self.kept.push(consume.acknowledge);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AckAll;

impl Handler<AckAll> for Keeper {
    type Result = ();

    fn handle(&mut self, _: AckAll, _: &mut Context<Self>) {
        Acknowledge::ack_all(self.kept.drain(..));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Handler<Stop> for Keeper {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

pub(super) fn keeper(seen: &Seen) -> Keeper {
    Keeper { kept: Vec::new(), seen: seen.clone(), dies_at: None }
}

#[test]
fn an_actor_gets_as_many_as_the_window_allows_and_answers_when_it_likes() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_exclusive("s", TOPIC).configure(|it| it.with_window(3)).open().await.unwrap();
        let seen = Seen::default();
        let actor = keeper(&seen).start();
        subscription.consumer("actor").actor(actor.clone().recipient()).await.unwrap();
        publish(&bus, 5).await;
        settle().await;
        assert_eq!(seen.offsets(), [0, 1, 2]);
        actor.send(AckAll).await.unwrap();
        settle().await;
        assert_eq!(seen.offsets(), [0, 1, 2, 3, 4]);
        let status = subscription.info().await.unwrap().status;
        assert_eq!((status.in_flight, status.topics[0].cursor.get()), (2, 3));
    });
}

#[test]
fn the_death_of_an_actor_that_has_messages_is_noticed_at_once() {
    paused(async {
        let bus = bus(&log());
        let config = |it: dispatch_core::subscription::SubscriptionConfig| {
            it.of_type(SubscriptionType::Failover).with_window(3)
        };
        let subscription = bus.reliable_exclusive("s", TOPIC).configure(config).open().await.unwrap();
        let seen = Seen::default();
        let actor = keeper(&seen).start();
        subscription.consumer("actor").actor(actor.clone().recipient()).await.unwrap();
        seen.connect(&subscription, "standby").await;
        publish(&bus, 4).await;
        settle().await;
        actor.send(Stop).await.unwrap();
        drop(actor);
        settle().await;
        let all = seen.all();
        let standby: Vec<_> =
            all.iter().filter(|(name, _)| name == "standby").map(|(_, offset)| *offset).collect();
        assert_eq!(standby, [0, 1, 2, 3], "{all:?}");
        let info = subscription.info().await.unwrap();
        assert_eq!((info.consumers.len(), info.status.counters.nacked), (1, 0), "it costs no attempt");
    });
}

#[test]
fn the_death_of_an_actor_without_messages_is_noticed_within_a_heartbeat() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let actor = keeper(&Seen::default()).start();
        subscription.consumer("actor").actor(actor.clone().recipient()).await.unwrap();
        actor.send(Stop).await.unwrap();
        sleep(Duration::from_millis(501)).await;
        assert!(subscription.info().await.unwrap().consumers.is_empty());
        Seen::default().connect(&subscription, "another").await;
    });
}

#[test]
fn a_message_that_kills_its_actor_costs_an_attempt_and_the_others_do_not() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_exclusive("s", TOPIC).configure(|it| it.with_window(3)).open().await.unwrap();
        let seen = Seen::default();
        let actor = Keeper { dies_at: Some(1), ..keeper(&seen) }.start();
        subscription.consumer("actor").actor(actor.recipient()).await.unwrap();
        publish(&bus, 3).await;
        settle().await;
        let info = subscription.info().await.unwrap();
        assert_eq!((info.status.counters.nacked, info.consumers.len()), (1, 0));
        let attempts = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = std::sync::Arc::clone(&attempts);
        let run = move |delivery: dispatch_actors::bus::Delivery| {
            noted.lock().unwrap().push((delivery.offset().get(), delivery.attempt()));
            async {}
        };
        subscription.consumer("next").run(run).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(*attempts.lock().unwrap(), [(0, 1), (2, 1), (1, 2)]);
    });
}

#[test]
fn a_function_that_panics_or_fails_refuses_its_message_and_works_on() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_shared("s", TOPIC).configure(|it| it.with_window(4)).open().await.unwrap();
        let run = |delivery: dispatch_actors::bus::Delivery| async move {
            match (delivery.offset().get(), delivery.attempt()) {
                (0, 1) => panic!("bug"),
                (1, 1) => Err(std::io::Error::other("the password is hunter2")),
                _ => Ok(()),
            }
        };
        subscription.consumer("a").run(run).await.unwrap();
        publish(&bus, 3).await;
        sleep(Duration::from_secs(2)).await;
        let info = subscription.info().await.unwrap();
        assert_eq!((info.lag(), info.status.counters.nacked, info.status.counters.acked), (0, 2, 3));
    });
}

#[test]
fn an_exclusive_subscription_refuses_a_second_consumer_and_takes_another_after_the_first() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        let first = seen
            .connect_with(&subscription, "a", |_| Verdict::Nack { delay: None, reason: "busy".into() })
            .await;
        let second = subscription.consumer("b").run(|_| async {}).await.unwrap_err();
        assert!(matches!(second, BusError::ConsumerRefused { .. }), "{second}");
        first.remove().await.unwrap();
        seen.connect(&subscription, "b").await;
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(seen.all(), [("b".to_owned(), 0)]);
    });
}

#[test]
fn a_consumer_that_is_removed_leaves_what_it_works_on_to_others() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_shared("s", TOPIC).configure(|it| it.with_window(4)).open().await.unwrap();
        let hanging = subscription.consumer("hangs").run(|_| std::future::pending::<()>()).await.unwrap();
        publish(&bus, 2).await;
        settle().await;
        let seen = Seen::default();
        seen.connect(&subscription, "b").await;
        assert!(seen.offsets().is_empty());
        hanging.remove().await.unwrap();
        settle().await;
        assert_eq!(seen.offsets(), [0, 1]);
    });
}

#[test]
fn c9_commands_are_served_while_a_consumer_hangs() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        subscription.consumer("hangs").run(|_| std::future::pending::<()>()).await.unwrap();
        publish(&bus, 10).await;
        settle().await;
        subscription.flush().await.unwrap();
        subscription.set_window(2).unwrap();
        assert_eq!(subscription.info().await.unwrap().status.in_flight, 2);
        let other = bus
            .reliable_exclusive("other", TOPIC)
            .configure(|it| it.starting_at(dispatch_core::subscription::Start::Earliest))
            .open()
            .await
            .unwrap();
        let seen = Seen::default();
        seen.connect(&other, "a").await;
        settle().await;
        assert_eq!(seen.offsets().len(), 10, "a slow consumer delays nobody else");
    });
}

#[test]
fn a_consumer_may_answer_later_and_for_all_before() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_exclusive("s", TOPIC).configure(|it| it.with_window(3)).open().await.unwrap();
        let (kept, mut answers) = mpsc::unbounded_channel();
        let run = move |_, acknowledge: Acknowledge| {
            let kept = kept.clone();
            async move { kept.send(acknowledge).unwrap() }
        };
        subscription.consumer("a").run_manual(run).await.unwrap();
        publish(&bus, 3).await;
        settle().await;
        let (first, second, third) =
            (answers.recv().await.unwrap(), answers.recv().await.unwrap(), answers.recv().await.unwrap());
        second.ack_up_to();
        first.ack(); // too late, and of no account
        third.nack_after(Duration::from_secs(5), "not now");
        settle().await;
        let status = subscription.info().await.unwrap().status;
        assert_eq!((status.topics[0].cursor.get(), status.counters.acked, status.counters.stale), (2, 2, 1));
        sleep(Duration::from_millis(4_990)).await;
        assert!(answers.try_recv().is_err());
        sleep(Duration::from_millis(20)).await;
        answers.try_recv().unwrap().reject("never");
        settle().await;
        let status = subscription.info().await.unwrap().status;
        assert_eq!((status.blocked, status.counters.exhausted), (1, 1));
    });
}

#[test]
fn c17_a_message_that_is_never_answered_comes_again_and_a_late_answer_does_not_count() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_shared("s", TOPIC).configure(|it| it.with_window(2)).open().await.unwrap();
        let (kept, mut answers) = mpsc::unbounded_channel();
        let run = move |_, acknowledge: Acknowledge| {
            let kept = kept.clone();
            async move { kept.send(acknowledge).unwrap() }
        };
        subscription.consumer("silent").run_manual(run).await.unwrap();
        publish(&bus, 1).await;
        let late = answers.recv().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "b").await;
        // 30 s to answer, then the first backoff of 1 s.
        sleep(Duration::from_millis(30_990)).await;
        assert!(seen.offsets().is_empty());
        sleep(Duration::from_millis(20)).await;
        assert_eq!(seen.offsets(), [0]);
        late.ack();
        settle().await;
        let status = subscription.info().await.unwrap().status;
        let counters = status.counters;
        assert_eq!((counters.timed_out, counters.acked, counters.stale, status.lag()), (1, 1, 1, 0));
    });
}

#[test]
fn keys_stay_with_their_consumer_and_in_order() {
    paused(async {
        let bus = bus(&log());
        let config = |it: dispatch_core::subscription::SubscriptionConfig| {
            it.of_type(SubscriptionType::KeyShared).with_window(8)
        };
        let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        let seen = Seen::default();
        for name in ["a", "b", "c"] {
            seen.connect(&subscription, name).await;
        }
        let order = |customer: usize| Envelope::empty("OrderPlaced").with_key(format!("customer-{customer}"));
        bus.publish_batch(TOPIC, (0..60).map(|n| order(n % 6))).await.unwrap();
        settle().await;
        let all = seen.all();
        assert_eq!(all.len(), 60);
        for customer in 0..6 {
            let of: Vec<_> = all.iter().filter(|(_, offset)| offset % 6 == customer).collect();
            assert!(of.iter().all(|(name, _)| *name == of[0].0), "{of:?}");
            assert!(of.windows(2).all(|pair| pair[0].1 < pair[1].1), "{of:?}");
        }
    });
}

#[test]
fn at_most_once_a_full_consumer_is_passed_over_and_drops_are_counted() {
    paused(async {
        let bus = bus(&log());
        let config = |mut it: dispatch_core::subscription::SubscriptionConfig| {
            it.capacity = 2;
            it
        };
        let subscription = bus.non_reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        subscription.consumer("hangs").run(|_| std::future::pending::<()>()).await.unwrap();
        publish(&bus, 3).await;
        settle().await;
        let status = subscription.info().await.unwrap().status;
        assert_eq!((status.in_flight, status.counters.full), (2, 1));
        let seen = Seen::default();
        seen.connect(&subscription, "b").await;
        publish(&bus, 3).await;
        settle().await;
        assert_eq!(seen.offsets(), [3, 4, 5]);
    });
}

#[test]
fn a8_an_at_most_once_subscription_that_nobody_takes_from_ends() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.non_reliable_exclusive("s", TOPIC).open().await.unwrap();
        sleep(Duration::from_secs(3600)).await;
        assert!(subscription.info().await.is_ok(), "nothing was published, so it waits");
        publish(&bus, 1).await;
        sleep(Duration::from_secs(59)).await;
        let seen = Seen::default();
        let consumer = seen.connect(&subscription, "a").await;
        sleep(Duration::from_secs(3600)).await;
        assert!(subscription.info().await.is_ok(), "a consumer came");
        consumer.remove().await.unwrap();
        publish(&bus, 1).await;
        sleep(Duration::from_secs(61)).await;
        assert!(matches!(subscription.info().await, Err(BusError::Stopped)));
        assert!(bus.find("s").await.unwrap().is_none());
    });
}

#[test]
fn a_dispatcher_of_an_engine_is_a_consumer_and_its_outputs_are_published() {
    use dispatch_actors::prelude::*;
    paused(async {
        let bus = bus(&log());
        let engine = dispatch_tests::support::builder()
            .publish_to(bus.adapter())
            .dispatcher(on_event("invoice").run(|order: Envelope| async move {
                if order.message_type_str() == "Broken" {
                    Err(DispatcherError::new("Bug", "no"))
                } else {
                    Ok("billing.commands.invoice")
                }
            }))
            .route(Route::new("orders", "shop.**", Category::Event, "invoice"))
            .freeze()
            .unwrap();
        let subscription = bus
            .reliable_exclusive("engine", "shop.**")
            .configure(|it| it.with_window(4))
            .open()
            .await
            .unwrap();
        subscription.consumer("engine").dispatch_with(engine).await.unwrap();
        let invoices = bus.reliable_exclusive("invoices", "billing.**").open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&invoices, "a").await;
        publish(&bus, 2).await;
        bus.publish(TOPIC, Envelope::empty("Broken")).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(seen.offsets(), [0, 1]);
        let info = subscription.info().await.unwrap();
        assert_eq!((info.lag(), info.status.counters.acked, info.status.counters.exhausted), (1, 2, 1));
        let topic: dispatch_core::Topic = "billing.commands.invoice".parse().unwrap();
        assert_eq!(bus.log().bounds(&topic).await.unwrap().len(), 2);
    });
}
