//! The program `order_pipeline`: it is killed, and loses nothing.
#![allow(clippy::unwrap_used, reason = "it is only tests")]

mod support;

use serde_json::{Value, json};
use support::{EVENTS, run, stdout_of, text};

const PIPELINE: &str = env!("CARGO_BIN_EXE_order_pipeline");

fn report(args: &[&str]) -> Value {
    serde_json::from_str(&stdout_of(PIPELINE, &[args, &["--json"]].concat())).unwrap()
}

/// Every relation that the figures have, however often the pipeline was killed.
fn assert_adds_up(report: &Value) {
    let n = |value: &Value| value.as_u64().unwrap();
    assert_eq!(report["problems"], json!([]), "{report}");
    assert_eq!(n(&report["runs"]), n(&report["kills"]) + 1);
    assert_eq!(n(&report["records"]), n(&report["events"]) + n(&report["published_again"]));
    let rows = report["subscriptions"].as_array().unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["exclusive", "shared", "key_shared"]);
    for row in rows {
        assert_eq!(n(&row["handled"]), n(&report["records"]), "{row}");
        assert_eq!(n(&row["deliveries"]), n(&row["handled"]) + n(&row["duplicates"]), "{row}");
        assert_eq!((&row["lost"], &row["out_of_order"], &row["lag"]), (&json!(0), &json!(0), &json!(0)));
    }
}

#[test]
fn nothing_is_lost_however_often_the_pipeline_is_killed() {
    let report = report(&["--events", "600", "--kills", "5"]);
    assert_adds_up(&report);
    assert_eq!((&report["events"], &report["kills"]), (&json!(600), &json!(5)));
}

#[test]
fn a_pipeline_that_is_not_killed_handles_every_order_once() {
    let report = report(&["--events", "200", "--kills", "0"]);
    assert_adds_up(&report);
    assert_eq!(report["records"], 200);
    for row in report["subscriptions"].as_array().unwrap() {
        assert_eq!(row["duplicates"], 0, "{row}");
    }
}

#[test]
fn the_summary_reads_well() {
    let summary = stdout_of(PIPELINE, &["--events", "200", "--kills", "0"]);
    insta::with_settings!({filters => vec![(r", in [\d.]+ (ms|s):", ", in [time]:")]}, {
        insta::assert_snapshot!(summary);
    });
}

#[test]
fn events_are_read_from_a_file_and_lag_is_printed_meanwhile() {
    let output = run(PIPELINE, &["--input", EVENTS, "--kills", "1", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_adds_up(&report);
    assert_eq!((&report["events"], &report["unreadable"]), (&json!(7), &json!(6)));
    let said = text(&output.stderr);
    // Of so few orders the first run may be over before anybody has looked.
    assert!(said.contains(", behind: billing "), "{said}");
}

#[test]
fn a_folder_that_holds_something_is_refused_and_left_alone() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let output = run(PIPELINE, &["--dir", folder]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not empty: give an empty folder"), "{output:?}");
}
