//! Who goes through the proxy of the environment. That is read once in a process, so each has a process of its own.

use std::process::Command;

use dispatch_adapters::http::{AddressGuard, Http, HttpOptions, PoolOptions, ProxyUse};
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_core::Adapter;

use super::server::Server;
use super::webhook::secret;
use super::{LONG, order};

const ANSWER: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const WHO: &str = "DISPATCH_TEST_PROXY_WHO";
const URL: &str = "DISPATCH_TEST_PROXY_URL";

/// Delivers once, in a process whose environment names a proxy; how many connections the proxy and the destination had.
async fn deliver_as(who: &str) -> (usize, usize) {
    let (proxy, destination) = (Server::writing(ANSWER).await, Server::writing(ANSWER).await);
    let place = format!("http://127.0.0.1:{}", proxy.port);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "proxy::delivers_once_as_it_is_told", "--nocapture"]);
    child.env(WHO, who).env(URL, destination.url());
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        child.env(variable, &place).env(variable.to_lowercase(), &place);
    }
    for variable in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        child.env_remove(variable);
    }
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    (proxy.connections(), destination.connections())
}

/// What the process does; in the others it does nothing.
#[tokio::test]
async fn delivers_once_as_it_is_told() {
    let (Ok(who), Ok(url)) = (std::env::var(WHO), std::env::var(URL)) else { return };
    let guard = AddressGuard { allow: vec!["127.0.0.0/8".parse().unwrap()], ..AddressGuard::on() };
    let guarded = PoolOptions { guard: Some(guard), ..PoolOptions::default() };
    let http = HttpOptions::new(&*url).with_timeout(LONG);
    let hook = WebhookOptions::new(&*url, secret("s3cret")).with_timeout(LONG);
    let adapter: Box<dyn Adapter> = match &*who {
        "http" => Box::new(Http::new(http)),
        "http that never does" => Box::new(Http::new(
            http.with_pool(PoolOptions { proxy: ProxyUse::Never, ..PoolOptions::default() }),
        )),
        "guarded http" => Box::new(Http::new(http.with_pool(guarded))),
        _ => Box::new(Webhook::new(hook.with_pool(guarded))),
    };
    adapter.deliver(&order()).await.unwrap();
}

#[tokio::test]
async fn a_guard_goes_past_the_proxy_which_would_go_past_the_guard() {
    assert_eq!(deliver_as("http").await, (1, 0), "the proxy of the environment is used");
    for who in ["guarded webhook", "guarded http", "http that never does"] {
        assert_eq!(deliver_as(who).await, (0, 1), "{who}");
    }
}
