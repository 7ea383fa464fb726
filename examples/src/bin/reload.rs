//! Changes routes and dispatchers while the engine runs: what stays keeps its state, what is wrong changes nothing.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use dispatch_adapters::EngineBuilder;
use dispatch_adapters::prelude::*;

/// Counts what it has seen; the closure owns the state.
fn counting(id: &'static str) -> dispatch_adapters::Registration {
    let mut seen = 0;
    on_event(id).run(move |_: Envelope| {
        seen += 1;
        let seen = seen;
        async move { format!("counted.{id}.number-{seen}") }
    })
}

fn to(dispatcher: &str, pattern: &str) -> Route {
    Route::new(format!("to-{dispatcher}"), pattern, Category::Event, dispatcher)
}

async fn show(engine: &Engine) -> Result<(), Refused> {
    let result = engine.dispatch("shop.order.events", Envelope::json("OrderPlaced", true.into())).await?;
    let outputs: Vec<_> = result.outputs().map(|output| output.topic().as_str()).collect();
    println!("{} {outputs:?}", result.status());
    Ok(())
}

async fn reload(engine: &Engine, table: EngineBuilder) {
    match engine.reload(table).await {
        Ok(report) => println!(
            "version {}: started {:?}, kept {:?}, retired {:?}",
            report.version, report.started, report.kept, report.retired
        ),
        Err(error) => println!("refused: {error}"),
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::builder().dispatcher(counting("old")).route(to("old", "shop.**")).freeze()?;
    show(&engine).await?;

    let both = [to("old", "shop.**"), to("new", "*.order.*")];
    reload(&engine, Engine::builder().keep("old").dispatcher(counting("new")).routes(both)).await;
    show(&engine).await?;

    reload(&engine, Engine::builder().keep("new").route(to("new", "shop..events")).route(to("gone", "**")))
        .await;
    show(&engine).await?;

    reload(&engine, Engine::builder().keep("new").route(to("new", "**"))).await;
    show(&engine).await?;
    Ok(())
}
