use std::rc::Rc;
use std::sync::Arc;

use dispatch_core::dispatch::{Path, TopicText};
use dispatch_core::route::{RouteTable, Scratch};
use dispatch_core::{Category, DispatcherId, Envelope, MessageType, Topic, TopicCache};

use crate::dispatcher::Link;
use crate::flight::Way;
use crate::shard::Shard;

/// The table with what it takes to ask it often.
pub(crate) struct Resolver {
    /// Shared with whoever wants it explained.
    table: Arc<RouteTable>,
    /// The ways to the dispatchers, in the order of the table's list.
    links: Vec<Rc<Link>>,
    scratch: Scratch,
    ways: TopicCache<Rc<Way>>,
    shard: Rc<Shard>,
}

impl Resolver {
    pub(crate) fn new(table: RouteTable, links: Vec<Rc<Link>>, cache: usize, shard: Rc<Shard>) -> Self {
        let table = Arc::new(table);
        Self { table, links, scratch: Scratch::default(), ways: TopicCache::new(cache), shard }
    }

    pub(crate) fn table(&self) -> Arc<RouteTable> {
        Arc::clone(&self.table)
    }

    /// Replaces the table and forgets what was resolved.
    pub(crate) fn swap(&mut self, table: RouteTable, links: Vec<Rc<Link>>) {
        self.table = Arc::new(table);
        self.links = links;
        self.scratch = Scratch::default();
        self.ways.clear();
    }

    /// The way of an envelope.
    pub(crate) fn resolve(&mut self, topic: &Topic, category: Category, envelope: &Envelope) -> Rc<Way> {
        if let Some(way) = self.ways.get(topic, envelope.message_type_str()) {
            return Rc::clone(way);
        }
        let message_type = envelope.message_type();
        let plan = self.table.resolve(topic, category, message_type.as_str(), &mut self.scratch);
        // A topic gets figures of its own only once it has found a dispatcher.
        let topic_slot = (!plan.positions.is_empty())
            .then(|| self.shard.recorder.borrow_mut().register_topic(topic.as_str()));
        let way = Rc::new(Way {
            path: Arc::new(Path {
                topic: TopicText::Valid(topic.clone()),
                category: Some(category),
                message_type: Some(message_type.clone()),
                legs: plan.legs,
            }),
            links: plan
                .positions
                .iter()
                .filter_map(|position| self.links.get(*position as usize).cloned())
                .collect(),
            topic_slot,
        });
        self.ways.offer(topic, &message_type.to_shared(), Rc::clone(&way));
        way
    }

    /// A way without the dispatchers that have handled the envelope before.
    pub(crate) fn rest(way: &Way, handled: &[DispatcherId]) -> Rc<Way> {
        let both = way.path.legs.iter().zip(&way.links);
        let left = both.filter(|(leg, _)| !handled.contains(&leg.dispatcher_id));
        let (legs, links): (Vec<_>, Vec<_>) = left.map(|(leg, link)| (leg.clone(), Rc::clone(link))).unzip();
        let path = Path { legs: legs.into(), ..Path::clone(&way.path) };
        Rc::new(Way { path: Arc::new(path), links: links.into(), topic_slot: way.topic_slot })
    }

    /// The way of an envelope that no dispatcher will see.
    pub(crate) fn nowhere(
        topic: TopicText,
        category: Option<Category>,
        message_type: MessageType,
    ) -> Rc<Way> {
        let path = Path { topic, category, message_type: Some(message_type), legs: Box::default() };
        Rc::new(Way { path: Arc::new(path), links: Box::default(), topic_slot: None })
    }
}
