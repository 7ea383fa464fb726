//! What `apalis` takes for the same work: `apalis-peer sqlite|postgres PLACE WORK NUMBER [NUMBER]` does it once and
//! prints one line of JSON with what a message took.
//!
//! | work | numbers | does |
//! |---|---|---|
//! | `setup` | | makes the tables |
//! | `fill` | messages | stores messages that nobody handles, in large batches |
//! | `batches` | messages, size | stores messages, so many in one call, one call after the other |
//! | `singles` | messages, callers | stores messages one by one, from so many callers |
//! | `work` | messages, concurrency | stores messages in batches of 100 while a worker handles as many |
//! | `pickup` | messages | stores a message, waits until it is handled, and rests; says how long that took |
//!
//! What is committed is flushed in both databases, as the libraries would not do it by themselves for SQLite.

mod bench;
mod measure;
mod stores;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (Some(store), Some(place), Some(work)) = (words.first(), words.get(1), words.get(2)) else {
        eprintln!("error: say a store, where it is, and what to do");
        return ExitCode::from(2);
    };
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok());
    let numbers = (number(3).unwrap_or(0), number(4).unwrap_or(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let done = match store.as_str() {
        "sqlite" => runtime.block_on(stores::sqlite(place, work, numbers)),
        "postgres" => runtime.block_on(stores::postgres(place, work, numbers)),
        other => Err(format!("there is no store '{other}'").into()),
    };
    match done {
        Ok(line) => println!("{line}"),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
