//! Options from configurations, and what is wrong with them.

use dispatch_adapters::http::{CloudEventsMode, Compression, Http, HttpOptions};
use dispatch_core::Adapter;

use super::problems;

/// As TOML would give it.
fn read(json: &str) -> Result<HttpOptions, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn a_configuration_says_it_all() {
    let options = read(
        r#"{
            "url": "https://h.example/", "method": "PUT", "headers": {"x-a": "1"},
            "secret_headers": {"authorization": "env:CARGO_PKG_NAME"}, "timeout_ms": 2500,
            "cloud_events": "binary", "compression": "gzip",
            "pool": {"name": "p", "size": 3, "checkout_timeout_ms": 100, "idle_timeout_ms": 1000,
                     "connect_timeout_ms": 200, "proxy": "never", "guard": {"allow": ["10.0.0.0/8"]}}
        }"#,
    )
    .unwrap();
    assert_eq!((options.mode, options.compression), (CloudEventsMode::Binary, Compression::Gzip));
    assert!(options.pool.guard.as_ref().unwrap().enabled);
    let written = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::to_string(&read(&written).unwrap()).unwrap(), written);
    assert!(Http::new(options).validate().is_ok());
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let options = read(r#"{"url": "http://h.example/"}"#).unwrap();
    insta::assert_json_snapshot!(options, @r#"
    {
      "url": "http://h.example/",
      "method": "POST",
      "headers": {},
      "secret_headers": {},
      "timeout_ms": 5000,
      "cloud_events": "structured",
      "max_bytes": 1048576,
      "compression": "none",
      "batch_concurrency": 1,
      "pool": {
        "name": "http",
        "size": 10,
        "checkout_timeout_ms": 5000,
        "idle_timeout_ms": 90000,
        "connect_timeout_ms": 5000,
        "system_roots": true,
        "roots": [],
        "proxy": "environment",
        "guard": null
      },
      "shared_pool": null
    }
    "#);
}

#[test]
fn what_is_unknown_or_plain_is_refused() {
    for (text, word) in [
        (r#"{"ulr": "x"}"#, "ulr"),
        (r#"{"pool": {"verify": false}}"#, "verify"),
        (r#"{"secret_headers": {"authorization": "hunter2"}}"#, "env:NAME or file:PATH"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(word) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let options = read(
        r#"{
            "url": "ftp://h.example/s3cret", "method": "GE T", "headers": {"a b": "1", "Authorization": "1"},
            "secret_headers": {"authorization": "env:DISPATCH_NO_SUCH", "x-b": "file:/no/such"},
            "timeout_ms": 60001, "batch_concurrency": 0,
            "pool": {"size": 0, "checkout_timeout_ms": 0, "connect_timeout_ms": 0}, "shared_pool": "p"
        }"#,
    )
    .unwrap();
    insta::assert_snapshot!(problems(&Http::new(options)), @r#"
    INVALID_PARAMETER: batch_concurrency is 0: give at least 1
    INVALID_PARAMETER: header "a b" is not the name of a header: use letters, digits and hyphens
    INVALID_PARAMETER: header "authorization" has no value: environment variable 'DISPATCH_NO_SUCH' is not set: set it for this process, or name another one
    INVALID_PARAMETER: header "x-b" has no value: cannot read '/no/such': No such file or directory (os error 2); check that it exists and that this process may read it
    INVALID_PARAMETER: method "GE T" cannot be used: use POST, PUT or PATCH
    INVALID_PARAMETER: pool 'http': checkout_timeout is 0ns: use 1 ms to 60 s
    INVALID_PARAMETER: pool 'http': connect_timeout is 0ns: use 1 ms to 60 s
    INVALID_PARAMETER: pool 'http': size is 0: give at least 1
    INVALID_PARAMETER: timeout is 60.001s: use 1 ms to 60 s
    INVALID_PARAMETER: url has the scheme 'ftp': use http or https
    ITEM_NOT_REGISTERED: shared_pool is 'p': hand over the pool of that name with in_pool()
    "#);
}

#[test]
fn a_header_whose_value_was_hidden_is_not_sent() {
    let written =
        serde_json::to_string(&HttpOptions::new("https://h.example/?k=1").with_header("x-a", "1")).unwrap();
    assert!(written.contains(r#""url":"https://h.example/""#), "{written}");
    let text = problems(&Http::new(read(&written).unwrap()));
    assert!(
        text.ends_with("header \"x-a\" has its value hidden, as options are written out: give the value"),
        "{text}"
    );
}

#[test]
fn a_url_can_be_a_secret() {
    let http = Http::new(HttpOptions::new("env:DISPATCH_NO_SUCH_URL"));
    assert!(problems(&http).contains("url: environment variable 'DISPATCH_NO_SUCH_URL' is not set"));
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("hook-url");
    std::fs::write(&path, "https://hooks.example/T0/s3cret\n").unwrap();
    let http = Http::new(HttpOptions::new(format!("file:{}", path.display())));
    assert_eq!(&*http.labels().destination, "https://hooks.example");
}

#[tokio::test]
async fn an_error_that_would_be_hidden_leaves_out_what_hides_it() {
    let options = HttpOptions::new("http://h.example/").with_header("authorization", "a\nb");
    let error = Http::new(options).deliver(&super::order()).await.unwrap_err();
    assert_eq!(error.message(), "the options are not valid; validate() lists every problem");
    let error = super::refused("http://127.0.0.1:1/oauth/token").await;
    assert!(error.message().starts_with("cannot connect to http://127.0.0.1:1: "), "{error}");
}
