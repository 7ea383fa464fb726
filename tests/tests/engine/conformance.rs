//! The runner of conformance cases itself.

use std::path::Path;
use std::process::Command;

use dispatch_tests::conformance::{Report, run_text};

fn report(cases: &str) -> (String, bool) {
    let mut out = Vec::new();
    let mut report = Report::new(&mut out);
    run_text("cases.jsonl", cases, &mut report).unwrap();
    let passed = report.finish().unwrap();
    (String::from_utf8(out).unwrap(), passed)
}

#[test]
fn a_case_passes_or_is_named_with_both_values() {
    let (text, passed) = report(concat!(
        r#"{"id": "a", "kind": "topic_valid", "input": {"topic": "x"}, "expected": true}"#,
        "\n\n",
        r#"{"id": "b", "kind": "topic_category", "input": {"topic": "x.events"}, "expected": "intent"}"#,
    ));
    assert_eq!(text, "FAIL b: expected \"intent\" got \"event\"\n1 passed, 1 failed\n");
    assert!(!passed);
}

#[test]
fn an_unknown_kind_and_a_line_that_is_no_case_are_named() {
    let (text, passed) = report(
        "{\"id\": \"a\", \"kind\": \"tarot\", \"input\": {}, \"expected\": 1}\nnonsense\n{\"id\": \"b\"}",
    );
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "FAIL a: expected 1 got unknown kind 'tarot'");
    assert!(lines[1].starts_with("FAIL cases.jsonl:2: not a case: "), "{text}");
    assert!(lines[2].starts_with("FAIL cases.jsonl:3: not a case: missing field"), "{text}");
    assert_eq!(lines[3], "0 passed, 3 failed");
    assert!(!passed);
}

#[test]
fn an_input_that_cannot_be_used_fails_its_case_alone() {
    let (text, _) = report(concat!(
        r#"{"id": "a", "kind": "shape", "input": {"category": "event", "node_kind": "king"}, "expected": true}"#,
        "\n",
        r#"{"id": "b", "kind": "shape", "input": {"category": "event", "node_kind": "compute"}, "expected": true}"#,
    ));
    assert!(
        text.starts_with("FAIL a: expected true got an input that cannot be used: unknown variant `king`")
    );
    assert!(text.ends_with("1 passed, 1 failed\n"), "{text}");
}

#[test]
fn a_blocked_thread_does_not_hold_up_the_run() {
    let (text, passed) = report(concat!(
        r#"{"id": "a", "kind": "dispatch", "input": {"dispatchers": [{"id": "d", "mode": "blocking", "#,
        r#""behavior": {"sleep_ms": 600000}}], "routes": [{"route_id": "r", "dispatcher_id": "d"}], "#,
        r#""dispatches": [{"topic": "a.events"}], "timeout_ms": 30}, "#,
        r#""expected": {"results": [{"status": "timeout"}], "metrics": {"timeout_count": 1}}}"#,
    ));
    assert!(passed, "{text}");
}

/// The standard output and exit code of the program, run on files of these contents.
fn run(name: &str, files: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    for (n, cases) in files.iter().enumerate() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{n}.jsonl"));
        std::fs::write(&path, cases).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn the_exit_code_says_whether_everything_passed() {
    let good =
        r#"{"id": "a", "kind": "status", "input": {"status": "skipped"}, "expected": {"is_error": false}}"#;
    let bad =
        r#"{"id": "b", "kind": "status", "input": {"status": "skipped"}, "expected": {"is_error": true}}"#;
    assert_eq!(run("good", &[good, good]), ("2 passed, 0 failed\n".to_owned(), 0));
    let (text, code) = run("bad", &[good, bad]);
    assert!(text.starts_with("FAIL b: expected {\"is_error\":true} got {"), "{text}");
    assert!(text.ends_with("\n1 passed, 1 failed\n"), "{text}");
    assert_eq!(code, 1);
    assert_eq!(run("unknown", &[r#"{"id": "c", "kind": "x", "input": 1, "expected": 1}"#]).1, 1);
    assert_eq!(run("none", &[]), (String::new(), 2));
}
