//! Ctrl-C: the main program stops reading, finishes what is in flight and says so.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{JOB, assert_adds_up, scratch, text};

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn stopped_by(name: &str) -> (Option<i32>, Value, String) {
    let out = scratch(&format!("stopped-by-{name}.ndjson"));
    let mut child = Command::new(JOB)
        .args(["--input", "-", "--json", "--out"])
        .arg(&out)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&b"{\"event\":\"ping\"}\n".repeat(50)).unwrap();
    let begun = Instant::now();
    // Results reach the file while the input is still open.
    while std::fs::read_to_string(&out).map_or(0, |text| text.lines().count()) < 50 {
        assert!(begun.elapsed() < Duration::from_secs(30), "what has come in is dispatched at once");
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, name);
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let figures = serde_json::from_slice(&output.stdout).unwrap();
    assert_adds_up(&figures);
    (output.status.code(), figures, text(&output.stderr))
}

#[test]
fn an_interrupt_ends_the_job_with_a_summary() {
    let (code, figures, errors) = stopped_by("INT");
    assert_eq!(code, Some(130));
    assert_eq!((&figures["interrupted"], &figures["dispatched"]), (&json!(true), &json!(50)));
    assert!(errors.starts_with("interrupted: finishing what is in flight"), "{errors}");
}

#[test]
fn a_polite_request_to_end_does_too() {
    let (code, figures, _) = stopped_by("TERM");
    assert_eq!((code, &figures["abandoned"]), (Some(143), &json!(0)));
}
