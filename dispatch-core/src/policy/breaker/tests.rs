use std::time::Duration;

use proptest::prelude::*;

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn config() -> BreakerConfig {
    BreakerConfig {
        failure_threshold: 2,
        recovery_timeout: ms(100),
        half_open_max_calls: 2,
        success_threshold: 2,
    }
}

#[test]
fn the_outcome_of_a_call_from_before_it_opened_is_ignored() {
    let (config, mut breaker) = (config(), BreakerState::default());
    let early = breaker.admit(&config, ms(0)).unwrap();
    breaker.record(&config, Verdict::Failure, ms(0));
    breaker.record(&config, Verdict::Failure, ms(0));
    let probe = breaker.admit(&config, ms(100)).unwrap();
    assert!(probe.is_probe() && !early.is_probe());
    breaker.settle(&config, early, Verdict::Failure, ms(101));
    assert_eq!(breaker.phase(), BreakerPhase::HalfOpen);
}

#[test]
fn a_probe_that_was_given_up_frees_its_place() {
    let (config, mut breaker) = (config(), BreakerState::default());
    breaker.record(&config, Verdict::Failure, ms(0));
    breaker.record(&config, Verdict::Failure, ms(0));
    let probes = [breaker.admit(&config, ms(100)).unwrap(), breaker.admit(&config, ms(100)).unwrap()];
    assert_eq!(breaker.admit(&config, ms(100)), Err(ms(100)));
    breaker.settle(&config, probes[0], Verdict::Unknown, ms(100));
    assert!(breaker.admit(&config, ms(100)).is_ok());
}

#[test]
fn probes_that_nobody_reports_are_given_up() {
    let config = BreakerConfig { half_open_max_calls: 1, ..config() };
    let mut breaker = BreakerState::default();
    breaker.record(&config, Verdict::Failure, ms(0));
    breaker.record(&config, Verdict::Failure, ms(0));
    let lost = breaker.admit(&config, ms(100)).unwrap();
    assert_eq!(breaker.admit(&config, ms(150)), Err(ms(50)));
    assert!(breaker.admit(&config, ms(200)).is_ok());
    breaker.settle(&config, lost, Verdict::Failure, ms(200));
    assert_eq!(breaker.phase(), BreakerPhase::HalfOpen, "too late to count");
    breaker.settle(&config, lost, Verdict::Success, ms(201));
    breaker.settle(&config, lost, Verdict::Success, ms(202));
    assert_eq!(breaker.phase(), BreakerPhase::Closed, "slow, but it works");
}

#[test]
fn a_destination_that_asks_for_time_gets_it_up_to_a_bound() {
    let config = config();
    for (wait, window) in [(40, 100), (250, 250), (999_999, 1000)] {
        let mut breaker = BreakerState::default();
        breaker.postpone(&config, ms(wait), ms(0));
        assert_eq!(breaker, BreakerState::default(), "only what is open stays open");
        breaker.record(&config, Verdict::Failure, ms(5));
        breaker.record(&config, Verdict::Failure, ms(5));
        breaker.postpone(&config, ms(wait), ms(5));
        assert_eq!(breaker.admit(&config, ms(5)), Err(ms(window)));
        assert_eq!(BreakerState::from_bits(breaker.to_bits()), breaker);
        let mut early = breaker;
        early.reset(ms(6));
        early.record(&config, Verdict::Failure, ms(7));
        early.record(&config, Verdict::Failure, ms(8));
        assert!(early.admit(&config, ms(8)).is_err());
        assert!(early.admit(&config, ms(109)).is_ok(), "a reset forgets what was asked for");
        assert!(breaker.admit(&config, ms(5 + window)).is_ok_and(Passage::is_probe));
    }
}

#[test]
fn impossible_values_are_all_named() {
    let config = BreakerConfig {
        failure_threshold: 0,
        recovery_timeout: Duration::ZERO,
        half_open_max_calls: 5000,
        success_threshold: 0,
    };
    let text: Vec<_> = config.problems().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    INVALID_PARAMETER: circuit breaker: failure_threshold is 0: use 1 to 4095
    INVALID_PARAMETER: circuit breaker: half_open_max_calls is 5000: use 1 to 4095
    INVALID_PARAMETER: circuit breaker: success_threshold is 0: use 1 to 1023
    INVALID_PARAMETER: circuit breaker: recovery_timeout is 0ns: use 1 ms to 365 days
    ");
    assert!(BreakerConfig::default().problems().is_empty());
}

/// The rules written down as plainly as possible: every call is remembered.
#[derive(Default)]
struct Model {
    epoch: u32,
    phase: Option<Phase>,
    failures: u16,
}

enum Phase {
    Open { until: u64 },
    Half { out: u16, good: u16, until: u64 },
}

impl Model {
    fn admit(&mut self, config: &BreakerConfig, now: u64) -> Option<(u32, bool)> {
        if let Some(Phase::Open { until }) = self.phase {
            if now < until {
                return None;
            }
            self.change(Some(Phase::Half { out: 0, good: 0, until: now + 100 }));
        }
        if let Some(Phase::Half { out, until, .. }) = &self.phase
            && *out == config.half_open_max_calls
            && now >= *until
        {
            self.change(Some(Phase::Half { out: 0, good: 0, until: now + 100 }));
        }
        if let Some(Phase::Half { out, .. }) = &mut self.phase {
            if *out == config.half_open_max_calls {
                return None;
            }
            *out += 1;
        }
        Some((self.epoch, self.phase.is_some()))
    }

    fn settle(&mut self, config: &BreakerConfig, (epoch, probe): (u32, bool), verdict: Verdict, now: u64) {
        let half = matches!(self.phase, Some(Phase::Half { .. }));
        if epoch != self.epoch && !(probe && half && verdict == Verdict::Success) {
            return;
        }
        let until = now + 100;
        match (&mut self.phase, verdict) {
            (None, Verdict::Success) => self.failures = 0,
            (None, Verdict::Failure) => {
                self.failures += 1;
                if self.failures == config.failure_threshold {
                    self.change(Some(Phase::Open { until }));
                }
            }
            (Some(Phase::Half { .. }), Verdict::Failure) => self.change(Some(Phase::Open { until })),
            (Some(Phase::Half { out, good, .. }), verdict) => {
                *out = out.saturating_sub(1);
                *good += u16::from(verdict == Verdict::Success);
                if *good == config.success_threshold {
                    self.change(None);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, phase: Option<Phase>) {
        self.phase = phase;
        self.failures = 0;
        self.epoch += 1;
    }

    fn phase(&self) -> BreakerPhase {
        match self.phase {
            None => BreakerPhase::Closed,
            Some(Phase::Open { .. }) => BreakerPhase::Open,
            Some(Phase::Half { .. }) => BreakerPhase::HalfOpen,
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Admit,
    Settle(prop::sample::Index, Verdict),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let verdict = prop_oneof![Just(Verdict::Success), Just(Verdict::Failure), Just(Verdict::Unknown)];
    prop_oneof![
        4 => Just(Op::Admit),
        4 => (any::<prop::sample::Index>(), verdict).prop_map(|(call, verdict)| Op::Settle(call, verdict)),
        2 => prop_oneof![1u64..5, 95u64..105].prop_map(Op::Wait),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_model_over_any_schedule(
        ops in prop::collection::vec(op(), 0..120),
        failure_threshold in 1u16..4, half_open_max_calls in 1u16..4, success_threshold in 1u16..4,
    ) {
        let config = BreakerConfig {
            failure_threshold, half_open_max_calls, success_threshold, recovery_timeout: ms(100),
        };
        let (mut breaker, mut model, mut now, mut out) = (BreakerState::default(), Model::default(), 1, Vec::new());
        for op in ops {
            match op {
                Op::Wait(gap) => now += gap,
                Op::Admit => {
                    let (got, wanted) = (breaker.admit(&config, ms(now)), model.admit(&config, now));
                    prop_assert_eq!(got.is_ok(), wanted.is_some(), "at {} ms", now);
                    out.extend(got.ok().zip(wanted));
                }
                Op::Settle(call, verdict) if !out.is_empty() => {
                    let (passage, epoch) = out.swap_remove(call.index(out.len()));
                    // Passages tell phases apart by the millisecond in which they began.
                    now += 1;
                    breaker.settle(&config, passage, verdict, ms(now));
                    model.settle(&config, epoch, verdict, now);
                }
                Op::Settle(..) => {}
            }
            prop_assert_eq!(breaker.phase(), model.phase(), "at {} ms", now);
            prop_assert_eq!(BreakerState::from_bits(breaker.to_bits()), breaker);
        }
    }
}
