//! Asks the engine why it would run which dispatcher, without running any. Routes come from TOML.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use dispatch_adapters::prelude::*;

const CONFIG: &str = r#"
name = "shop"
timeout_ms = 5_000

[[routes]]
route_id = "audit"
topic_pattern = "**"
message_category = "event"
dispatcher_id = "audit"

[[routes]]
route_id = "orders"
topic_pattern = "shop.order.*"
message_category = "event"
dispatcher_id = "invoice"
message_type = "OrderPlaced"
priority = 10

[[routes]]
route_id = "orders-again"
topic_pattern = "shop.**"
message_category = "event"
dispatcher_id = "invoice"

[[routes]]
route_id = "old"
topic_pattern = "shop.**"
message_category = "event"
dispatcher_id = "audit"
enabled = false
"#;

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::builder()
        .config(EngineConfig::from_toml(CONFIG)?)
        .dispatcher(on_event("audit").run(|_: Envelope| async {}))
        .dispatcher(on_event("invoice").types(["OrderPlaced", "OrderPaid"]).run(|_: Envelope| async {}))
        .dispatcher(on_command("mail").route_all().run(|_: Envelope| async {}))
        .freeze()?;
    for (topic, message_type) in [
        ("shop.order.events", "OrderPlaced"),
        ("shop.events.v1", "CartFilled"),
        ("mail.commands.send", "Send"),
        ("shop.order", "X"),
    ] {
        println!("{}\n", engine.explain(topic, None, message_type).await?);
    }
    Ok(())
}
