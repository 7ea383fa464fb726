//! The state of at-least-once subscriptions against a naive model, under random schedules.
//!
//! A run that fails prints the shortest schedule that does, and the command that runs it again.

#[path = "model/answers.rs"]
mod answers;
#[path = "model/naive.rs"]
mod naive;
#[path = "model/schedule.rs"]
mod schedule;
#[path = "model/world.rs"]
mod world;

use dispatch_tests::support::{cases, env_u64};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rand::Rng;

use self::schedule::schedule;
use self::world::World;

/// Schedules of one seed: what has to be run again if one of them fails.
const BATCH: u32 = 500;

#[test]
fn model_nothing_is_lost_skipped_or_out_of_turn_whatever_happens() {
    let config = cases(2_000);
    let first = env_u64("DISPATCH_MODEL_SEED", rand::rng().random::<u32>().into());
    let batches = match std::env::var_os("DISPATCH_MODEL_SEED") {
        Some(_) => 1,
        None => config.cases.div_ceil(BATCH),
    };
    for seed in (first..).take(batches as usize) {
        let config = Config { cases: BATCH, rng_seed: RngSeed::Fixed(seed), ..config.clone() };
        let result = TestRunner::new(config).run(&schedule(), |(setup, ops)| {
            let mut world = World::new(&setup);
            for op in ops {
                world.happens(&op);
            }
            world.comes_to_rest();
            Ok(())
        });
        if let Err(error) = result {
            panic!(
                "{error}\nagain with: DISPATCH_MODEL_SEED={seed} cargo test -p dispatch-tests --test subscriptions \
                 model"
            );
        }
    }
}
