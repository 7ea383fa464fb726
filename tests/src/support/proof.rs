use std::env;

use proptest::test_runner::Config;

/// A number from the environment, or its default.
///
/// # Panics
/// If the variable is set to anything but a number.
#[must_use]
pub fn env_u64(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} must be a number, it is '{value}'")),
        Err(_) => default,
    }
}

/// A configuration of property tests: `usual` cases, times `DISPATCH_PROOF`.
///
/// # Panics
/// If `DISPATCH_PROOF` is not a number.
#[must_use]
pub fn cases(usual: u32) -> Config {
    let factor = u32::try_from(env_u64("DISPATCH_PROOF", 1)).unwrap_or(u32::MAX);
    Config { cases: usual.saturating_mul(factor), failure_persistence: None, ..Config::default() }
}
