//! What a running engine counts: as a snapshot in the program, and as the Prometheus text of a scrape.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use dispatch_adapters::metrics::prometheus;
use dispatch_adapters::prelude::*;

async fn charge(order: Envelope) -> Result<(), DispatcherError> {
    match order.message_type().as_str() {
        "OrderPaid" => Err(DispatcherError::new("CardDeclined", "the bank said no")),
        _ => Ok(()),
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::builder()
        .name("shop")
        .dispatcher(on_event("charge").run(charge))
        .route(Route::new("orders", "shop.**", Category::Event, "charge"))
        .freeze()?;
    let types = ["OrderPlaced", "OrderPaid", "OrderPlaced"];
    let envelopes =
        types.map(|message_type| ("shop.order.events", Envelope::json(message_type, true.into())));
    engine.dispatch_many(envelopes).await;
    engine.dispatch("elsewhere.events", Envelope::new(Payload::Empty)).await?;

    let metrics = engine.metrics().await?;
    println!("{} dispatches, {:.0} % successful", metrics.total_dispatches, metrics.success_rate() * 100.0);
    if let Some(charge) = metrics.dispatcher("charge") {
        println!("last error of charge: {}", charge.last_error_message.as_deref().unwrap_or("-"));
    }
    print!("\n{}", prometheus::render([&metrics])?);
    Ok(())
}
