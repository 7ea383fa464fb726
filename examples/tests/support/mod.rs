//! Running the programs.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is only used by tests")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The main program.
pub(crate) const JOB: &str = env!("CARGO_BIN_EXE_dispatch-examples");

/// A committed input: 13 lines that are not empty, of which 7 are events.
pub(crate) const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/events.ndjson");

/// Runs a program to its end.
pub(crate) fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs the job with something on standard input.
pub(crate) fn run_with_stdin(args: &[&str], feed: impl FnOnce(&mut dyn Write) + Send) -> Output {
    let mut child = Command::new(JOB)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || feed(&mut stdin));
        child.wait_with_output().unwrap()
    })
}

/// What a program that succeeds prints.
pub(crate) fn stdout_of(program: &str, args: &[&str]) -> String {
    let output = run(program, args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs the job with `--json`, checks that its figures add up and returns them.
pub(crate) fn figures(args: &[&str]) -> Value {
    let figures = serde_json::from_str(&stdout_of(JOB, &[args, &["--json"]].concat())).unwrap();
    assert_adds_up(&figures);
    figures
}

/// A file that is not there yet, in the directory that Cargo gives to tests.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It is there only if an earlier run left it.
    let _ = std::fs::remove_file(&path);
    path
}

fn sum(object: &Value) -> u64 {
    object.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Every relation that `--help` promises.
pub(crate) fn assert_adds_up(figures: &Value) {
    let n = |name: &str| {
        figures.pointer(&format!("/{name}")).and_then(Value::as_u64).unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(n("read"), n("dispatched") + n("refused") + n("unreadable"));
    assert_eq!(sum(&figures["by_status"]), n("dispatched"));
    assert_eq!(sum(&figures["led_to_by_status"]), n("led_to"));
    assert_eq!(n("outputs"), n("led_to") + n("metrics/unpublishable_count") + n("unpublished"));
    assert_eq!(n("dispatched") + n("led_to"), n("metrics/total_dispatches"));
    assert_eq!(sum(&figures["latency"]["histogram"]), n("metrics/total_dispatches"));
    assert_eq!(sum(&figures["metrics"]["latency_histogram"]), n("metrics/total_dispatches"));
    for status in figures["by_status"].as_object().unwrap().keys() {
        assert_eq!(
            n(&format!("by_status/{status}")) + n(&format!("led_to_by_status/{status}")),
            n(&format!("metrics/status_metrics/{status}")),
            "{status}"
        );
    }
    let mut executions = 0;
    for id in figures["by_dispatcher"].as_object().unwrap().keys() {
        let of = |name: &str| n(&format!("by_dispatcher/{id}/{name}"));
        let engine = |name: &str| n(&format!("metrics/dispatcher_metrics/{id}/{name}"));
        assert_eq!(of("executions"), of("successes") + of("errors") + of("timeouts"), "{id}");
        assert_eq!(of("executions"), engine("execution_count"), "{id}");
        assert_eq!(of("errors"), engine("error_count"), "{id}");
        assert_eq!(of("timeouts"), engine("timeout_count"), "{id}");
        executions += of("executions");
    }
    assert_eq!(executions, n("metrics/dispatcher_execution_count"));
    let listed = figures["unreadable_lines"].as_array().unwrap().len() as u64;
    assert_eq!(listed, n("unreadable").min(20));
}
