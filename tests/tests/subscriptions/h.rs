//! What was found by measuring another broker.

use dispatch_tests::simulation::Simulation;

use super::support::{Exclusive, Shared, plain, reliable};

fn run(simulation: &mut Simulation, batches: usize) -> Vec<u64> {
    let (mut seen, mut index) = (Vec::new(), 0);
    for batch in 0..batches {
        simulation.publish(plain(1 + batch % 7));
        // Only every third batch is acknowledged at once.
        if batch % 3 == 0 || batch + 1 == batches {
            while let Some((name, offset)) = simulation.deliveries.get(index).cloned() {
                simulation.ack(&name, offset);
                seen.push(offset.get());
                index += 1;
            }
        }
    }
    seen
}

#[test]
fn h1_the_order_of_the_log_is_the_order_of_delivery() {
    let mut simulation = reliable(Exclusive, 8, &["A"]);
    let seen = run(&mut simulation, 1_000);
    assert_eq!(seen, (0..simulation.log.head().get()).collect::<Vec<_>>());
}

#[test]
fn h2_nothing_is_lost_when_more_is_published_than_the_window_holds() {
    for kind in [Exclusive, Shared] {
        let mut simulation = reliable(kind, 16, if kind == Shared { &["A", "B", "C"] } else { &["A"] });
        simulation.publish(plain(10_000));
        let mut seen = run(&mut simulation, 1);
        seen.sort_unstable();
        assert_eq!(seen, (0..10_001).collect::<Vec<_>>());
    }
}
