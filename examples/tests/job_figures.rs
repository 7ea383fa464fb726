//! The figures of the main program: they add up, and the same seed gives the same.

mod support;

use serde_json::json;
use support::{EVENTS, JOB, figures, stdout_of};

#[test]
fn figures_add_up_and_every_dispatcher_had_work() {
    let figures = figures(&["--events", "2000"]);
    assert_eq!((&figures["read"], &figures["dispatched"]), (&json!(2000), &json!(2000)));
    assert_eq!(figures["interrupted"], false);
    for (id, own) in figures["by_dispatcher"].as_object().unwrap() {
        assert!(own["executions"].as_u64().unwrap() > 0, "{id}");
    }
    assert_eq!(figures["by_dispatcher"].as_object().unwrap().len(), 5);
    assert!(figures["by_status"]["dispatcher_error"].as_u64().unwrap() > 0);
    assert!(figures["led_to"].as_u64().unwrap() > 0);
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let known = |seed: &str| {
        let figures = figures(&["--events", "3000", "--seed", seed]);
        ["by_status", "by_dispatcher", "outputs", "led_to_by_status", "archived_bytes"]
            .map(|name| figures[name].clone())
    };
    assert_eq!(known("7"), known("7"));
    assert_ne!(known("7"), known("8"));
}

#[test]
fn the_defaults_are_ten_thousand_events_of_seed_42() {
    let known = |args: &[&str]| figures(args)["by_dispatcher"].clone();
    assert_eq!(known(&[]), known(&["--events", "10000", "--seed", "42"]));
}

#[test]
fn nothing_to_do_is_no_problem() {
    let figures = figures(&["--events", "0"]);
    assert_eq!((&figures["read"], &figures["latency"]["p50_ms"]), (&json!(0), &json!(null)));
    assert!(stdout_of(JOB, &["--events", "0"]).starts_with("0 read = 0 dispatched + 0 unreadable\n"));
}

#[test]
fn a_file_with_bad_lines_is_read_to_its_end() {
    let figures = figures(&["--input", EVENTS]);
    insta::assert_json_snapshot!(json!({
        "read": figures["read"],
        "dispatched": figures["dispatched"],
        "unreadable": figures["unreadable"],
        "unreadable_lines": figures["unreadable_lines"],
        "outputs": figures["outputs"],
        "errors": [figures["by_dispatcher"]["guard"]["errors"], figures["by_dispatcher"]["review"]["errors"]],
    }));
}

#[test]
fn a_number_of_events_limits_what_is_read() {
    let figures = figures(&["--input", EVENTS, "--events", "3"]);
    assert_eq!(
        (&figures["read"], &figures["dispatched"], &figures["unreadable"]),
        (&json!(3), &json!(2), &json!(1))
    );
}
