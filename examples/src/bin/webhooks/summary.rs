//! The report for people.

use std::io::{self, Write};
use std::time::Duration;

use dispatch_examples::show::{Paint, number, time};

use crate::report::{Report, Row};

pub(crate) fn write(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{} GitHub events to {} endpoints in {}{}:",
        paint.bold(number(report.events)),
        report.endpoints.len(),
        duration(Some(report.elapsed_ms)),
        match report.unreadable {
            0 => String::new(),
            lines => format!("; {} lines could not be read", number(lines)),
        }
    )?;
    for Row { name, manner, .. } in &report.endpoints {
        writeln!(out, "  {name:7} {}", paint.dim(manner))?;
    }
    sender(report, paint, out)?;
    receiver(report, paint, out)?;
    dead_letters(report, paint, out)?;
    if report.adds_up() {
        let text = "It adds up: each event was delivered or is a dead letter, at every endpoint.";
        return writeln!(out, "\n{}", paint.good(text));
    }
    for problem in &report.problems {
        writeln!(out, "\n{}", paint.bad(problem))?;
    }
    Ok(())
}

fn sender(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let titles = format!(
        "{:9} {:>6} {:>9} {:>12} {:>8} {:>7} {:>6} {:>5} {:>8} {:>8}",
        "sent to",
        "events",
        "delivered",
        "dead letters",
        "attempts",
        "retries",
        "opened",
        "held",
        "p50",
        "p99"
    );
    writeln!(out, "\n{}", paint.bold(titles))?;
    for row in &report.endpoints {
        let dead = number(row.dead_lettered);
        writeln!(
            out,
            "{:9} {:>6} {:>9} {:>12} {:>8} {:>7} {:>6} {:>5} {:>8} {:>8}",
            row.name,
            number(row.sent),
            paint.good(number(row.delivered)),
            if row.dead_lettered == 0 { paint.dim(dead) } else { paint.bad(dead) },
            number(row.attempts),
            number(row.retries),
            number(row.breaker_opened),
            number(row.held),
            duration(row.p50_ms),
            duration(row.p99_ms),
        )?;
    }
    Ok(())
}

fn receiver(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let titles = format!(
        "{:9} {:>8} {:>8} {:>14} {:>6} {:>10}",
        "received", "requests", "verified", "bad signatures", "events", "duplicates"
    );
    writeln!(out, "\n{}", paint.bold(titles))?;
    for Row { name, requests, verified, bad_signatures, taken, duplicates, .. } in &report.endpoints {
        writeln!(
            out,
            "{name:9} {:>8} {:>8} {:>14} {:>6} {:>10}",
            number(*requests),
            number(*verified),
            number(*bad_signatures),
            number(*taken),
            number(*duplicates)
        )?;
    }
    Ok(())
}

fn dead_letters(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    if report.dead_letters.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", paint.bold("dead letters"))?;
    for reason in &report.dead_letters {
        let tried =
            if reason.attempts == 1 { "once".to_owned() } else { format!("{} times", reason.attempts) };
        writeln!(
            out,
            "{:>5} {:9} tried {tried}: {}",
            number(reason.count),
            reason.endpoint,
            paint.dim(&reason.last_error)
        )?;
    }
    Ok(())
}

fn duration(ms: Option<f64>) -> String {
    time(ms.map(|ms| Duration::from_secs_f64(ms / 1000.0)))
}
