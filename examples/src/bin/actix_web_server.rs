//! An actix-web server whose handlers dispatch; server and engine share one actix system. By default it asks
//! itself a few things and ends; `--serve ADDRESS` keeps it running.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Parser;
use dispatch_adapters::prelude::*;
use serde_json::{Value, json};

async fn greet(visit: Envelope) -> Result<Envelope, DispatcherError> {
    let json = visit.raw_payload().to_json()?;
    let name = json["name"].as_str().ok_or_else(|| DispatcherError::new("NoName", "who is there?"))?;
    let topic = Topic::new("door.events.greeted")?;
    Ok(Envelope::json("Greeted", json!({ "text": format!("hello {name}") })).with_topic(&topic))
}

/// `POST /visits`: the envelope that the dispatcher emitted, or what went wrong.
async fn visit(engine: web::Data<Engine>, body: web::Json<Value>) -> HttpResponse {
    let envelope = Envelope::json("Visited", body.into_inner());
    match engine.dispatch("door.events.visited", envelope).await {
        Ok(result) if result.is_successful() => {
            let greetings: Vec<_> = result.outputs().filter_map(Output::envelope).collect();
            HttpResponse::Ok()
                .json(greetings.iter().filter_map(|own| own.raw_payload().to_json().ok()).collect::<Vec<_>>())
        }
        Ok(result) => HttpResponse::build(StatusCode::UNPROCESSABLE_ENTITY).json(result),
        Err(refused) => HttpResponse::ServiceUnavailable().body(refused.to_string()),
    }
}

async fn children(engine: web::Data<Engine>) -> HttpResponse {
    match engine.children().await {
        Ok(children) => HttpResponse::Ok().json(children),
        Err(refused) => HttpResponse::ServiceUnavailable().body(refused.to_string()),
    }
}

/// An actix-web server with a dispatch engine.
#[derive(Parser)]
struct Args {
    /// Serve on this address, such as 127.0.0.1:8080, until Ctrl-C.
    #[arg(long, value_name = "ADDRESS")]
    serve: Option<String>,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let engine = Engine::builder().dispatcher(on_event("greet").route_all().run(greet)).freeze()?;
    let shared = web::Data::new(engine.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/visits", web::post().to(visit))
            .route("/children", web::get().to(children))
    })
    .workers(2);
    let server = server.bind(args.serve.as_deref().unwrap_or("127.0.0.1:0"))?;
    let address = server.addrs().first().copied().ok_or("the server is bound to no address")?;
    let running = server.run();
    let handle = running.handle();
    let running = actix_web::rt::spawn(running);
    if args.serve.is_some() {
        println!("listening on http://{address}; Ctrl-C ends it");
    } else {
        web::block(move || ask(&format!("http://{address}"))).await??;
        handle.stop(true).await;
    }
    running.await??;
    let report = engine.shutdown(std::time::Duration::from_secs(5)).await?;
    println!("shut down, {} dispatches abandoned", report.abandoned);
    Ok(())
}

/// A few requests, as a client would make them.
fn ask(server: &str) -> Result<(), ureq::Error> {
    let client: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    for body in [json!({ "name": "world" }), json!({})] {
        let mut answer = client.post(format!("{server}/visits")).send_json(&body)?;
        let told: Value = answer.body_mut().read_json()?;
        let told = told.get("error_message").unwrap_or(&told);
        println!("POST {body}: {} {told}", answer.status());
    }
    let mut answer = client.get(format!("{server}/children")).call()?;
    let children: Value = answer.body_mut().read_json()?;
    let ids: Vec<_> =
        children.as_array().into_iter().flatten().filter_map(|child| child["id"].as_str()).collect();
    println!("GET /children: {} {ids:?}", answer.status());
    Ok(())
}
