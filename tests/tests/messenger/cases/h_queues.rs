//! H: what queues promise. The checks are those of the public suite, which runs here on the queue in memory, and on SQLite
//! and PostgreSQL with their adapters (`dispatch-adapters/tests/queue`, `dispatch-adapters/tests/brokers`).

use std::sync::Arc;
use std::time::Duration;

use dispatch_core::queue::conformance::{Features, Suite, SuiteClock, Verdict};
use dispatch_core::queue::{MemoryQueue, QueueLimits};

/// The cases, and the checks that each of them is. H6, what cannot be read, is `h6_…` of the queue in a file; H15, types of
/// transports that there are not, is `h15_…` there.
const CASES: &[(&str, &[&str])] = &[
    (
        "H1",
        &[
            "messages are claimed by priority, then by time, then by id",
            "a claim keeps to its queues and its number",
        ],
    ),
    ("H2", &["no message is claimed twice, however many claim at the same time"]),
    (
        "H3",
        &["an extended lease does not run out", "a lease that ran out is valid until somebody else claims"],
    ),
    ("H4", &["a message whose lease ran out is claimed again, and the attempt counts"]),
    (
        "H5",
        &[
            "a retry is the same message, with what has happened so far",
            "a released message has lost no attempt",
        ],
    ),
    (
        "H7",
        &[
            "a message that is done is not handled again",
            "a worker whose message was given to another changes nothing",
            "a worker cannot settle what another has claimed",
            "a settled message cannot be settled again",
        ],
    ),
    ("H8", &["a failed message is kept with its history, and not handled"]),
    ("H9", &["a retry is the same message, with what has happened so far", "a retry waits for its time"]),
    ("H10", &["settlements of one call are answered in order"]),
    ("H11", &["a message that is done can be found"]),
    ("H12", &["a message comes back whole", "messages are listed in order, page by page, by what they are"]),
    ("H13", &["depth tells states apart"]),
    ("H14", &["a message that is nested too deep to be read back is refused"]),
];

#[tokio::test]
async fn h1_h2_h3_h4_h5_h7_h8_h9_h10_h11_h12_h13_h14_are_checks_that_every_queue_passes() {
    let clock = SuiteClock::new();
    let limits = QueueLimits { keep_done: Duration::from_secs(7_200), ..QueueLimits::default() };
    let queue = MemoryQueue::new("memory").with_limits(limits).with_clock(Arc::new(clock.clone()));
    let suite = Suite::new(Arc::new(queue)).with_features(Features::default().keeping_done());
    let report = suite.with_passing(move |time| clock.pass(time)).run().await;
    report.assert();
    for (id, checks) in CASES {
        for name in *checks {
            let check = report.checks().iter().find(|check| check.name == *name);
            let check = check.unwrap_or_else(|| panic!("{id}: there is no check '{name}'"));
            assert!(matches!(check.verdict, Verdict::Passed), "{id}: {name}: {:?}", check.verdict);
        }
    }
}
