//! Everything that can go wrong with dispatchers, at once, for as long as `DISPATCH_SOAK_SECONDS` says.
//!
//! - Every dispatch has exactly one result, and the metrics add up with them.
//! - Live memory at the end is within 5 % of what it was after the first sixth of the run. Both are measured when
//!   nothing is in flight.
//!
//! The four callers draw from generators seeded with `DISPATCH_SOAK_SEED`; the seed of a failed run is printed
//! with the command that repeats it.

use std::alloc::System;
use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dispatch_actors::{Engine, on_event};
use dispatch_core::policy::RestartPolicy;
use dispatch_core::{DispatchResult, DispatchStatus, Envelope, Route};
use dispatch_tests::support::{Act, Puppet, env_u64};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLERS: u64 = 4;
const ROUNDS: u32 = 6;
const TYPES: [&str; 4] = ["functions", "actor", "pool", "all"];

/// Counted by what callers saw, or by the engine.
#[derive(Debug, Default, Clone, PartialEq)]
struct Counts {
    statuses: BTreeMap<&'static str, u64>,
    /// Executions, successes, errors and time-outs of each dispatcher.
    dispatchers: BTreeMap<String, [u64; 4]>,
}

impl Counts {
    fn add(&mut self, result: &DispatchResult) {
        *self.statuses.entry(result.status().as_str()).or_default() += 1;
        for outcome in result.outcomes() {
            let counts = self.dispatchers.entry(outcome.dispatcher_id().to_string()).or_default();
            counts[0] += 1;
            counts[match outcome.status() {
                DispatchStatus::Success => 1,
                DispatchStatus::Timeout => 3,
                _ => 2,
            }] += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (id, counts) in other.dispatchers {
            let own = self.dispatchers.entry(id).or_default();
            own.iter_mut().zip(counts).for_each(|(own, count)| *own += count);
        }
    }

    fn of(metrics: &dispatch_metrics::DispatchMetrics) -> Self {
        let statuses = DispatchStatus::ALL
            .into_iter()
            .map(|status| (status.as_str(), metrics.status_metrics.get(status)))
            .filter(|(_, count)| *count > 0);
        let dispatchers = metrics.dispatcher_metrics.iter().map(|(id, own)| {
            (id.to_string(), [own.execution_count, own.success_count, own.error_count, own.timeout_count])
        });
        Self {
            statuses: statuses.collect(),
            dispatchers: dispatchers.filter(|(_, own)| own[0] > 0).collect(),
        }
    }
}

fn engine(seed: u64) -> Engine {
    // It never gives up, so that there is something to kill until the end.
    let restart = RestartPolicy {
        max_restarts: u32::MAX,
        window: Duration::from_millis(50),
        backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(5),
    };
    Engine::builder()
        .configure(|config| {
            config.seed = Some(seed);
            config.timeout = Duration::from_millis(20);
            config.max_in_flight = 64;
            config.blocking_threads = 4;
            config.blocking_cap = 8;
            config.restart = restart;
            // More topics pass by than either may remember.
            config.topic_cache = 64;
            config.max_topic_metrics = 10;
            // Restarts would fill the log; the watchdog must not judge a busy machine.
            config.stall_warn = Duration::ZERO;
        })
        .dispatcher(on_event("function").run(Act::obey))
        .dispatcher(on_event("one").concurrency(1).run(Act::obey))
        .dispatcher(on_event("actor").actor(Puppet::default))
        .dispatcher(on_event("steady").run(|_: Envelope| async { "s.ok" }))
        .dispatcher(on_event("pool").run_blocking(|envelope: Envelope<Act>| match envelope.payload() {
            Act::Sleep(ms, _) => thread::sleep(Duration::from_millis(*ms)),
            Act::Panic(text) => panic!("{text}"),
            _ => {}
        }))
        .routes([("function", 0), ("one", 0), ("steady", 0), ("actor", 1), ("pool", 2)].into_iter().flat_map(
            |(dispatcher, own)| {
                [TYPES[own], "all"].map(|kind| {
                    let id = format!("{dispatcher}-{kind}");
                    Route::new(id, "soak.**", dispatch_core::Category::Event, dispatcher)
                        .with_message_type(kind)
                })
            },
        ))
        .freeze()
        .unwrap()
}

fn act(random: &mut StdRng) -> Act {
    match random.random_range(0..100) {
        0..60 => Act::Return(vec!["o.ut".to_owned(); random.random_range(0..3)]),
        60..70 => Act::Fail("on purpose".to_owned()),
        70..78 => Act::Panic("on purpose".to_owned()),
        78..82 => Act::Stop,
        82..86 => Act::Hang,
        86..90 => Act::Return(vec!["nodot".to_owned()]),
        _ => Act::ok().after(random.random_range(1..40)),
    }
}

/// One batch of a caller. The number of results it gets is the number of dispatches it makes.
async fn batch(engine: &Engine, random: &mut StdRng, size: usize, seen: &mut Counts) {
    let batch: Vec<_> = (0..size)
        .map(|_| {
            let topic = match random.random_range(0..40) {
                0 => "soak.nobody.commands".to_owned(),
                1 => "soak.nothing".to_owned(),
                2 => "soak..events".to_owned(),
                _ => format!("soak.{}.events", random.random_range(0..2000)),
            };
            let kind = TYPES[random.random_range(0..TYPES.len())];
            (topic, act(random).envelope().with_message_type(kind))
        })
        .collect();
    let results = if random.random() {
        engine.dispatch_many(batch).await
    } else {
        let calls = batch.into_iter().map(|(topic, envelope)| engine.dispatch(topic, envelope));
        futures_util::future::join_all(calls).await
    };
    assert_eq!(results.len(), size);
    for result in results {
        seen.add(&result.expect("nothing is refused"));
    }
}

/// Brings every queue and cache to the size that the limits of the engine allow, which a short run would
/// otherwise still be doing in its first sixth.
async fn warm_up(engine: &Engine, random: &mut StdRng) -> Counts {
    let mut seen = Counts::default();
    for _ in 0..16 {
        batch(engine, random, 64, &mut seen).await;
    }
    seen
}

/// One caller for one round: batches of every size, until the time is up.
async fn call(engine: &Engine, random: &mut StdRng, until: Instant) -> Counts {
    let mut seen = Counts::default();
    while Instant::now() < until {
        let size = random.random_range(1..=24);
        batch(engine, random, size, &mut seen).await;
    }
    seen
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Waits until threads that were given up have returned and every actor is up.
fn settle(engine: &Engine) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        loop {
            let metrics = engine.metrics().await.unwrap();
            let up = engine
                .children()
                .await
                .unwrap()
                .iter()
                .all(|child| child.state == dispatch_actors::ChildState::Up);
            let pool = metrics.dispatcher("pool").unwrap();
            if up && engine.in_flight() == 0 && begun.elapsed() > Duration::from_millis(100) {
                assert_eq!(pool.in_flight, 0);
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not come to rest");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// Tells how to repeat a run that fails.
struct Replay(u64, u64);

impl Drop for Replay {
    #[expect(clippy::print_stderr, reason = "this is where a failed test says how to repeat it")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "repeat with: DISPATCH_SOAK_SEED={} DISPATCH_SOAK_SECONDS={} cargo test --release -p dispatch-tests --test soak",
                self.0, self.1
            );
        }
    }
}

#[test]
fn whatever_dispatchers_do_every_dispatch_has_one_result_the_metrics_add_up_and_memory_stays() {
    let seconds = env_u64("DISPATCH_SOAK_SECONDS", 3);
    let seed = env_u64("DISPATCH_SOAK_SEED", rand::random());
    let _replay = Replay(seed, seconds);
    // Panics are the daily bread here; printing them would be most of the work.
    let loud = std::panic::take_hook();
    let tests = thread::current().id();
    std::panic::set_hook(Box::new(move |panic| {
        let on_purpose = panic.payload().downcast_ref::<String>().is_some_and(|text| text == "on purpose");
        if !on_purpose || thread::current().id() == tests {
            loud(panic);
        }
    }));

    let engine = engine(seed);
    let round = Duration::from_secs(seconds) / ROUNDS;
    let (barrier, total) =
        (Arc::new(Barrier::new(CALLERS as usize + 1)), Arc::new(Mutex::new(Counts::default())));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (engine, barrier, total) = (engine.clone(), Arc::clone(&barrier), Arc::clone(&total));
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                let mut random = StdRng::seed_from_u64(seed.wrapping_add(caller));
                total.lock().unwrap().merge(runtime.block_on(warm_up(&engine, &mut random)));
                for _ in 0..ROUNDS {
                    let seen = runtime.block_on(call(&engine, &mut random, Instant::now() + round));
                    total.lock().unwrap().merge(seen);
                    // Everybody rests while memory is looked at.
                    barrier.wait();
                    barrier.wait();
                }
            })
        })
        .collect();
    let mut bytes = Vec::new();
    for _ in 0..ROUNDS {
        barrier.wait();
        settle(&engine);
        bytes.push(live_bytes());
        barrier.wait();
    }
    for caller in callers {
        caller.join().unwrap();
    }

    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(engine.shutdown(Duration::from_secs(10))).unwrap();
    let (metrics, seen) = (report.metrics.unwrap(), total.lock().unwrap().clone());
    assert_eq!(Counts::of(&metrics), seen);
    assert_eq!(metrics.total_dispatches, seen.statuses.values().sum::<u64>());
    assert_eq!(report.abandoned, 0);
    for id in ["function", "one", "actor", "pool"] {
        let own = metrics.dispatcher(id).unwrap();
        assert!(own.panic_count > 0 && own.success_count > 0, "{id} was exercised: {own:?}");
    }
    assert!(metrics.dispatcher("actor").unwrap().restart_count > 0);
    let (first, last) = (bytes[0], bytes[bytes.len() - 1]);
    assert!(
        first.abs_diff(last) * 20 <= first,
        "live bytes went from {first} to {last} over {} dispatches: {bytes:?}",
        metrics.total_dispatches
    );
}
