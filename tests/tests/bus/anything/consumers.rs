//! Consumers of every form and mood.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::bus::{Acknowledge, Consume, Consumer, Delivery, Subscription, Verdict};
use dispatch_core::Topic;
use dispatch_core::log::Offset;
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::time::sleep;

pub(super) const TOPICS: [&str; 2] = ["shop.order.events", "shop.item.events"];

/// The place of a message: its topic, and its offset there.
pub(super) type Place = (usize, u64);

pub(super) fn place(topic: &Topic, offset: Offset) -> Place {
    (TOPICS.iter().position(|known| *known == topic.as_str()).unwrap(), offset.get())
}

fn place_of(delivery: &Delivery) -> Place {
    place(delivery.topic().unwrap(), delivery.offset())
}

/// A message that came for the first time.
pub(super) struct First {
    pub(super) place: Place,
    pub(super) key: Option<String>,
}

/// What consumers share: chance, and what they have done.
#[derive(Clone)]
pub(super) struct Consumers {
    pub(super) chance: Arc<Mutex<SmallRng>>,
    pub(super) handled: Arc<Mutex<BTreeSet<Place>>>,
    pub(super) firsts: Arc<Mutex<Vec<First>>>,
}

/// How a consumer answers.
#[derive(Clone, Copy)]
pub(super) enum Mood {
    Good,
    Moody,
    /// It never answers.
    Silent,
}

impl Consumers {
    fn chance(&self, of: u32) -> u32 {
        self.chance.lock().unwrap().random_range(0..of)
    }

    fn got(&self, delivery: &Delivery) {
        let (place, mut firsts) = (place_of(delivery), self.firsts.lock().unwrap());
        if firsts.iter().all(|before| before.place != place) {
            firsts.push(First { place, key: delivery.key().map(ToOwned::to_owned) });
        }
    }

    /// Takes its time, and says what it thinks of the message; `None` if it never does.
    pub(super) fn answer(
        &self,
        delivery: Delivery,
        mood: Mood,
    ) -> impl Future<Output = Option<Verdict>> + use<> {
        self.got(&delivery);
        self.clone().thinks(delivery, mood)
    }

    async fn thinks(self, delivery: Delivery, mood: Mood) -> Option<Verdict> {
        if self.chance(3) == 0 {
            sleep(Duration::from_millis(self.chance(2_000).into())).await;
        }
        let reason = "not now".to_owned();
        let verdict = match (mood, self.chance(10)) {
            (Mood::Silent, _) | (Mood::Moody, 0) => return None,
            (Mood::Moody, 1) => Verdict::Nack { delay: None, reason },
            (Mood::Moody, 2) => {
                Verdict::Nack { delay: Some(Duration::from_millis(self.chance(5_000).into())), reason }
            }
            (Mood::Moody, 3) => Verdict::Reject { reason },
            _ => Verdict::Ack,
        };
        if verdict == Verdict::Ack {
            self.handled.lock().unwrap().insert(place_of(&delivery));
        }
        Some(verdict)
    }

    /// Connects another consumer, of any form; `None` if it is refused.
    pub(super) async fn connect(&self, subscription: &Subscription, mood: Mood) -> Option<Consumer> {
        let (all, consumer) = (self.clone(), subscription.consumer("any"));
        let connected = match self.chance(4) {
            0 => {
                let run = move |delivery| {
                    let answer = all.answer(delivery, mood);
                    async move {
                        match answer.await {
                            Some(verdict) => verdict,
                            None => std::future::pending().await,
                        }
                    }
                };
                consumer.run(run).await
            }
            1 => {
                let run = move |delivery, acknowledge| {
                    let answer = all.answer(delivery, mood);
                    async move { give(answer.await, acknowledge) }
                };
                consumer.run_manual(run).await
            }
            2 => consumer.actor(Handles { all, mood, left: self.chance(30) }.start().recipient()).await,
            _ => {
                // Each of its lives is as long as chance has it.
                let life = move || Handles { left: all.chance(30), all: all.clone(), mood };
                consumer.supervised(life).await
            }
        };
        connected.ok()
    }
}

/// Answers, or forgets to.
fn give(verdict: Option<Verdict>, acknowledge: Acknowledge) {
    match verdict {
        Some(Verdict::Ack) => acknowledge.ack(),
        Some(Verdict::Nack { delay: Some(delay), reason }) => acknowledge.nack_after(delay, reason),
        Some(Verdict::Nack { reason, .. }) => acknowledge.nack(reason),
        Some(Verdict::Reject { reason }) => acknowledge.reject(reason),
        _ => std::mem::forget(acknowledge),
    }
}

/// An actor that handles so many messages more, and stops.
struct Handles {
    all: Consumers,
    mood: Mood,
    left: u32,
}

impl Actor for Handles {
    type Context = Context<Self>;
}

impl Handler<Consume> for Handles {
    type Result = ();

    fn handle(&mut self, consume: Consume, ctx: &mut Context<Self>) {
        if self.left == 0 {
            self.all.got(&consume.delivery);
            ctx.stop();
            return;
        }
        self.left -= 1;
        let Consume { delivery, acknowledge, .. } = consume;
        let answer = self.all.answer(delivery, self.mood);
        ctx.spawn(async move { give(answer.await, acknowledge) }.into_actor(self));
    }
}
