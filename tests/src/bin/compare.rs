//! What the library costs beside others that do the same, measured in one run.
//!
//! `cargo run --release -p dispatch-tests --features compare --bin compare -- engine`

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot start has nothing better to do than to say so and stop"
)]

use std::process::ExitCode;

#[path = "../compare/mod.rs"]
mod compare;

/// One allocator for every contender, counted. It is mimalloc, which long-running services tend to pick.
#[global_allocator]
static ALLOCATOR: alloc_tracker::Allocator<mimalloc::MiMalloc> =
    alloc_tracker::Allocator::new(mimalloc::MiMalloc);

fn main() -> ExitCode {
    compare::main()
}
