//! The report for people.

use std::io::{self, Write};
use std::time::Duration;

use dispatch_examples::show::{Paint, number, time};

use crate::report::Report;

pub(crate) fn write(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{} orders through a pipeline that was killed {} times, in {}{}:",
        paint.bold(number(report.events)),
        report.kills,
        time(Some(Duration::from_secs_f64(report.elapsed_ms / 1000.0))),
        match report.unreadable {
            0 => String::new(),
            lines => format!("; {} lines could not be read", number(lines)),
        }
    )?;
    let again = match report.published_again {
        0 => "each of them once".to_owned(),
        again => format!("{} of them twice", number(again)),
    };
    writeln!(out, "  in the log: {} records, {again}", number(report.records))?;
    let titles = format!(
        "{:10} {:10} {:>7} {:>10} {:>4} {:>12} {:>3}",
        "handled by", "type", "orders", "duplicates", "lost", "out of order", "lag"
    );
    writeln!(out, "\n{}", paint.bold(titles))?;
    for row in &report.subscriptions {
        let lost = number(row.lost);
        writeln!(
            out,
            "{:10} {:10} {:>7} {:>10} {:>4} {:>12} {:>3}",
            row.name,
            row.kind,
            number(row.handled),
            number(row.duplicates),
            if row.lost == 0 { paint.good(lost) } else { paint.bad(lost) },
            // Whoever shares its messages has promised no order.
            if row.kind == "shared" { "-".to_owned() } else { number(row.out_of_order) },
            number(row.lag),
        )?;
    }
    if report.problems.is_empty() {
        let text = "It adds up: each of the three has handled every order, and none was lost.";
        return writeln!(out, "\n{}", paint.good(text));
    }
    for problem in &report.problems {
        writeln!(out, "\n{}", paint.bad(problem))?;
    }
    Ok(())
}
