//! What the main program reads: standard input, huge lines, files that are not there.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::io::Write;

use serde_json::{Value, json};
use support::{EVENTS, JOB, assert_adds_up, run, run_with_stdin, scratch, text};

fn piped(args: &[&str], feed: impl FnOnce(&mut dyn Write) + Send) -> (Value, String) {
    let output = run_with_stdin(&[&["--input", "-", "--json"], args].concat(), feed);
    assert!(output.status.success(), "{output:?}");
    let figures = serde_json::from_slice(&output.stdout).unwrap();
    assert_adds_up(&figures);
    (figures, text(&output.stderr))
}

#[test]
fn standard_input_is_read_like_a_file() {
    let from_file = support::figures(&["--input", EVENTS]);
    let (piped, errors) = piped(&[], |stdin| stdin.write_all(&std::fs::read(EVENTS).unwrap()).unwrap());
    for name in ["read", "by_status", "by_dispatcher", "outputs", "unreadable_lines"] {
        assert_eq!(piped[name], from_file[name], "{name}");
    }
    assert!(errors.starts_with("line 4: not UTF-8: invalid byte at column 69\n"), "{errors}");
}

#[test]
fn a_line_of_100_mb_is_counted_and_not_held() {
    let (figures, errors) = piped(&[], |stdin| {
        stdin.write_all(b"{\"event\":\"push\"}\n{\"event\":\"").unwrap();
        let part = vec![b'x'; 1_000_000];
        for _ in 0..100 {
            stdin.write_all(&part).unwrap();
        }
        stdin.write_all(b"\"}\n{\"event\":\"ping\"}\n").unwrap();
    });
    assert_eq!((&figures["dispatched"], &figures["unreadable"]), (&json!(2), &json!(1)));
    assert_eq!(figures["unreadable_lines"][0]["line"], 2);
    assert_eq!(
        errors,
        "line 2: 100000012 bytes are too long for a line; raise --max-line if that is right\n"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn memory_stays_bounded_on_a_long_input() {
    use std::process::{Command, Stdio};

    let mut child = Command::new(JOB)
        .args(["--input", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let line = format!("{{\"event\":\"push\",\"payload\":{{\"text\":\"{}\"}}}}\n", "x".repeat(100_000));
    for _ in 0..3000 {
        stdin.write_all(line.as_bytes()).unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    // 300 MB went through; 256 lines of 100 kB may be in flight.
    assert!(peak_kb < 150_000, "{peak_kb} kB");
}

#[test]
fn many_bad_lines_are_counted_and_some_listed() {
    let (figures, errors) = piped(&[], |stdin| stdin.write_all(&b"nonsense\n".repeat(1000)).unwrap());
    assert_eq!(figures["unreadable"], 1000);
    assert_eq!(errors.lines().count(), 21);
    assert!(errors.ends_with("and 980 more lines that cannot be read\n"), "{errors}");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
    let (figures, _) = piped(&[], |stdin| {
        stdin.write_all(b"\xef\xbb\xbf{\"event\":\"ping\"}\r\n\r\n{\"event\":\"push\"}\r\n").unwrap();
    });
    assert_eq!((&figures["read"], &figures["dispatched"]), (&json!(2), &json!(2)));
}

#[test]
fn an_input_that_is_not_there_is_named() {
    let missing = scratch("missing.ndjson");
    let output = run(JOB, &["--input", missing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(errors.starts_with("error: cannot read '") && errors.contains("give --input a file"), "{errors}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_directory_is_no_input() {
    let output = run(JOB, &["--input", env!("CARGO_MANIFEST_DIR")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is a directory"), "{output:?}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for args in [&["--events", "many"][..], &["--no-such-option"], &["stray"]] {
        assert_eq!(run(JOB, args).status.code(), Some(2), "{args:?}");
    }
}
