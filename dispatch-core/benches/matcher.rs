//! One topic against many patterns: with and without the cache, from 10 routes to a million, and the worst cases.
//!
//! `cargo bench -p dispatch-core --bench matcher`; name a group to run it alone, as in `-- find/1000000`.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark is no library")]

#[path = "support/workload.rs"]
mod workload;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dispatch_core::matcher::{Matcher, MatcherBuilder, Scratch, TopicCache};
use dispatch_core::{Topic, TopicPattern};

use workload::Workload;

fn builder(workload: &Workload) -> MatcherBuilder {
    let mut builder = MatcherBuilder::new();
    for (rank, pattern) in (0..).zip(&workload.patterns) {
        builder.insert(pattern, rank);
    }
    builder
}

fn find(c: &mut Criterion) {
    for routes in [10, 1_000, 100_000, 1_000_000] {
        let mut group = c.benchmark_group(format!("find/{routes}"));
        let workload = Workload::new(routes);
        let matcher = builder(&workload).build();
        let trie = builder(&workload).anchor_limit(0).build();
        println!("{matcher:?}, {} heap bytes", matcher.heap_bytes());

        for (name, matcher) in [("uncached", &matcher), ("uncached, trie alone", &trie)] {
            group.bench_function(name, |b| {
                let (mut scratch, mut ranks) = (Scratch::new(), Vec::new());
                let mut messages = workload.messages();
                b.iter(|| {
                    if let Some(topic) = messages.next() {
                        matcher.find(black_box(topic), &mut scratch, &mut ranks);
                    }
                    ranks.len()
                });
            });
        }

        let copies: Vec<Topic> = workload.topics.iter().filter_map(|t| Topic::new(t).ok()).collect();
        for (name, topics) in [("cached, same topics", &workload.topics), ("cached, equal topics", &copies)] {
            group.bench_function(name, |b| {
                let (mut scratch, mut ranks) = (Scratch::new(), Vec::new());
                let mut cache = TopicCache::<Arc<[u32]>>::new(TopicCache::<()>::DEFAULT_SLOTS);
                let message_type: Arc<str> = Arc::from("OrderPlaced");
                // Filled with the workload's own topics, so that `copies` differ by pointer.
                for topic in workload.messages().take(1 << 18) {
                    if cache.get(topic, &message_type).is_none() {
                        matcher.find(topic, &mut scratch, &mut ranks);
                        cache.offer(topic, &message_type, Arc::from(&*ranks));
                    }
                }
                let mut messages = workload.stream.iter().cycle().map(|index| &topics[*index as usize]);
                b.iter(|| {
                    let Some(topic) = messages.next() else { return 0 };
                    if let Some(found) = cache.get(black_box(topic), &message_type) {
                        return found.len();
                    }
                    matcher.find(topic, &mut scratch, &mut ranks);
                    cache.offer(topic, &message_type, Arc::from(&*ranks));
                    ranks.len()
                });
            });
        }
        group.finish();
    }
}

fn cache_hit(c: &mut Criterion) {
    let topic = Topic::new("prod.tenant-17.service-3.events.v1").expect("valid");
    let equal = Topic::new(&topic).expect("valid");
    let message_type: Arc<str> = Arc::from("OrderPlaced");
    let mut cache = TopicCache::new(8192);
    cache.offer(&topic, &message_type, 1);
    cache.offer(&topic, &message_type, 1);
    let mut group = c.benchmark_group("cache_hit");
    group.bench_function("same topic", |b| b.iter(|| cache.get(black_box(&topic), &message_type).copied()));
    group.bench_function("equal topic", |b| b.iter(|| cache.get(black_box(&equal), "OrderPlaced").copied()));
    group.finish();
}

fn worst_cases(c: &mut Criterion) {
    let mut group = c.benchmark_group("worst");
    let longest = Topic::new(["a"; 64].join(".")).expect("valid");
    // The trie alone: with anchors none of these patterns would be looked at for long.
    let trie = |patterns: Vec<String>| -> Matcher {
        let mut builder = MatcherBuilder::new().anchor_limit(0);
        for (rank, text) in (0..).zip(patterns) {
            builder.insert(&TopicPattern::new(text).expect("valid"), rank);
        }
        builder.build()
    };
    let many_rests = trie(vec![["**.a"; 31].join(".") + ".**.b"]);
    // Each of the thousand arms a `**` of its own: seven segments spelt in all ways that match the topic's.
    let spelt =
        |n: u32| (0..7).map(|at| ["a", "*", "?"][(n / 3_u32.pow(at)) as usize % 3]).collect::<Vec<_>>();
    let armed = trie((0..1_000).map(|n| format!("{}.**.b.**.c", spelt(n).join("."))).collect());
    let chains = trie((1..60).map(|n| format!("**.{}.**.x.**.y", vec!["a"; n].join("."))).collect());
    for (name, matcher) in [
        ("64 segments, 32 rests", &many_rests),
        ("64 segments, 1,000 armed rests", &armed),
        ("64 segments, 2,000 live nodes", &chains),
    ] {
        let (mut scratch, mut ranks) = (Scratch::new(), Vec::new());
        group
            .bench_function(name, |b| b.iter(|| matcher.find(black_box(&longest), &mut scratch, &mut ranks)));
    }
    group.finish();
}

fn single_pattern(c: &mut Criterion) {
    let mut group = c.benchmark_group("pattern");
    let topic = Topic::new("prod.tenant-17.service-3.events.v1").expect("valid");
    for text in
        ["prod.*.service-3.events.v1", "prod.**.v1", "prod.tenant-*.*.events.v1", "prod.*17.*.events.v?"]
    {
        let pattern = TopicPattern::new(text).expect("valid");
        group.bench_function(BenchmarkId::from_parameter(text), |b| {
            b.iter(|| pattern.matches(black_box(&topic)));
        });
    }
    group.finish();
}

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.sample_size(10);
    for routes in [1_000, 100_000, 1_000_000] {
        let workload = Workload::new(routes);
        group.bench_function(BenchmarkId::from_parameter(routes), |b| {
            b.iter(|| builder(&workload).build().len());
        });
    }
    group.finish();
}

criterion_group!(benches, cache_hit, single_pattern, worst_cases, find, build);
criterion_main!(benches);
