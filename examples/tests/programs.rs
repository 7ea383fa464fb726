//! What each small example prints.

mod support;

#[cfg(feature = "postgres")]
use std::io::Write as _;

use support::{run, stdout_of, text};

#[test]
fn quickstart() {
    assert_eq!(
        stdout_of(env!("CARGO_BIN_EXE_quickstart"), &[]),
        "success: [\"billing.commands.invoice-7\"]\n"
    );
}

#[test]
fn quickstart_is_short() {
    let lines = include_str!("../src/bin/quickstart.rs").lines().count();
    assert!(lines <= 30, "{lines}");
}

#[test]
fn actor_dispatcher() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_actor_dispatcher"), &[]));
}

#[test]
fn fan_out() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_fan_out"), &[]));
}

#[test]
fn supervised() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_supervised"), &[]));
}

#[test]
fn supervised_tree() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_supervised_tree"), &[]));
}

#[test]
fn reload() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_reload"), &[]));
}

#[test]
fn explain() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_explain"), &[]));
}

#[test]
fn metrics() {
    let text = stdout_of(env!("CARGO_BIN_EXE_metrics"), &[]);
    for line in [
        "4 dispatches, 50 % successful",
        "last error of charge: CardDeclined: the bank said no",
        "dispatch_dispatches_total{engine=\"shop\",status=\"success\"} 2",
        "dispatch_dispatches_total{engine=\"shop\",status=\"no_dispatcher\"} 1",
        "dispatch_dispatcher_executions_total{engine=\"shop\",dispatcher=\"charge\",outcome=\"error\"} 1",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn custom_adapter() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_custom_adapter"), &[]));
}

#[test]
fn background_mails() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_background_mails"), &[]));
}

/// The same on a server, by one line. The schema stays there: `DROP SCHEMA dispatch_example_mails CASCADE` after a run that
/// was ended in the middle.
#[cfg(feature = "postgres")]
#[test]
fn background_mails_on_postgres() {
    let Some(url) = std::env::var("DISPATCH_POSTGRES_URL").ok().filter(|url| !url.is_empty()) else {
        let required = std::env::var("DISPATCH_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        assert!(!required, "DISPATCH_POSTGRES_URL is not set: give the URL of a server");
        writeln!(std::io::stderr(), "background_mails_on_postgres skipped: set DISPATCH_POSTGRES_URL to run")
            .unwrap();
        return;
    };
    let store =
        format!("type = 'postgres', url = '{url}', schema = 'dispatch_example_mails', migrate = true");
    insta::assert_snapshot!("background_mails", stdout_of(env!("CARGO_BIN_EXE_background_mails"), &[&store]));
}

#[test]
fn multi_target() {
    let text = stdout_of(env!("CARGO_BIN_EXE_multi_target"), &[]);
    insta::with_settings!({filters => vec![
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[time]"),
        (r"[0-9a-f-]{36}", "[id]"),
    ]}, {
        insta::assert_snapshot!(text);
    });
}

#[test]
fn axum_server() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_axum_server"), &[]));
}

#[test]
fn actix_web_server() {
    insta::assert_snapshot!(stdout_of(env!("CARGO_BIN_EXE_actix_web_server"), &[]));
}

#[test]
fn a_server_that_cannot_bind_says_why() {
    for program in [env!("CARGO_BIN_EXE_axum_server"), env!("CARGO_BIN_EXE_actix_web_server")] {
        let output = run(program, &["--serve", "not an address"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).starts_with("Error: "), "{output:?}");
    }
}
