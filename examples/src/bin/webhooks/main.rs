//! The GitHub event stream, sent on as signed webhooks to three endpoints: one works, one fails half of the time, one
//! is down at first. Every event is delivered to each of them or ends in the dead letters, and the program proves it.
#![allow(clippy::print_stderr, reason = "a command-line program talks to people on standard error")]

mod dead_letters;
mod endpoints;
mod receiver;
mod report;
mod summary;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use dispatch_adapters::DeadLetters;
use dispatch_adapters::metrics::DeliveryRecorder;
use dispatch_adapters::prelude::*;
use dispatch_examples::github::{self, Entry, Event, Input, Source};
use dispatch_examples::show::Paint;
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use dead_letters::Kept;
use receiver::Receiver;
use report::{Report, Sent};

/// Events on their way at once. No more are read before one of them has reached every endpoint.
const IN_FLIGHT: usize = 32;
/// How long anything may take, and the end of the program with it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends GitHub events on as signed webhooks, to endpoints that fail, and shows that nothing is lost.
#[derive(Parser)]
struct Args {
    /// Read events as JSON lines from a file, or from standard input for '-'; made up without it.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// How many events to read or to make up [default: all of the input, or 500 made up]
    #[arg(long, value_name = "N")]
    events: Option<u64>,

    /// Seed of what is made up: the events, their ids and the failures.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,

    /// Print one JSON object at the end instead of the summary.
    #[arg(long)]
    json: bool,
}

#[actix_web::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends everything, prints the report and says whether it adds up.
async fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let input = github::open(&Source {
        input: args.input.clone(),
        events: args.events,
        made_up: 500,
        seed: args.seed,
        max_line: 16 * 1024 * 1024,
    })?;
    let begun = Instant::now();
    let receiver = Receiver::start(args.seed)?;
    let metrics = DeliveryRecorder::new();
    let kept = Kept::default();
    let dead_letters = DeadLetters::to([kept.clone()])?;
    let targets = endpoints::start(&receiver, &metrics, &dead_letters)?;

    // All of what follows is one dispatcher.
    let engine = Engine::builder()
        .dispatcher(on_event("webhooks").route_all().timeout(PATIENCE).deliver_to(targets.clone()))
        .freeze()?;
    let sent = send(&engine, input, args.seed).await;

    // From the outside in: nothing more comes, what was taken is delivered, what failed is kept, nobody listens.
    let mut left = engine.shutdown(PATIENCE).await?.abandoned;
    for target in targets.list() {
        let report = target.delivery().shutdown(PATIENCE).await;
        left += report.abandoned.len() + report.running;
    }
    let letters = dead_letters.close(PATIENCE).await.left;
    left += letters.iter().map(|(_, letters)| letters.len()).sum::<usize>();
    let received = receiver.stop().await?;

    let report = Report::new(&sent, &metrics.snapshot(), &received, &kept.letters(), left, begun.elapsed());
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        summary::write(&report, Paint::for_output(out.is_terminal()), &mut out)?;
    }
    match sent.failed.into_inner() {
        Some(error) => Err(error.into()),
        None => Ok(report.adds_up()),
    }
}

/// Dispatches every event of the input, so many at once, until it ends or somebody presses Ctrl-C.
async fn send(engine: &Engine, mut input: Input, seed: u64) -> Sent {
    let (events, refused, unreadable) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let failed = RefCell::new(None);
    let mut ids = StdRng::seed_from_u64(seed);
    stream::poll_fn(|context| input.batches.poll_recv(context))
        .map_ok(|batch| stream::iter(batch.entries).map(Ok))
        .try_flatten()
        .take_until(tokio::signal::ctrl_c())
        .for_each_concurrent(IN_FLIGHT, |entry| {
            let event = match entry {
                Ok(Entry::Event { event, .. }) => Some(numbered(event, &mut ids)),
                Ok(Entry::Unreadable { line, reason }) => {
                    eprintln!("line {line}: {reason}");
                    unreadable.set(unreadable.get() + 1);
                    None
                }
                Err(error) => {
                    failed.replace(Some(error));
                    None
                }
            };
            let (events, refused) = (&events, &refused);
            async move {
                let Some((topic, envelope)) = event else { return };
                // What the targets answer is in the metrics; here it only counts whether the engine took it.
                let count = if engine.dispatch(topic, envelope).await.is_ok() { events } else { refused };
                count.set(count.get() + 1);
            }
        })
        .await;
    Sent { events: events.get(), refused: refused.get(), unreadable: unreadable.get(), failed }
}

/// The topic and the envelope of an event; its id, which becomes the id of the webhook, comes from the seed.
fn numbered(event: Event, ids: &mut StdRng) -> (String, Envelope) {
    let (topic, envelope) = event.into_envelope();
    (topic, envelope.with_id(Uuid::from_u128(ids.random())))
}
