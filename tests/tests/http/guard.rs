//! Requests stay away from what is not public.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use dispatch_adapters::http::{
    AddressGuard, GuardRefusal, Http, HttpError, HttpOptions, HttpPool, PoolOptions, Resolver,
};
use dispatch_core::{Adapter, DeliveryError, DeliveryErrorKind};

use super::server::Server;
use super::{LONG, cause, order, problems};

/// Answers each question with the next of these, the last one again and again.
struct Names {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Names {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Ok(self.answers[turn].iter().map(|text| text.parse().unwrap()).collect())
    }
}

fn guarded(url: String, guard: AddressGuard, names: Arc<Names>) -> Http {
    let pool = PoolOptions { guard: Some(guard), ..PoolOptions::default() };
    Http::new(HttpOptions::new(url).with_timeout(LONG)).in_pool(&HttpPool::with_resolver(pool, names))
}

fn refusal(error: &DeliveryError) -> &GuardRefusal {
    assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    match cause(error) {
        HttpError::Guarded { refusal, .. } => refusal,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_address_in_the_url_is_refused_in_every_spelling() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "10.0.0.1",
        "169.254.169.254",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fd00::1]",
        "[fe80::1]",
    ] {
        let http = guarded(format!("http://{host}:1/"), AddressGuard::on(), Names::new(&[&[]]));
        let text = problems(&http);
        assert!(text.contains("is not a public address"), "{host}: {text}");
        assert_eq!(http.deliver(&order()).await.unwrap_err().kind(), DeliveryErrorKind::Permanent);
    }
    let public = guarded("http://8.8.8.8/".to_owned(), AddressGuard::on(), Names::new(&[&[]]));
    assert!(public.validate().is_ok());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nothing_is_sent() {
    let server = Server::writing("HTTP/1.1 204 No Content\r\n\r\n").await;
    for inside in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
        let url = format!("http://hooks.example:{}/?key=s3cret", server.port);
        let http = guarded(url, AddressGuard::on(), Names::new(&[&[inside]]));
        let error = http.deliver(&order()).await.unwrap_err();
        let GuardRefusal::Name { host, .. } = refusal(&error) else { panic!("{error}") };
        assert_eq!(host, "hooks.example");
        assert!(!error.message().contains("s3cret"), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_name_of_this_machine_is_refused() {
    let server = Server::writing("HTTP/1.1 204 No Content\r\n\r\n").await;
    let pool = PoolOptions { guard: Some(AddressGuard::on()), ..PoolOptions::default() };
    let url = format!("http://localhost:{}/", server.port);
    let error = Http::new(HttpOptions::new(url).with_pool(pool)).deliver(&order()).await.unwrap_err();
    refusal(&error);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_between_two_looks_gains_nothing() {
    let server = Server::writing("HTTP/1.1 204 No Content\r\n\r\n").await;
    // Allowed at the first look, inside at the second. There is no second look before the connection is made, so the
    // first delivery goes to the allowed address (where nobody listens) and the second is refused.
    let allowing = AddressGuard::on().allowing("127.0.0.2/32".parse().unwrap());
    let names = Names::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let url = format!("http://rebinding.example:{}/", server.port);
    let http = guarded(url, allowing, Arc::clone(&names));
    assert!(http.validate().is_ok());
    let first = http.deliver(&order()).await.unwrap_err();
    assert_eq!(first.kind(), DeliveryErrorKind::Retry, "{first}");
    assert_eq!(names.asked.load(Ordering::SeqCst), 1, "one look per connection");
    refusal(&http.deliver(&order()).await.unwrap_err());
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_ones_are_asked() {
    let server = Server::writing("HTTP/1.1 204 No Content\r\n\r\n").await;
    let url = format!("http://mixed.example:{}/", server.port);
    let allowing = AddressGuard::on().allowing("127.0.0.1/32".parse().unwrap());
    let http = guarded(url, allowing, Names::new(&[&["127.0.0.2", "::1", "127.0.0.1"]]));
    http.deliver(&order()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn without_a_guard_everything_may_be_asked() {
    let server = Server::writing("HTTP/1.1 204 No Content\r\n\r\n").await;
    Http::new(HttpOptions::new(server.url())).deliver(&order()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_name_that_leads_nowhere_may_be_tried_again() {
    let http = guarded("http://nowhere.example/".to_owned(), AddressGuard::on(), Names::new(&[&[]]));
    let error = http.deliver(&order()).await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Retry, "{error}");
}
