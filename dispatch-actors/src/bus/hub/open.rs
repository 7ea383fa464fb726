use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use dispatch_core::error::{ErrorCode, Problem, RegistrationError};
use dispatch_core::log::{Cursor, LogBounds, LogError, Offset, OffsetRanges, StoredSubscription, TopicLog};
use dispatch_core::subscription::{Exhausted, Guarantee, Scope, Start, SubscriptionConfig, TopicSlot};
use dispatch_core::{Adapter, Topic};
use rand::Rng;

use super::Open;
use super::actor::{Done, Hub, Opened, Reader, TopicState};
use super::leave::Deferred;
use crate::bus::BusError;
use crate::bus::subscription::{AddTopic, Command, Parts, SeekTo, SubscriptionActor, place};

/// A subscription whose cursors are known.
pub(super) struct Prepared {
    open: Open,
    topics: Result<Vec<(Cursor, LogBounds)>, BusError>,
}

/// The window of who says nothing about it.
const UNSAID: u32 = 1;

/// What a dead-letter target is known by; each who opens a subscription may have made one of his own.
fn target(dead_letters: Option<&Arc<dyn Adapter>>) -> Option<(&str, &str)> {
    dead_letters.map(|target| (target.name(), target.destination()))
}

impl Opened {
    /// Somebody else opens it, which has to be in the same way, or an error says what differs.
    fn welcome(&mut self, open: &Open) -> Result<(), String> {
        open.config.check_joining(&self.config)?;
        if target(open.dead_letters.as_ref()) != target(self.dead_letters.as_ref()) {
            return Err(open.config.is_open_with("dead-letter target"));
        }
        // What was set meanwhile stays, unless something else is asked for.
        let window = open.config.window;
        if window != UNSAID && window != self.window {
            self.window = window;
            self.actor.do_send(Command::Window(window));
        }
        Ok(())
    }

    /// Gives the subscription a topic, from a cursor on that the log has.
    fn join(&mut self, cursor: Cursor, head: Offset) -> Reader {
        let Cursor { topic, next, settled } = cursor;
        self.add(AddTopic { topic, next, settled, head, stored: true })
    }

    /// Gives the subscription a topic that has come to be since it was opened, from its first record on.
    pub(super) fn join_new(&mut self, topic: Topic, head: Offset) -> Reader {
        let (next, settled) = (Offset::ZERO, OffsetRanges::default());
        self.add(AddTopic { topic, next, settled, head, stored: false })
    }

    fn add(&mut self, add: AddTopic) -> Reader {
        let slot = TopicSlot(self.slots);
        self.slots += 1;
        let told = add.head;
        self.actor.do_send(add);
        let is_live = self.config.guarantee == Guarantee::AtMostOnce;
        Reader { actor: Rc::clone(&self.actor), slot, is_live, told }
    }
}

impl Handler<Open> for Hub {
    type Result = ();

    fn handle(&mut self, open: Open, _: &mut Context<Self>) {
        if self.is_draining() {
            let _ = open.reply.send(Err(BusError::Stopped));
            return;
        }
        if let Err(error) = self.check(&open) {
            let _ = open.reply.send(Err(error));
            return;
        }
        let name = open.config.name.clone();
        if self.is_busy(&name) {
            self.deferred.push_back(Deferred::Open(Box::new(open)));
            return;
        }
        if let Some(opened) = self.subscriptions.get_mut(&*name) {
            let answer = match opened.welcome(&open) {
                Ok(()) => self.handle_of(&name).ok_or(BusError::Stopped),
                Err(conflict) => Err(BusError::Conflict(conflict)),
            };
            let _ = open.reply.send(answer);
            return;
        }
        let limit = self.config.max_subscriptions;
        if limit > 0 && self.subscriptions.len() + self.opening.len() >= limit {
            let _ = open.reply.send(Err(BusError::TooManySubscriptions { limit }));
            return;
        }
        self.opening.insert(name);
        let log = Arc::clone(&self.log);
        self.io.push(Box::pin(async move {
            let topics = match open.config.guarantee {
                Guarantee::AtMostOnce => prepare_live(&*log, &open.config).await,
                Guarantee::AtLeastOnce => prepare(&*log, &open.config, open.accept_loss).await,
            };
            Done::Prepared(Box::new(Prepared { open, topics }))
        }));
    }
}

impl Hub {
    /// Everything that is wrong with it, at once.
    fn check(&self, open: &Open) -> Result<(), BusError> {
        let config = &open.config;
        let mut problems = config.problems();
        let mut add = |text: &str| {
            let text = format!("subscription '{}': {text}", config.name);
            problems.push(Problem::new(ErrorCode::InvalidConfiguration, text));
        };
        let reliable = config.guarantee == Guarantee::AtLeastOnce;
        if config.exhausted() == Exhausted::DeadLetter && open.dead_letters.is_none() {
            add("exhausted is dead_letter and there is no target: give it one with dead_letters(adapter)");
        }
        if !reliable && (config.rate.is_some() || config.bytes_per_second.is_some()) {
            add("a rate limit needs at_least_once: at most once, nothing waits");
        }
        RegistrationError::check(problems)?;
        let transient = config.topic.parse::<Topic>();
        if reliable
            && let Ok(topic) = transient
            && self.transient.iter().any(|pattern| pattern.matches(&topic))
        {
            return Err(BusError::Transient { topic: topic.to_string() });
        }
        Ok(())
    }

    /// The cursors are known: the subscription begins.
    pub(super) fn prepared(&mut self, prepared: Prepared, ctx: &mut Context<Self>) {
        let Prepared { open, topics } = prepared;
        let name = open.config.name.clone();
        self.opening.remove(&name);
        // Those that are to be stopped are known by then: nobody would stop this one.
        let topics = if self.is_draining() { Err(BusError::Stopped) } else { topics };
        match (topics, Scope::of(&open.config.topic)) {
            (Ok(topics), Ok(scope)) => {
                let (name, config) = (Arc::<str>::from(name), Arc::new(open.config));
                self.opened += 1;
                let number = self.opened;
                let parts = Parts {
                    number,
                    shared: Rc::clone(&self.shared),
                    config: Arc::clone(&config),
                    dead_letters: open.dead_letters.clone(),
                    seed: self.seeds.random(),
                };
                let actor = Rc::new(SubscriptionActor::new(parts).start());
                if matches!(scope, Scope::Pattern(_)) {
                    self.patterns.insert(Arc::clone(&name));
                }
                let (window, dead_letters) = (config.window, open.dead_letters);
                let opened = Opened { config, window, dead_letters, number, scope, actor, slots: 0 };
                self.subscriptions.insert(Arc::clone(&name), opened);
                self.join_all(&name, topics);
                let handle = self.handle_of(&name).ok_or(BusError::Stopped);
                let _ = open.reply.send(handle);
            }
            (Err(error), _) => {
                let _ = open.reply.send(Err(error));
            }
            (_, Err(error)) => {
                let problem = Problem::new(ErrorCode::InvalidParameter, error.to_string());
                let _ = open.reply.send(Err(BusError::Invalid(problem.into())));
            }
        }
        self.go_on(ctx);
    }

    /// Gives a subscription the topics that it found in the log, and those that came to be meanwhile.
    fn join_all(&mut self, name: &str, topics: Vec<(Cursor, LogBounds)>) {
        let Some((name, mut opened)) = self.subscriptions.remove_entry(name) else { return };
        let is_live = opened.config.guarantee == Guarantee::AtMostOnce;
        for (cursor, bounds) in topics {
            let topic = cursor.topic.clone();
            let state = self.topic(&topic);
            if is_live && state.transient {
                continue;
            }
            state.head = state.head.max(bounds.head);
            if is_live {
                Self::begin_live(state, bounds.head);
            }
            // It may be further than those know who are there already.
            state.tell();
            let reader = opened.join(cursor, state.head);
            state.readers.push(reader);
            self.catch_up(&topic);
        }
        let scope = opened.scope.clone();
        let mut join = |topic: &Topic, state: &mut TopicState| {
            let has = state.readers.iter().any(|reader| Rc::ptr_eq(&reader.actor, &opened.actor));
            if !has && opened.has(topic, state.transient) {
                if is_live {
                    Self::begin_live(state, state.head);
                }
                state.readers.push(opened.join_new(topic.clone(), state.head));
            }
        };
        match scope {
            Scope::Topic(topic) => join(&topic, self.topic(&topic)),
            _ => self.topics.iter_mut().for_each(|(topic, state)| join(topic, state)),
        }
        self.subscriptions.insert(name, opened);
    }
}

/// Finds out where a subscription begins, and stores that.
async fn prepare(
    log: &dyn TopicLog,
    config: &SubscriptionConfig,
    accept_loss: bool,
) -> Result<Vec<(Cursor, LogBounds)>, BusError> {
    let stored = stored(log, config).await?;
    let topics = topics(log, config).await?;
    let mut found = Vec::with_capacity(topics.len());
    for topic in topics {
        let bounds = log.bounds(&topic).await?;
        let saved = stored.iter().flat_map(|stored| &stored.cursors).find(|cursor| cursor.topic == topic);
        let cursor = match saved {
            Some(cursor) if cursor.next > bounds.head && accept_loss => Cursor::at(topic, bounds.head),
            Some(cursor) if cursor.next > bounds.head => {
                return Err(BusError::Log(LogError::EndsBelowCursor {
                    topic,
                    head: bounds.head,
                    subscription: config.name.clone(),
                    cursor: cursor.next,
                }));
            }
            Some(cursor) => cursor.clone(),
            // A topic that came to be while the subscription was stopped belongs to it from the beginning.
            None if stored.is_some() => Cursor::at(topic, bounds.oldest),
            None => {
                let to = match config.start {
                    Start::Latest => SeekTo::Latest,
                    Start::Earliest => SeekTo::Earliest,
                    Start::Offset(offset) => SeekTo::Offset(offset),
                    Start::Time(time) => SeekTo::Time(time),
                };
                let next = place(log, &topic, to).await?;
                Cursor::at(topic, next)
            }
        };
        found.push((cursor, bounds));
    }
    let definition = serde_json::to_value(config).map_err(|error| BusError::Conflict(error.to_string()))?;
    let cursors = found.iter().map(|(cursor, _)| cursor.clone()).collect();
    log.save(&StoredSubscription { name: config.name.clone(), definition, cursors }).await?;
    Ok(found)
}

/// Finds out where an at-most-once subscription begins, if it does not get everything from this bus. Nothing is stored.
async fn prepare_live(
    log: &dyn TopicLog,
    config: &SubscriptionConfig,
) -> Result<Vec<(Cursor, LogBounds)>, BusError> {
    stored(log, config).await?;
    if !log.is_shared() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for topic in topics(log, config).await? {
        let bounds = log.bounds(&topic).await?;
        found.push((Cursor::at(topic, bounds.head), bounds));
    }
    Ok(found)
}

/// What is stored under the name, which has to be the same subscription.
async fn stored(
    log: &dyn TopicLog,
    config: &SubscriptionConfig,
) -> Result<Option<StoredSubscription>, BusError> {
    let Some(stored) = log.load(&config.name).await? else { return Ok(None) };
    let before = serde_json::from_value::<SubscriptionConfig>(stored.definition.clone());
    let before = before.map_err(|error| {
        BusError::Conflict(format!(
            "what is stored of subscription '{}' cannot be read: {error}",
            config.name
        ))
    })?;
    config.check_reopening(&before).map_err(BusError::Conflict)?;
    Ok(Some(stored))
}

/// Its topics, as far as there are any yet.
async fn topics(log: &dyn TopicLog, config: &SubscriptionConfig) -> Result<Vec<Topic>, BusError> {
    Ok(match Scope::of(&config.topic) {
        Ok(Scope::Topic(topic)) => vec![topic],
        Ok(scope) => log.topics().await?.into_iter().filter(|topic| scope.has(topic)).collect(),
        // It was checked before.
        Err(_) => Vec::new(),
    })
}
