//! The report for people.

use std::io::{self, Write};
use std::time::Duration;

use dispatch_examples::show::{Paint, number, size, time};

use super::Report;

/// Width of the longest bar, in characters.
const WIDEST: u64 = 40;

pub(crate) fn write(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    headline(report, paint, out)?;
    dispatchers(report, paint, out)?;
    latency(report, paint, out)?;
    outcomes(report, paint, out)
}

fn headline(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let all = report.dispatched + report.led_to;
    writeln!(
        out,
        "{} read = {} dispatched + {} unreadable{}",
        paint.bold(number(report.read)),
        paint.bold(number(report.dispatched)),
        number(report.unreadable),
        if report.refused > 0 { format!(" + {} refused", number(report.refused)) } else { String::new() },
    )?;
    writeln!(
        out,
        "{} outputs led to {} more dispatches; {} archived",
        number(report.outputs),
        number(report.led_to),
        size(report.archived_bytes),
    )?;
    writeln!(
        out,
        "{} dispatches in {}, {} a second",
        number(all),
        time(Some(Duration::from_secs_f64(report.elapsed_ms / 1000.0))),
        paint.bold(number(report.dispatches_per_second as u64)),
    )?;
    if report.interrupted {
        writeln!(out, "{}", paint.bad("interrupted: the input was not read to its end"))?;
    }
    if report.abandoned > 0 {
        writeln!(out, "{} dispatches did not end in time and were given up", paint.bad(report.abandoned))?;
    }
    Ok(())
}

fn dispatchers(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let width = report.by_dispatcher.keys().map(|id| id.chars().count()).max().unwrap_or(0).max(10);
    let titles = format!(
        "{:width$} {:>10} {:>8} {:>8} {:>10} {:>10} {:>10}",
        "dispatcher", "executions", "errors", "timeouts", "p50", "p99", "max"
    );
    writeln!(out, "\n{}", paint.bold(titles))?;
    for (id, own) in &report.by_dispatcher {
        let alarm = |count: u64| if count == 0 { paint.dim(number(0)) } else { paint.bad(number(count)) };
        let latency = &own.latency;
        writeln!(
            out,
            "{id:width$} {:>10} {:>8} {:>8} {:>10} {:>10} {:>10}",
            number(own.executions),
            alarm(own.errors),
            alarm(own.timeouts),
            time(latency.quantile(0.5)),
            time(latency.quantile(0.99)),
            time(latency.max()),
        )?;
    }
    for (id, own) in &report.metrics.dispatcher_metrics {
        if let Some(error) = &own.last_error_message {
            writeln!(out, "{}", paint.dim(format!("last error of {id}: {error}")))?;
        }
    }
    Ok(())
}

fn latency(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    let all = report.latency.spread.count();
    let bars: Vec<_> = report.latency.bars.iter().collect();
    let filled = |(_, count): &(Option<Duration>, u64)| *count > 0;
    let (Some(first), Some(last)) = (bars.iter().position(filled), bars.iter().rposition(filled)) else {
        return Ok(());
    };
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(1);
    writeln!(out, "\n{}", paint.bold("from dispatch to result"))?;
    for (bound, count) in bars.iter().skip(first).take(last - first + 1) {
        let name = bound.map_or_else(|| "more".to_owned(), |bound| format!("<= {}", time(Some(bound))));
        let width = (count * WIDEST).div_ceil(most);
        let bar = "█".repeat(usize::try_from(width).unwrap_or_default());
        let share = *count as f64 * 100.0 / all as f64;
        writeln!(out, "{name:>10} {:>10} {share:>5.1} %  {}", number(*count), paint.bar(bar))?;
    }
    Ok(())
}

fn outcomes(report: &Report, paint: Paint, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{}", paint.bold(format!("{:17} {:>10} {:>10}", "outcome", "dispatched", "led to")))?;
    for ((status, own), (_, led_to)) in report.by_status.iter().zip(report.led_to_by_status.iter()) {
        if own + led_to > 0 {
            let name = format!("{status:17}");
            let name = if status.is_error() { paint.bad(name) } else { paint.good(name) };
            writeln!(out, "{name} {:>10} {:>10}", number(own), number(led_to))?;
        }
    }
    Ok(())
}
