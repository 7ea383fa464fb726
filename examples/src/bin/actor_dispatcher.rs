//! An actix actor of the program's own as a dispatcher: the engine gets its address, the program keeps it.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use actix::prelude::{Actor, Handler, Message};
use dispatch_adapters::prelude::{Deliver, DispatcherError, Engine, Envelope, Outputs, on_event};
use serde_json::json;

/// Keeps the stock of a shop.
#[derive(Default)]
struct Stock {
    sold: u64,
}

impl Actor for Stock {
    type Context = actix::Context<Self>;
}

/// What the engine sends.
impl Handler<Deliver> for Stock {
    type Result = Result<Outputs, DispatcherError>;

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) -> Self::Result {
        let payload = deliver.envelope.raw_payload().to_json()?;
        let quantity = payload["quantity"].as_u64();
        self.sold +=
            quantity.ok_or_else(|| DispatcherError::new("NoQuantity", "an order needs a quantity"))?;
        Ok(Outputs::none())
    }
}

/// What the rest of the program sends.
#[derive(Message)]
#[rtype(result = "u64")]
struct HowManySold;

impl Handler<HowManySold> for Stock {
    type Result = u64;

    fn handle(&mut self, _: HowManySold, _: &mut Self::Context) -> u64 {
        self.sold
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stock = Stock::default().start();
    let engine = Engine::builder()
        .dispatcher(on_event("stock").route_all().recipient(stock.clone().recipient()))
        .freeze()?;

    for order in [json!({ "quantity": 3 }), json!({ "quantity": 4 }), json!({})] {
        let result = engine.dispatch("shop.order.events", Envelope::json("OrderPlaced", order)).await?;
        println!("{}: {}", result.status(), result.error_message().unwrap_or("-"));
    }
    println!("sold: {}", stock.send(HowManySold).await?);
    Ok(())
}
