//! Mails in the background: on disk before the sign-up returns, sent by a worker, tried again, looked after by people,
//! and a report on a schedule. The queue is a file in a folder; nothing has to be running beside the program. Ctrl-C ends
//! it at any time: what has begun is ended, and the rest stays in the file.
//!
//! On PostgreSQL it is the same program with one line of its configuration changed:
//!
//! ```text
//! cargo run -p dispatch-examples --features postgres --bin background_mails -- \
//!     'type = "postgres", url = "postgres://user@localhost/database", migrate = true'
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use dispatch_adapters::messenger::{
    self, DispatchOptions, Filter, Message, Messenger, MessengerConfig, MessengerError, Page, Replay,
    Schedule, Worker, WorkerConfig, Workers,
};
use dispatch_adapters::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The line that says where messages are stored, unless another one is given. `type = "memory"` would be one, too.
const STORE: &str = r#"type = "embedded""#;

/// Where messages go, and how often they are tried.
fn config(store: &str) -> Result<MessengerConfig, MessengerError> {
    MessengerConfig::from_toml(&format!(
        r#"
            default_transport = "mail"

            [transports]
            mail = {{ {store}, rate_limit = {{ events = 100, burst = 20 }} }} # a second, as much as the mail server takes

            [retry.default]
            max_retries = 2
            base_ms = 50
        "#
    ))
}

#[derive(Debug, Serialize, Deserialize)]
struct Welcome {
    to: String,
}

/// A mail server that knows no address without an '@', and is busy when the first mail to bob comes.
async fn send(mail: Envelope<Welcome>) -> Result<(), DispatcherError> {
    let to = &mail.payload().to;
    let first = mail.headers().get(messenger::QueuedMessage::ATTEMPT_HEADER) == Some("1");
    match to.contains('@') {
        false => Err(DispatcherError::new("NoSuchAddress", format!("'{to}'")).unrecoverable()),
        true if first && to.starts_with("bob") => Err(DispatcherError::new("Busy", "the server is busy")),
        true => {
            println!("  to {to}: welcome");
            Ok(())
        }
    }
}

#[actix::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?; // or any folder that is to stay
    let store = std::env::args().nth(1).unwrap_or_else(|| STORE.to_owned());
    let messenger = messenger::builder(folder.path()).config(config(&store)?).open().await?;
    let run = uuid::Uuid::now_v7(); // a server remembers the keys of earlier runs

    println!("three people sign up, one of them twice");
    for (to, key) in
        [("ann@example.com", "ann"), ("bob@example.com", "bob"), ("carl", "carl"), ("ann@example.com", "ann")]
    {
        let options = DispatchOptions::default().with_idempotency_key(format!("{run}-{key}"));
        let sent =
            messenger.dispatch_with(Message::new("Welcome", &Welcome { to: to.into() })?, &options).await?;
        println!("  {to}: {}", if sent[0].duplicate_of.is_some() { "has one already" } else { "stored" });
    }

    // In two seconds at the latest; in earnest it would be Schedule::cron("nightly", "30 2 * * *", "Europe/Berlin", …).
    let report = Message::new("Report", &json!({}))?;
    let soon = SystemTime::now() + Duration::from_millis(400);
    let scheduler = messenger.schedule([Schedule::once("nightly", soon, report)?])?;

    println!("a worker sends them");
    let engine = Engine::builder()
        .dispatcher(on_command("send").run(send))
        .dispatcher(
            on_command("report").run(|_: Envelope| async { println!("  the nightly report is written") }),
        )
        .route(Route::new("mails", "messenger.**", Category::Command, "send").with_message_type("Welcome"))
        .route(Route::new("reports", "messenger.**", Category::Command, "report").with_message_type("Report"))
        .freeze()?;
    let config =
        WorkerConfig { max_memory: cfg!(target_os = "linux").then_some(1 << 30), ..WorkerConfig::default() };
    let worker = messenger.work(&engine, config)?;
    let workers = Workers::new().with(worker.clone()).with_scheduler(scheduler);
    let people = actix::spawn(look_after(messenger.clone(), worker.clone()));
    let ended = workers.run_until_signal(Duration::from_secs(5)).await?;
    if !ended.asked {
        people.await??;
    }
    let report = worker.ended().await?;
    println!("{} done, {} tried again, {} failed at first", report.done, report.retried, report.failed);
    messenger.close().await?;
    Ok(ended.exit_code()) // 0, or 75 if something was left to others
}

/// Ends the worker, and so the program, when there is nothing more to do. One that nobody ends works until a signal comes.
async fn look_after(messenger: Messenger, worker: Worker) -> Result<(), MessengerError> {
    let done = repair(&messenger).await;
    // The program hears from it how it has ended.
    let _ = worker.drain(Duration::from_secs(5)).await;
    done
}

/// What people do.
async fn repair(messenger: &Messenger) -> Result<(), MessengerError> {
    until_idle(messenger).await?;

    println!("one of them has failed");
    for failed in messenger.list("mail", &Filter::failed(), Page::first(10)).await? {
        println!("  after {} attempt: {}", failed.attempts, failed.last_error().unwrap_or_default());
        let repaired = json!({ "to": "carl@example.com" }).as_object().cloned();
        messenger.retry("mail", failed.id, repaired).await?;
    }
    until_idle(messenger).await?;
    let left = messenger.retry_all("mail", &Filter::failed(), Replay::at_once().dry()).await?;
    println!("{left} messages have failed");
    Ok(())
}

/// Waits until nothing is to be handled any more.
async fn until_idle(messenger: &Messenger) -> Result<(), MessengerError> {
    while messenger.stats().await?.iter().any(|transport| transport.total().open() > 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
