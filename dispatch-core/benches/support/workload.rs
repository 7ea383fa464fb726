//! Topics and patterns as a larger installation has them, the same on every run.
//!
//! Topics read `environment.tenant.service.events[.action].v1` and the like: 4 to 6 segments, some of them common
//! to many topics, some rare. Tenants and services grow in number with the routes. Patterns are made from such
//! topics: 70 % with one or two `*`, 15 % literal, 10 % with `**`, 5 % with wildcards inside a segment. Of the
//! patterns with `*` and `**` nearly all name the tenant or the service: a million routes that each want a tenth
//! of all messages are no routing table. 10,000 of the topics are published, with Zipf's law between them.

use dispatch_core::{Topic, TopicPattern};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// How many different topics are published.
pub(crate) const PUBLISHED: usize = 10_000;

/// A set of routes and a stream of topics.
pub(crate) struct Workload {
    /// One pattern for each route.
    pub(crate) patterns: Vec<TopicPattern>,
    /// The topics that are published, the most frequent one first.
    pub(crate) topics: Vec<Topic>,
    /// Which topic is published, message by message; its length is a power of two.
    pub(crate) stream: Vec<u32>,
}

impl Workload {
    /// A workload with that many routes.
    pub(crate) fn new(routes: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(routes as u64);
        let size = routes.max(PUBLISHED);
        let universe: Vec<String> = (0..size).map(|_| topic(&mut rng, size as u32)).collect();
        let patterns = (0..routes).filter_map(|_| universe.choose(&mut rng).map(|t| pattern(&mut rng, t)));
        let patterns = patterns.map(|text| TopicPattern::new(text).expect("made of a valid topic")).collect();
        let topics = universe.iter().take(PUBLISHED).map(|text| Topic::new(text).expect("made to be valid"));
        Self { patterns, topics: topics.collect(), stream: zipf(&mut rng, PUBLISHED, 1 << 16) }
    }

    /// The messages of the stream, over and over.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Topic> {
        self.stream.iter().cycle().map(|index| &self.topics[*index as usize])
    }
}

fn topic(rng: &mut SmallRng, size: u32) -> String {
    const ENVIRONMENTS: [&str; 4] = ["dev", "test", "stage", "prod"];
    const KINDS: [&str; 3] = ["events", "commands", "intents"];
    let environment = ENVIRONMENTS[rng.random_range(0..4)];
    let tenant = rng.random_range(0..size / 20);
    let service = rng.random_range(0..size / 50);
    let kind = KINDS[rng.random_range(0..3)];
    let version = rng.random_range(1..4);
    let entity = rng.random_range(0..size / 10);
    let action = rng.random_range(0..50);
    match rng.random_range(0..3) {
        0 => format!("{environment}.tenant-{tenant}.entity-{entity}.{kind}"),
        1 => format!("{environment}.tenant-{tenant}.service-{service}.{kind}.v{version}"),
        _ => format!("{environment}.tenant-{tenant}.service-{service}.{kind}.action-{action}.v{version}"),
    }
}

fn pattern(rng: &mut SmallRng, topic: &str) -> String {
    let mut segments: Vec<&str> = topic.split('.').collect();
    let last = segments.len() - 1;
    // Segments 1 and 2 are the tenant and the service or entity.
    let rare = |at: usize| at == 1 || at == 2;
    let broad = rng.random_range(0..100) == 0;
    let glob;
    match rng.random_range(0..100) {
        0..70 => {
            let first = rng.random_range(0..=last);
            segments[first] = "*";
            let second = rng.random_range(0..=last);
            if rng.random() && (broad || !rare(first) || !rare(second)) {
                segments[second] = "*";
            }
        }
        70..85 => {}
        85..95 => {
            // Three segments of the topic stay at least, be it at the start, at the end or at both.
            let cut = rng.random_range(1..=last - 2);
            let mut at = rng.random_range(0..=last + 1 - cut);
            if !broad && (at..at + cut).contains(&1) && (at..at + cut).contains(&2) {
                at = last + 1 - cut;
            }
            segments.splice(at..at + cut, ["**"]);
        }
        _ => {
            let at = rng.random_range(0..=last);
            let segment = segments[at];
            let (head, tail) = segment.split_at(segment.len() / 2);
            glob = match rng.random_range(0..3) {
                0 => format!("{head}*"),
                1 => format!("*{tail}"),
                _ => format!("{}?*", &segment[..segment.len() - 1]),
            };
            segments[at] = &glob;
        }
    }
    segments.join(".")
}

/// Draws numbers below `of`, the n-th with a frequency of 1/n.
fn zipf(rng: &mut SmallRng, of: usize, count: usize) -> Vec<u32> {
    let sums: Vec<f64> = (1..=of)
        .scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        })
        .collect();
    let total = sums[of - 1];
    let draw = |_| sums.partition_point(|sum| *sum < rng.random_range(0.0..total)).min(of - 1) as u32;
    (0..count).map(draw).collect()
}
