//! The shortest useful program: one dispatcher, one route, one dispatch.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use dispatch_adapters::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    id: u32,
}

async fn invoice(order: Envelope<OrderPlaced>) -> String {
    format!("billing.commands.invoice-{}", order.payload().id)
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::builder()
        .dispatcher(on_event("invoice").run(invoice))
        .route(Route::new("orders", "shop.*.events", Category::Event, "invoice"))
        .freeze()?;
    let result = engine.dispatch("shop.order.events", Envelope::typed(OrderPlaced { id: 7 })).await?;
    println!("{}: {}", result.status(), serde_json::to_string(&result.outputs().collect::<Vec<_>>())?);
    Ok(())
}
