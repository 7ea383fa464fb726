//! An axum server whose handlers dispatch. By default it asks itself a few things and ends; `--serve ADDRESS`
//! keeps it running.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::future::IntoFuture;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use dispatch_adapters::metrics::prometheus;
use dispatch_adapters::prelude::*;
use dispatch_adapters::{EngineHealth, StartError};
use serde_json::Value;

async fn ship(order: Envelope) -> Result<&'static str, DispatcherError> {
    let json = order.raw_payload().to_json()?;
    json["address"]
        .as_str()
        .map(|_| "warehouse.commands.pack")
        .ok_or_else(|| DispatcherError::new("NoAddress", "an order needs an address").unrecoverable())
}

/// The engine has a thread of its own here; its handle can be used from any of axum's.
fn engine() -> Result<Engine, StartError> {
    Engine::builder()
        .name("shop")
        .dispatcher(on_event("ship").run(ship))
        .route(Route::new("orders", "shop.orders.events.*", Category::Event, "ship"))
        .freeze()
}

/// `POST /events/{type}`: the result of the dispatch as JSON, under a fitting HTTP status.
async fn publish(
    State(engine): State<Engine>,
    Path(kind): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let topic = format!("shop.orders.events.{kind}");
    match engine.try_dispatch(topic, Envelope::json(kind, body)).await {
        Ok(result) => (http_status(result.status()), Json(result)).into_response(),
        Err(refused) => (StatusCode::SERVICE_UNAVAILABLE, refused.to_string()).into_response(),
    }
}

fn http_status(status: DispatchStatus) -> StatusCode {
    match status {
        DispatchStatus::InvalidMessage => StatusCode::BAD_REQUEST,
        DispatchStatus::NoDispatcher => StatusCode::NOT_FOUND,
        DispatchStatus::Timeout => StatusCode::GATEWAY_TIMEOUT,
        DispatchStatus::DispatcherError | DispatchStatus::PublishFailed => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    }
}

async fn health(State(engine): State<Engine>) -> (StatusCode, &'static str) {
    match engine.health() {
        EngineHealth::Ready => (StatusCode::OK, "ready"),
        EngineHealth::Degraded => (StatusCode::OK, "degraded"),
        EngineHealth::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    }
}

async fn metrics(State(engine): State<Engine>) -> Response {
    let Ok(metrics) = engine.metrics().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    match prometheus::render([&metrics]) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// An axum server with a dispatch engine.
#[derive(Parser)]
struct Args {
    /// Serve on this address, such as 127.0.0.1:8080, until Ctrl-C.
    #[arg(long, value_name = "ADDRESS")]
    serve: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let engine = engine()?;
    let app = Router::new()
        .route("/events/{kind}", post(publish))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(engine.clone());
    let listener = tokio::net::TcpListener::bind(args.serve.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        // Dropping the other end is the signal.
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());
    if args.serve.is_some() {
        println!("listening on http://{address}; Ctrl-C ends it");
        tokio::signal::ctrl_c().await?;
    } else {
        tokio::task::spawn_blocking(move || ask(&format!("http://{address}"))).await??;
    }
    drop(stop);
    server.await??;
    let report = engine.shutdown(std::time::Duration::from_secs(5)).await?;
    println!("shut down, {} dispatches abandoned", report.abandoned);
    Ok(())
}

/// A few requests, as a client would make them.
fn ask(server: &str) -> Result<(), ureq::Error> {
    let client: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    for body in [r#"{"address":"1 Main Street"}"#, "{}", "nonsense"] {
        let request =
            client.post(format!("{server}/events/placed")).header("content-type", "application/json");
        let mut answer = request.send(body)?;
        println!("POST {body}: {} {}", answer.status(), in_short(&answer.body_mut().read_to_string()?));
    }
    for path in ["health", "metrics"] {
        let mut answer = client.get(format!("{server}/{path}")).call()?;
        let text = answer.body_mut().read_to_string()?;
        println!("GET /{path}: {} {}", answer.status(), text.lines().next().unwrap_or_default());
    }
    Ok(())
}

fn in_short(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(result) => format!(
            "status {}, outputs {}, error {}",
            result["status"], result["outputs"], result["error_message"]
        ),
        Err(_) => "no result".to_owned(),
    }
}
