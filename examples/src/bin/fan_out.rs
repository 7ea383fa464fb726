//! One event, four dispatchers: one fails, one panics, one is late, and none of them disturbs the others.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]
#![allow(clippy::panic, reason = "one of the dispatchers panics on purpose")]

use std::time::Duration;

use dispatch_adapters::prelude::*;

async fn mail(_: Envelope) -> &'static str {
    "mail.commands.send"
}

async fn audit(_: Envelope) -> Result<(), DispatcherError> {
    Err(DispatcherError::new("IoError", "disk full"))
}

async fn score(_: Envelope) {
    panic!("no model loaded")
}

async fn recommend(_: Envelope) {
    std::future::pending::<()>().await;
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The panic is part of the show: no report of it on standard error.
    std::panic::set_hook(Box::new(|_| {}));
    let engine = Engine::builder()
        .dispatcher(on_event("mail").run(mail))
        .dispatcher(on_event("audit").run(audit))
        .dispatcher(on_event("score").run(score))
        .dispatcher(on_event("recommend").timeout(Duration::from_millis(50)).run(recommend))
        .routes(
            ["mail", "audit", "score", "recommend"].map(|id| Route::new(id, "shop.**", Category::Event, id)),
        )
        .route(Route::new("audit-first", "shop.order.**", Category::Event, "audit").with_priority(10))
        .freeze()?;

    let result = engine.dispatch("shop.order.events", Envelope::json("OrderPlaced", true.into())).await?;
    for outcome in result.outcomes() {
        let outputs: Vec<_> = outcome.outputs().iter().map(|output| output.topic().as_str()).collect();
        let what = outcome.error_message().map_or_else(|| format!("{outputs:?}"), str::to_owned);
        println!("{:10} {:17} {what}", outcome.dispatcher_id(), outcome.status());
    }
    println!("{}: {}", result.status(), result.error_message().unwrap_or("-"));
    Ok(())
}
