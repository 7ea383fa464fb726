//! One topic against many patterns, beside scans over all of them.
//!
//! Single matches are timed with the wall clock, whose own cost is taken off, and `ours_cpu_ns` is their median;
//! `mean_cpu_ns` is the CPU time of the whole stream by its length. Ours and a scan do not take turns: what differs
//! by a factor of a hundred or a million is not blurred by a busy machine.

#[path = "../../../../dispatch-core/benches/support/workload.rs"]
mod workload;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatch_core::matcher::{Matcher, MatcherBuilder, Scratch, TopicCache};
use dispatch_core::{Topic, TopicPattern};
use glob::MatchOptions;
use wildmatch::WildMatch;

use self::workload::Workload;
use crate::compare::cli::Options;
use crate::compare::measure::{cpu_time, median};
use crate::compare::memory;
use crate::compare::report::{Report, Row, Target};

struct Bench {
    routes: usize,
    uncached: &'static str,
    cached: &'static str,
    /// With topics that are equal to those that were seen before, not the same.
    equal: &'static str,
    uncached_target: Option<Target>,
    cached_target: Option<Target>,
    memory_target: Option<Target>,
}

const BENCHES: [Bench; 3] = [
    Bench {
        routes: 1_000,
        uncached: "match.1000",
        cached: "match.1000.cached",
        equal: "match.1000.cached.equal",
        uncached_target: Some(Target::Nanoseconds(350.0)),
        cached_target: Some(Target::Nanoseconds(75.0)),
        memory_target: None,
    },
    Bench {
        routes: 100_000,
        uncached: "match.100000",
        cached: "match.100000.cached",
        equal: "match.100000.cached.equal",
        uncached_target: None,
        cached_target: None,
        memory_target: None,
    },
    Bench {
        routes: 1_000_000,
        uncached: "match.1000000",
        cached: "match.1000000.cached",
        equal: "match.1000000.cached.equal",
        uncached_target: Some(Target::Nanoseconds(900.0)),
        cached_target: Some(Target::Nanoseconds(75.0)),
        memory_target: Some(Target::Extra("bytes_per_route", 160.0)),
    },
];

pub(crate) fn run(options: &Options, report: &Report) {
    for bench in &BENCHES {
        if [bench.uncached, bench.cached, bench.equal].into_iter().any(|name| options.wants(name)) {
            bench.run(options, report);
        }
    }
}

impl Bench {
    fn run(&self, options: &Options, report: &Report) {
        let workload = Workload::new(self.routes);
        let before = cpu_time();
        let (matcher, live) = memory::live_bytes(|| build(&workload));
        let build_time = cpu_time().saturating_sub(before);
        let extra = vec![
            ("bytes_per_route", live / self.routes as f64),
            // What the matcher says of itself.
            ("heap_bytes_per_route", matcher.heap_bytes() as f64 / self.routes as f64),
            ("build_ms", build_time.as_secs_f64() * 1e3),
        ];
        let timer = Timer::new(options);
        let copies: Vec<Topic> =
            workload.topics.iter().map(|topic| Topic::new(topic).expect("a copy is valid")).collect();
        let cached_ours = timer.ours(&workload, &workload.topics, cached(&matcher, &workload));
        let equal_ours = timer.ours(&workload, &copies, cached(&matcher, &workload));
        let uncached_ours = timer.ours(&workload, &copies, uncached(&matcher));
        drop(matcher);
        let wild = timer.peer(&workload, wildmatch_scan(&workload.patterns));
        let glob = timer.peer(&workload, glob_scan(&workload.patterns));

        for (name, ours, target) in [
            (self.cached, cached_ours, self.cached_target),
            (self.equal, equal_ours, self.cached_target),
            (self.uncached, uncached_ours, self.uncached_target),
        ] {
            if !options.wants(name) {
                continue;
            }
            let targets = [target, self.memory_target.filter(|_| name == self.uncached)];
            let peers = [("wildmatch scan", wild), ("kameo broker's glob", glob)];
            for ((peer, theirs), target) in peers.into_iter().zip(targets) {
                let mut extra = extra.clone();
                extra.push(("mean_cpu_ns", ours.mean_cpu_ns));
                report.print(&Row {
                    bench: name.to_owned(),
                    cpu_ns: ours.p50_ns,
                    wall_ns: ours.p50_ns,
                    allocations: Some(ours.allocations),
                    peer: Some((peer, theirs, ours.p50_ns / theirs)),
                    target,
                    extra,
                });
            }
        }
    }
}

fn build(workload: &Workload) -> Matcher {
    let mut builder = MatcherBuilder::new();
    for (rank, pattern) in (0..).zip(&workload.patterns) {
        builder.insert(pattern, rank);
    }
    builder.build()
}

fn uncached(matcher: &Matcher) -> impl FnMut(&Topic) -> usize {
    let (mut scratch, mut ranks) = (Scratch::new(), Vec::new());
    move |topic| {
        matcher.find(topic, &mut scratch, &mut ranks);
        ranks.len()
    }
}

fn cached(matcher: &Matcher, workload: &Workload) -> impl FnMut(&Topic) -> usize {
    let (mut scratch, mut ranks) = (Scratch::new(), Vec::new());
    let mut cache = TopicCache::<Arc<[u32]>>::new(TopicCache::<()>::DEFAULT_SLOTS);
    let message_type: Arc<str> = Arc::from("OrderPlaced");
    let mut find = move |topic: &Topic| {
        if let Some(found) = cache.get(topic, &message_type) {
            return found.len();
        }
        matcher.find(topic, &mut scratch, &mut ranks);
        cache.offer(topic, &message_type, Arc::from(&*ranks));
        ranks.len()
    };
    for topic in workload.messages().take(1 << 18) {
        find(topic);
    }
    find
}

/// Pattern by pattern and segment by segment.
fn wildmatch_scan(patterns: &[TopicPattern]) -> impl FnMut(&Topic) -> usize {
    let segment = |text: &str| (text != "**").then(|| WildMatch::new(&text.to_ascii_lowercase()));
    let segments = |pattern: &TopicPattern| pattern.as_str().split('.').map(segment).collect();
    let patterns: Vec<Box<[Option<WildMatch>]>> = patterns.iter().map(segments).collect();
    move |topic| {
        let topic = topic.as_str().to_ascii_lowercase();
        let topic: Vec<&str> = topic.split('.').collect();
        patterns.iter().filter(|pattern| segments_match(pattern, &topic)).count()
    }
}

/// `None` stands for `**`.
fn segments_match(pattern: &[Option<WildMatch>], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], _) => topic.is_empty(),
        ([None, rest @ ..], _) => (0..=topic.len()).any(|skip| segments_match(rest, &topic[skip..])),
        ([Some(_), ..], []) => false,
        ([Some(first), rest @ ..], [segment, left @ ..]) => {
            first.matches(segment) && segments_match(rest, left)
        }
    }
}

/// As kameo's broker looks for the subscribers of a topic.
fn glob_scan(patterns: &[TopicPattern]) -> impl FnMut(&Topic) -> usize {
    let glob = |pattern: &TopicPattern| glob::Pattern::new(&pattern.as_str().replace('.', "/"));
    let patterns: Vec<glob::Pattern> =
        patterns.iter().map(|pattern| glob(pattern).expect("the pattern is valid for glob, too")).collect();
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    move |topic| {
        let topic = topic.as_str().replace('.', "/");
        patterns.iter().filter(|pattern| pattern.matches_with(&topic, options)).count()
    }
}

struct Timer {
    matches: usize,
    patience: Duration,
    /// What reading the clock takes.
    clock_ns: f64,
}

struct Times {
    p50_ns: f64,
    mean_cpu_ns: f64,
    allocations: f64,
}

impl Timer {
    fn new(options: &Options) -> Self {
        let (matches, patience) = if options.quick { (1 << 17, 500) } else { (1 << 20, 3_000) };
        let mut timer = Self { matches, patience: Duration::from_millis(patience), clock_ns: 0.0 };
        timer.clock_ns = timer.p50(std::iter::repeat_n((), 1 << 18), |()| 0);
        timer
    }

    fn ours(&self, workload: &Workload, topics: &[Topic], mut find: impl FnMut(&Topic) -> usize) -> Times {
        let messages =
            || workload.stream.iter().cycle().take(self.matches).map(|index| &topics[*index as usize]);
        messages().take(self.matches / 4).for_each(|topic| {
            black_box(find(topic));
        });
        let before = cpu_time();
        let allocations = memory::allocations(self.matches as u64, || {
            messages().for_each(|topic| {
                black_box(find(topic));
            });
        });
        let mean_cpu_ns = cpu_time().saturating_sub(before).as_nanos() as f64 / self.matches as f64;
        Times { p50_ns: self.p50(messages(), find), mean_cpu_ns, allocations }
    }

    /// Median nanoseconds of a scan, over as many matches as there is patience for.
    fn peer(&self, workload: &Workload, mut find: impl FnMut(&Topic) -> usize) -> f64 {
        let begin = Instant::now();
        let until_bored = workload
            .messages()
            .enumerate()
            .take_while(|(done, _)| *done < 3 || begin.elapsed() < self.patience);
        self.p50(until_bored.take(self.matches), |(_, topic)| find(topic))
    }

    /// Median of the single calls, without the clock.
    fn p50<T>(&self, messages: impl Iterator<Item = T>, mut find: impl FnMut(T) -> usize) -> f64 {
        let mut times = Vec::with_capacity(self.matches);
        for message in messages {
            let begin = Instant::now();
            black_box(find(black_box(message)));
            times.push(begin.elapsed().as_nanos() as f64);
        }
        median(times.into_iter()) - self.clock_ns
    }
}
