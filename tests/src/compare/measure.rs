//! Contenders that take turns.
//!
//! The machine may be shared and its clock may vary, so nothing is measured once: every round runs every
//! contender for a slice of CPU time, ratios are taken within a round, and the median of the rounds counts.
//! The time is that of the process's CPU clock; everything runs on one thread.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::cli::Options;

/// Somebody who does the work of a bench.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    run: Box<dyn FnMut(u64)>,
}

impl Contender {
    /// `run` does as many operations as it is told, and panics if one of them fails.
    pub(crate) fn new(name: &'static str, run: impl FnMut(u64) + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }

    pub(crate) fn run(&mut self, operations: u64) {
        (self.run)(operations);
    }
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    slice: Duration,
}

impl Effort {
    pub(crate) fn of(options: &Options) -> Self {
        let (rounds, slice) = if options.quick { (5, 15) } else { (21, 50) };
        Self { rounds: options.rounds.unwrap_or(rounds).max(1), slice: Duration::from_millis(slice) }
    }
}

/// What a contender took per operation.
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    /// Medians of the rounds.
    pub(crate) cpu_ns: f64,
    pub(crate) wall_ns: f64,
    /// Median over the rounds of the first contender's CPU time by this one's.
    pub(crate) ratio: f64,
}

/// Lets the contenders take turns; the figures are in their order.
pub(crate) fn measure(contenders: &mut [Contender], effort: Effort) -> Vec<Figures> {
    let slices: Vec<u64> = contenders.iter_mut().map(|one| calibrate(one, effort.slice)).collect();
    let mut samples = vec![Vec::with_capacity(effort.rounds); contenders.len()];
    for round in 0..effort.rounds {
        for turn in 0..contenders.len() {
            // Whoever began the last round ends this one.
            let at = (round + turn) % contenders.len();
            samples[at].push(sample(&mut contenders[at], slices[at]));
        }
    }
    let ours: Vec<f64> = samples[0].iter().map(|sample| sample.0).collect();
    let figures = contenders.iter().zip(samples).map(|(contender, samples)| Figures {
        name: contender.name,
        ratio: median(ours.iter().zip(&samples).map(|(ours, sample)| ours / sample.0)),
        cpu_ns: median(samples.iter().map(|sample| sample.0)),
        wall_ns: median(samples.iter().map(|sample| sample.1)),
    });
    figures.collect()
}

/// Warms up and finds how many operations fill a slice.
fn calibrate(contender: &mut Contender, slice: Duration) -> u64 {
    let mut operations = 1024;
    loop {
        let (cpu_ns, _) = sample(contender, operations);
        let fit = slice.as_nanos() as f64 / cpu_ns.max(0.1);
        if operations as f64 >= fit / 2.0 {
            return (fit as u64).max(1);
        }
        operations = (operations * 8).min(fit as u64).max(1);
    }
}

/// CPU and wall nanoseconds per operation.
pub(crate) type Sample = (f64, f64);

/// What each of so many operations takes that are done at once.
pub(crate) async fn timed(operations: u64, work: impl Future<Output = ()>) -> Sample {
    let (wall, cpu) = (Instant::now(), cpu_time());
    work.await;
    let (cpu, wall) = (cpu_time().saturating_sub(cpu), wall.elapsed());
    (cpu.as_nanos() as f64 / operations as f64, wall.as_nanos() as f64 / operations as f64)
}

fn sample(contender: &mut Contender, operations: u64) -> Sample {
    let (wall, cpu) = (Instant::now(), cpu_time());
    contender.run(operations);
    let (cpu, wall) = (cpu_time().saturating_sub(cpu), wall.elapsed());
    (cpu.as_nanos() as f64 / operations as f64, wall.as_nanos() as f64 / operations as f64)
}

pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
