//! What the main program writes: the summary, results, and errors when it cannot.

mod support;

use std::process::{Command, Stdio};

use serde_json::Value;
use support::{EVENTS, JOB, figures, run, scratch, stdout_of, text};

#[test]
fn the_summary_reads_well() {
    let summary = stdout_of(JOB, &["--input", EVENTS]);
    insta::with_settings!({filters => vec![
        (r"(?m)^ +(<= \S+ \S+|more) .*\n", "[bar]\n"),
        (r"(\[bar\]\n)+", "[bars]\n"),
        (r" +[\d.]+ (µs|ms|s)\b", " [time]"),
        (r"[\d,]+ a second", "[rate] a second"),
    ]}, {
        insta::assert_snapshot!(summary);
    });
    assert!(!summary.contains('\x1b'), "no colours where there is no terminal");
}

#[test]
fn every_result_is_written() {
    let out = scratch("results.ndjson");
    let figures = figures(&["--events", "500", "--out", out.to_str().unwrap()]);
    let results: Vec<Value> = std::fs::read_to_string(&out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(results.len() as u64, figures["metrics"]["total_dispatches"].as_u64().unwrap());
    let failed = results.iter().filter(|result| result["status"] == "dispatcher_error").count() as u64;
    assert_eq!(failed, figures["metrics"]["status_metrics"]["dispatcher_error"].as_u64().unwrap());
    let outputs: usize = results.iter().map(|result| result["outputs"].as_array().unwrap().len()).sum();
    assert_eq!(outputs as u64, figures["outputs"].as_u64().unwrap());
}

#[test]
fn results_carry_the_delivery_as_correlation() {
    let out = scratch("correlated.ndjson");
    figures(&["--input", EVENTS, "--out", out.to_str().unwrap()]);
    let text = std::fs::read_to_string(&out).unwrap();
    // The pull request, and the notification that it led to.
    let same = text
        .lines()
        .filter(|line| line.contains("\"correlation_id\":\"0d8e5b1c-7a34-5d1f-9a58-6f1a7f6f0002\""));
    assert_eq!(same.count(), 2);
}

#[test]
fn results_that_cannot_be_written_are_an_error_at_once() {
    let output = run(JOB, &["--out", "/no/such/directory/results.ndjson"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: cannot write '/no/such/"), "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let output = run(JOB, &["--out", "/dev/full"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: writing results to '/dev/full' failed"), "{output:?}");
}

#[test]
fn the_input_is_not_written_over() {
    let file = scratch("both.ndjson");
    std::fs::copy(EVENTS, &file).unwrap();
    let path = file.to_str().unwrap();
    let output = run(JOB, &["--input", path, "--out", path]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(EVENTS).unwrap());
}

#[test]
fn a_closed_standard_output_is_said() {
    let mut child = Command::new(JOB)
        .args(["--events", "10"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("standard output was closed"), "{output:?}");
}

#[test]
fn help_explains_the_figures() {
    let help = stdout_of(JOB, &["--help"]);
    for part in [
        "FIGURES",
        "read                                = dispatched + refused + unreadable",
        "EXIT CODE",
        "TOPICS",
    ] {
        assert!(help.contains(part), "{part}");
    }
}
