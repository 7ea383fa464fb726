//! What a claim takes beside a million messages that are scheduled, beside one in a store that has nothing else: CPU time
//! of both, the process and the server.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::messenger::Messenger;
use dispatch_adapters::model::messenger::DispatchOptions;
use dispatch_adapters::model::queue::{Claim, MessageQueue, Settlement, WorkerId};
use tokio::runtime::Runtime;

use super::place::{Place, send};
use super::postgres::Server;
use super::{Scene, not_run};
use crate::compare::engine::load;
use crate::compare::measure::{cpu_time, median};
use crate::compare::report::{Row, Target};

const SCHEDULED: u64 = 1_000_000;
/// Messages of one claim.
const AT_A_TIME: usize = 10;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Claims of a round that take messages, and as many that find none.
const CLAIMS: u64 = 200;

/// A store that claims are made on.
struct Store<'a> {
    messenger: Messenger,
    queue: Arc<dyn MessageQueue>,
    runtime: Runtime,
    server: Option<&'a Server>,
    _place: Place,
}

/// CPU nanoseconds of one claim that takes messages, and of one that finds none.
type Costs = (f64, f64);

impl<'a> Store<'a> {
    fn new(place: Place, server: Option<&'a Server>, scheduled: u64) -> Self {
        let runtime = load::runtime();
        let (messenger, queue) = runtime.block_on(async {
            let messenger = place.messenger().await;
            let queue = messenger.queue("default").expect("it is there");
            // Of every priority, so that a claim meets them wherever it looks.
            for priority in 1..=10 {
                let later = DispatchOptions::default().with_priority(priority).with_delay(YEAR);
                send(&messenger, scheduled / 10, 5_000, &later).await;
            }
            (messenger, queue)
        });
        Self { messenger, queue, runtime, server, _place: place }
    }

    /// What a claim takes that finds so many messages; they are settled when the clock has stopped.
    fn timed(&self, expected: usize) -> f64 {
        let claim = Claim {
            worker: WorkerId::new("one"),
            queues: vec!["default".parse().expect("it is a name")],
            max: AT_A_TIME,
            lease: Duration::from_secs(600),
        };
        let computed = || cpu_time() + self.server.map_or(Duration::ZERO, Server::cpu_time);
        let (before, mut taken) = (computed(), Vec::new());
        self.runtime.block_on(async {
            for _ in 0..CLAIMS {
                let claimed = self.queue.claim(&claim).await.expect("it is open").messages;
                assert_eq!(claimed.len(), expected);
                taken.extend(claimed.into_iter().map(|leased| Settlement::done(leased.token)));
            }
        });
        let cost = computed().saturating_sub(before);
        let settled = self.runtime.block_on(self.queue.settle(taken)).expect("it is open");
        assert!(settled.iter().all(Result::is_ok));
        cost.as_nanos() as f64 / CLAIMS as f64
    }

    fn costs(&self) -> Costs {
        let due = CLAIMS * AT_A_TIME as u64;
        self.runtime.block_on(send(&self.messenger, due, AT_A_TIME, &DispatchOptions::default()));
        (self.timed(AT_A_TIME), self.timed(0))
    }

    fn close(&self) {
        self.runtime.block_on(self.messenger.close()).expect("it closes");
    }
}

fn compare(scene: &Scene<'_>, name: &str, make: impl Fn() -> Place, server: Option<&Server>) {
    let scheduled = if scene.options.quick { SCHEDULED / 10 } else { SCHEDULED };
    let bench = format!("messenger.{name}.claim10.beside{scheduled}");
    if !scene.options.wants(&bench) {
        return;
    }
    let stores = [Store::new(make(), server, scheduled), Store::new(make(), server, 0)];
    let rounds: Vec<_> = (0..scene.rounds()).map(|_| (stores[0].costs(), stores[1].costs())).collect();
    let of = |pick: fn(&(Costs, Costs)) -> f64| median(rounds.iter().map(pick));
    let row = |bench: String, ours: f64, theirs: f64, ratio: f64| Row {
        bench,
        cpu_ns: ours,
        wall_ns: 0.0,
        allocations: None,
        peer: Some(("itself, alone", theirs, ratio)),
        target: Some(Target::Ratio(1.5)),
        extra: Vec::new(),
    };
    let taken = of(|round| round.0.0 / round.1.0);
    scene.report.print(&row(bench.clone(), of(|round| round.0.0), of(|round| round.1.0), taken));
    let none = of(|round| round.0.1 / round.1.1);
    scene.report.print(&row(format!("{bench}.none"), of(|round| round.0.1), of(|round| round.1.1), none));
    stores.iter().for_each(Store::close);
}

pub(super) fn run(scene: &Scene<'_>) {
    compare(scene, "memory", || Place::Memory, None);
    compare(scene, "embedded", Place::file, None);
    const POSTGRES: &str = "messenger.postgres.claim10";
    if !scene
        .options
        .only
        .as_deref()
        .is_none_or(|only| POSTGRES.starts_with(only) || only.starts_with(POSTGRES))
    {
        return;
    }
    match scene.server() {
        Ok(server) => compare(scene, "postgres", || Place::tables(&server), Some(&*server)),
        Err(why) => not_run(POSTGRES, &why),
    }
}
