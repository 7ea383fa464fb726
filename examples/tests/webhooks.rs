//! The program `webhooks`: what it tells, and that it adds up.
#![allow(clippy::unwrap_used, reason = "it is only tests")]

mod support;

use serde_json::{Value, json};
use support::{EVENTS, run, stdout_of, text};

const WEBHOOKS: &str = env!("CARGO_BIN_EXE_webhooks");

fn report(args: &[&str]) -> Value {
    serde_json::from_str(&stdout_of(WEBHOOKS, &[args, &["--json"]].concat())).unwrap()
}

/// The figures that depend on nothing but the seed.
fn repeatable(report: &Value) -> Value {
    let names = ["name", "sent", "delivered", "dead_lettered", "bad_signatures", "taken", "duplicates"];
    let figures = report["endpoints"].as_array().unwrap().iter();
    figures.map(|row| names.map(|name| row[name].clone()).into_iter().collect::<Value>()).collect()
}

#[test]
fn the_summary_reads_well() {
    let summary = stdout_of(WEBHOOKS, &[]);
    insta::with_settings!({filters => vec![
        (r" in [\d.]+ (ms|s):", " in [time]:"),
        (r" +[\d.]+ (µs|ms|s) +[\d.]+ (µs|ms|s)\b", " [times]"),
        // How often the breaker opens, and what it holds, depends on the machine.
        (r"(?m)^(gone +500 +491 +9).*$", "$1 [figures]"),
        (r"(?m)^(gone +)(\d+) +(\d+) ", "$1[figures] "),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
    ]}, {
        insta::assert_snapshot!(summary);
    });
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let [one, same, other] =
        ["7", "7", "8"].map(|seed| repeatable(&report(&["--events", "100", "--seed", seed])));
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn an_endpoint_that_is_down_is_waited_for() {
    let report = report(&[]);
    let gone = &report["endpoints"][2];
    assert_eq!(gone["name"], "gone");
    assert!(gone["breaker_opened"].as_u64().unwrap() >= 1, "{gone}");
    assert!(gone["held"].as_u64().unwrap() >= 1, "{gone}");
    // Only what it refuses is given up: no outage makes a dead letter.
    let reasons =
        report["dead_letters"].as_array().unwrap().iter().filter(|reason| reason["endpoint"] == "gone");
    assert!(reasons.clone().count() > 0, "{report}");
    for reason in reasons {
        assert!(reason["last_error"].as_str().unwrap().ends_with("/hooks/gone answered 422"), "{reason}");
    }
    assert_eq!(report["problems"], json!([]));
}

#[test]
fn events_are_read_from_a_file() {
    let output = run(WEBHOOKS, &["--input", EVENTS, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["events"], &report["unreadable"]), (&json!(7), &json!(6)));
    assert_eq!(text(&output.stderr).lines().count(), 6);
}

#[test]
fn an_input_that_is_not_there_is_an_error() {
    let output = run(WEBHOOKS, &["--input", "/no/such/file"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: cannot read '/no/such/file'"), "{output:?}");
}
