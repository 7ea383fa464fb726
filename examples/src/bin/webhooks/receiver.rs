//! Who receives the webhooks: a server that checks every signature and takes every event once.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::rt::task::JoinHandle;
use actix_web::web::{self, Bytes, Data, Path, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Scheme, Verifier};
use uuid::Uuid;

/// The header that names the event.
pub(crate) const EVENT_HEADER: &str = "x-github-event";
/// Requests that the endpoint `gone` fails before it is back.
const DOWN_FOR: u64 = 48;
/// What it refuses for good.
const REFUSED: &str = "StarCreated";

/// A running server.
pub(crate) struct Receiver {
    endpoints: Data<Vec<Endpoint>>,
    address: SocketAddr,
    handle: ServerHandle,
    running: JoinHandle<io::Result<()>>,
}

/// One of its endpoints.
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    pub(crate) secret: Secret,
    manner: Manner,
    verifier: Verifier,
    received: Arc<Mutex<Received>>,
}

/// How an endpoint behaves.
#[derive(Clone, Copy)]
enum Manner {
    /// Takes everything.
    Steady,
    /// Answers 503 to half of the requests, and has taken half of these all the same.
    Flaky { seed: u64 },
    /// Answers 503 at first, and always 422 to events that it does not want.
    Gone,
}

/// What came to an endpoint.
#[derive(Clone, Default)]
pub(crate) struct Received {
    /// How the endpoint behaves, for people.
    pub(crate) manner: &'static str,
    pub(crate) requests: u64,
    pub(crate) verified: u64,
    pub(crate) bad_signatures: u64,
    /// Ids of the webhooks that were taken, each once.
    pub(crate) taken: HashSet<String>,
    /// Requests with an id that had been taken before.
    pub(crate) duplicates: u64,
    pub(crate) attempts: HashMap<String, u32>,
}

impl Receiver {
    /// Listens on a free port of this machine. The seed decides which requests fail.
    pub(crate) fn start(seed: u64) -> Result<Self, Box<dyn Error>> {
        let endpoints =
            [("steady", Manner::Steady), ("flaky", Manner::Flaky { seed }), ("gone", Manner::Gone)];
        let endpoints: Result<Vec<_>, _> =
            endpoints.into_iter().map(|(name, manner)| Endpoint::new(name, manner)).collect();
        let endpoints = Data::new(endpoints?);
        let shared = endpoints.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(PayloadConfig::new(32 * 1024 * 1024))
                .route("/hooks/{endpoint}", web::post().to(hook))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")?;
        let address = server.addrs().first().copied().ok_or("the server is bound to no address")?;
        let running = server.run();
        let handle = running.handle();
        Ok(Self { endpoints, address, handle, running: actix_web::rt::spawn(running) })
    }

    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    pub(crate) fn url(&self, endpoint: &Endpoint) -> String {
        format!("http://{}/hooks/{}", self.address, endpoint.name)
    }

    /// Stops the server; what each endpoint has received.
    pub(crate) async fn stop(self) -> Result<Vec<(&'static str, Received)>, Box<dyn Error>> {
        self.handle.stop(true).await;
        self.running.await??;
        Ok(self.endpoints.iter().map(|endpoint| (endpoint.name, endpoint.received())).collect())
    }
}

/// `POST /hooks/{endpoint}`: what is not signed is not even looked at.
async fn hook(
    endpoints: Data<Vec<Endpoint>>,
    name: Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.name == *name) else {
        return HttpResponse::NotFound().finish();
    };
    let headers =
        || request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let header = |wanted| headers().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
    let genuine = endpoint.verifier.verify(headers(), &body, SystemTime::now());
    let mut received = endpoint.received.lock().unwrap_or_else(PoisonError::into_inner);
    received.requests += 1;
    match genuine {
        Ok(()) => {
            received.verified += 1;
            let status = endpoint.manner.answer(header("webhook-id"), header(EVENT_HEADER), &mut received);
            HttpResponse::build(status).finish()
        }
        Err(error) => {
            received.bad_signatures += 1;
            HttpResponse::Unauthorized().body(error.code())
        }
    }
}

impl Endpoint {
    fn new(name: &'static str, manner: Manner) -> Result<Self, Box<dyn Error>> {
        // Sender and receiver agree on a secret; here for this run only.
        let secret = Secret::new(Uuid::new_v4().to_string())?;
        let verifier = Verifier::new(Scheme::Standard, std::slice::from_ref(&secret))?;
        let received = Received { manner: manner.as_str(), ..Received::default() };
        Ok(Self { name, secret, manner, verifier, received: Arc::new(Mutex::new(received)) })
    }

    pub(crate) fn is_down_at_first(&self) -> bool {
        matches!(self.manner, Manner::Gone)
    }

    fn received(&self) -> Received {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Manner {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "takes everything",
            Self::Flaky { .. } => {
                "answers 503 to half of the requests, and has taken half of these all the same"
            }
            Self::Gone => "is down at first, and wants no stars: it answers 422 to them",
        }
    }

    fn answer(self, id: &str, event: &str, received: &mut Received) -> StatusCode {
        let (take, status) = match self {
            Self::Steady => (true, StatusCode::NO_CONTENT),
            Self::Flaky { seed } => {
                let attempt = received.attempts.entry(id.to_owned()).or_default();
                *attempt += 1;
                // Of the id and the attempt, so that it does not matter in which order requests come.
                let mut hasher = DefaultHasher::new();
                (seed, id, *attempt).hash(&mut hasher);
                match hasher.finish() % 4 {
                    0 => (false, StatusCode::SERVICE_UNAVAILABLE),
                    1 => (true, StatusCode::SERVICE_UNAVAILABLE),
                    _ => (true, StatusCode::NO_CONTENT),
                }
            }
            Self::Gone if received.requests <= DOWN_FOR => (false, StatusCode::SERVICE_UNAVAILABLE),
            Self::Gone if event == REFUSED => (false, StatusCode::UNPROCESSABLE_ENTITY),
            Self::Gone => (true, StatusCode::NO_CONTENT),
        };
        if take && !received.taken.insert(id.to_owned()) {
            received.duplicates += 1;
        }
        status
    }
}
