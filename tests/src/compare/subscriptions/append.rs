//! Sixty-four who append to the log in a folder, each waiting for the disk, beside the bare file.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use dispatch_adapters::model::log::{Offset, ReadLimit, TopicLog};
use dispatch_adapters::{SqliteLog, SqliteLogOptions};
use futures_util::future::join_all;

use super::{folder, log_in, meter};
use crate::compare::cli::Options;
use crate::compare::engine::load;
use crate::compare::measure::{cpu_time, median};
use crate::compare::report::{Report, Row, Target};

const PUBLISHERS: u64 = 64;

/// What one message took, and how many shared a flush.
#[derive(Clone, Copy)]
struct Sample {
    cpu_ns: f64,
    wall_ns: f64,
    group: f64,
}

fn timed(messages: u64, work: impl FnOnce()) -> Sample {
    let (wall, cpu) = (Instant::now(), cpu_time());
    work();
    let (cpu, wall) = (cpu_time().saturating_sub(cpu), wall.elapsed());
    let each = |time: std::time::Duration| time.as_nanos() as f64 / messages as f64;
    Sample { cpu_ns: each(cpu), wall_ns: each(wall), group: 1.0 }
}

fn ours(messages: u64) -> Sample {
    let (folder, runtime, topic) = (folder(), load::runtime(), meter::topic());
    let log = runtime.block_on(SqliteLog::open(SqliteLogOptions::new(log_in(&folder)))).expect("it opens");
    let append = |count: u64| {
        let publisher = || async {
            for _ in 0..count / PUBLISHERS {
                let appended = log.append(&topic, vec![meter::message().into()]).await;
                appended.expect("the disk has room");
            }
        };
        runtime.block_on(join_all((0..PUBLISHERS).map(|_| publisher())));
    };
    // The files have their first size before the clock starts.
    append(PUBLISHERS * 16);
    let sample = timed(messages, || append(messages));
    // What was committed together has the same time.
    let (mut groups, mut last, mut from, mut read) = (0_u64, None, Offset::ZERO, 0_u64);
    loop {
        let found = runtime.block_on(log.read(&topic, from, ReadLimit::records(1_000))).expect("it is there");
        let Some(end) = found.records.last() else { break };
        from = end.offset.next();
        for record in &found.records {
            read += 1;
            groups += u64::from(last != Some(record.appended_at));
            last = Some(record.appended_at);
        }
    }
    runtime.block_on(log.close()).expect("it closes");
    Sample { group: read as f64 / groups as f64, ..sample }
}

/// Appends to a file, flushing it after so many messages.
fn file(messages: u64, group: u64) -> Sample {
    let folder = folder();
    let mut file = File::create_new(folder.path().join("raw")).expect("a file can be made");
    let bytes = vec![7_u8; meter::BYTES * usize::try_from(group).expect("it is small")];
    let sample = timed(messages, || {
        for _ in 0..messages / group {
            file.write_all(&bytes).expect("the disk has room");
            file.sync_data().expect("the disk takes it");
        }
    });
    Sample { group: group as f64, ..sample }
}

pub(super) fn run(options: &Options, report: &Report) {
    const BENCH: &str = "log.append.always.64publishers";
    if !options.wants(BENCH) {
        return;
    }
    let (rounds, messages) = if options.quick { (3, 6_400) } else { (options.rounds.unwrap_or(7), 25_600) };
    let rounds: Vec<_> = (0..rounds)
        .map(|_| {
            let ours = ours(messages);
            let group = (ours.group.round() as u64).max(1);
            (ours, file(messages / group * group, group), file(messages / 64, 1))
        })
        .collect();
    let of = |pick: fn(&(Sample, Sample, Sample)) -> f64| median(rounds.iter().map(pick));
    let row = |peer, peer_cpu: f64, ratio: f64, extra, target| Row {
        bench: BENCH.to_owned(),
        cpu_ns: of(|round| round.0.cpu_ns),
        wall_ns: of(|round| round.0.wall_ns),
        allocations: None,
        peer: Some((peer, peer_cpu, ratio)),
        target: Some(target),
        extra,
    };
    report.print(&row(
        "append+fdatasync",
        of(|round| round.1.cpu_ns),
        of(|round| round.0.cpu_ns / round.1.cpu_ns),
        vec![
            ("rate_percent", of(|round| 100.0 * round.1.wall_ns / round.0.wall_ns)),
            ("peer_wall_ns", of(|round| round.1.wall_ns)),
            ("group", of(|round| round.0.group)),
        ],
        Target::AtLeast("rate_percent", 60.0),
    ));
    report.print(&row(
        "fdatasync each",
        of(|round| round.2.cpu_ns),
        of(|round| round.0.cpu_ns / round.2.cpu_ns),
        vec![
            ("times_faster", of(|round| round.2.wall_ns / round.0.wall_ns)),
            ("peer_wall_ns", of(|round| round.2.wall_ns)),
        ],
        Target::AtLeast("times_faster", 10.0),
    ));
}
