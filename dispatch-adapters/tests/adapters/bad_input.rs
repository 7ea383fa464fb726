//! What is wrong is named, all of it at once, and nothing is sent.

use std::fmt::Write as _;

use dispatch_adapters::Targets;
use dispatch_adapters::config::AdapterRegistry;
use tokio::net::TcpListener;

/// So many targets with these options, which may hold `{n}`.
fn many(count: usize, options: &str) -> String {
    (0..count).fold(String::new(), |mut text, n| {
        writeln!(text, "[[targets]]\nname = 't{n}'\n{}", options.replace("{n}", &n.to_string())).unwrap();
        text
    })
}

#[tokio::test]
async fn a_thousand_targets_say_everything_that_is_wrong_with_them_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("type = 'http'\nurl = 'http://127.0.0.1:{port}/'");
    let options = r#"
        methd = "PUT"
        compression = 7
        max_bytes = 0
        batch_concurrency = 0
        secret_headers = { "x-key" = "env:DISPATCH_NO_SUCH_{n}" }
        headers = { "x-a" = "1\r\nx-b: hunter2" }
    "#;
    let text = many(1_000, &format!("{url}{options}"));
    let error = AdapterRegistry::with_built_in().read_toml(&text).unwrap_err();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert!(problems.is_sorted(), "they are sorted");
    assert!(!problems.iter().any(|problem| problem.contains("hunter2")), "no value is shown");
    let one: Vec<_> = problems.iter().filter(|problem| problem.contains("'t7'")).cloned().collect();
    insta::assert_snapshot!(one.join("\n"), @r#"
    INVALID_CONFIGURATION: target 't7': option 'methd' is unknown: did you mean 'method'?
    INVALID_PARAMETER: target 't7': batch_concurrency is 0: give at least 1
    INVALID_PARAMETER: target 't7': header "x-a" holds a line break or another control character: remove it
    INVALID_PARAMETER: target 't7': header "x-key" has no value: environment variable 'DISPATCH_NO_SUCH_7' is not set: set it for this process, or name another one
    INVALID_PARAMETER: target 't7': max_bytes is 0: use 1 to 1073741824
    INVALID_PARAMETER: target 't7': option 'compression': use one of none, gzip
    "#);
    assert_eq!(problems.len(), 1_000 * one.len());
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(20), listener.accept()).await;
    assert!(quiet.is_err(), "nothing is sent");
}

#[tokio::test]
async fn a_thousand_targets_are_read_and_started_and_one_more_is_refused() {
    let registry = AdapterRegistry::with_built_in();
    let refused = registry.read_toml(&many(1_001, "type = 'noop'\nmax_in_flight = 2_000_000")).unwrap_err();
    assert_eq!(refused.problems().len(), 1 + 1_001, "with everything else");
    assert!(refused.to_string().contains("1001 targets: use 1 to 1000"), "{refused}");
    let twice = registry.read_toml("targets = [{ type = 'noop' }, { type = 'noop' }]").unwrap_err();
    assert!(twice.to_string().contains("target 'noop' is listed twice: give each target a name"), "{twice}");
    let ready = registry.read_toml(&many(1_000, "type = 'noop'")).unwrap();
    assert!(Targets::start(&ready).is_ok());
}
