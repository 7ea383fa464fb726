//! Subscriptions: who gets what was published, and how often.
//!
//! ```text
//!   topic log ──records──► state ──deliveries──► consumers
//!                            ▲ ▲                    │
//!                    time ───┘ └── acks, nacks ─────┘
//!                            │
//!                            └──► cursor, parked and dead-lettered messages
//! ```
//!
//! - [`SubscriptionConfig`] says how one works: [type](SubscriptionType), [guarantee](Guarantee), window, policies.
//! - [`SubscriptionState`] is the state of an at-least-once subscription, [`LiveState`] that of an at-most-once one.
//!   Both are told what happens and when, and say what to do; they know neither a log nor a runtime.
//!
//! ```
//! use std::time::Duration;
//! use dispatch_core::log::{Offset, OffsetRanges};
//! use dispatch_core::subscription::{ConsumerId, Effect, Event, Message, SubscriptionConfig, SubscriptionState, TopicSlot};
//!
//! let config = SubscriptionConfig::new("billing", "shop.order.events");
//! let (mut state, mut effects, now) = (SubscriptionState::new(&config, 0, Duration::ZERO), Vec::new(), Duration::ZERO);
//! let (next, settled, head) = (Offset::ZERO, OffsetRanges::default(), Offset::ZERO);
//! state.step(Event::TopicAdded { next, settled, head, stored: true }, now, &mut effects);
//! state.step(Event::ConsumerAdded { consumer: ConsumerId(1), keys: None }, now, &mut effects);
//! let messages = vec![Message::new(Offset::ZERO, "first"), Message::new(Offset::new(1), "second")];
//! state.step(Event::Appended { topic: TopicSlot(0), messages }, now, &mut effects);
//!
//! let [Effect::Deliver { token, record: "first" }] = effects[..] else { panic!("{effects:?}") };
//! effects.clear();
//! state.step(Event::Ack(token), now, &mut effects);
//! assert!(matches!(effects[..], [Effect::Deliver { record: "second", .. }]));
//! assert_eq!(state.cursor(TopicSlot(0)), Some(Offset::new(1)));
//! ```

mod config;
mod event;
mod kind;
mod live;
mod members;
mod pace;
mod progress;
mod scope;
mod slots;
mod state;
mod status;
mod token;

pub use config::SubscriptionConfig;
pub use event::{Effect, Event, Exhaustion, Fetch, Keep, Load, Message, Resolution, SavedCursor};
pub use kind::{Exhausted, Guarantee, Start, SubscriptionType};
pub use live::{Arrival, LiveState};
pub use scope::Scope;
pub use state::SubscriptionState;
pub use status::{Counters, SubscriptionStatus, TopicStatus};
pub use token::{ConsumerId, DeliveryToken, MessageKey, TopicSlot};
