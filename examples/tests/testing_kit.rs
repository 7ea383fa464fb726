//! How a program tests its dispatchers: an engine in virtual time, probes that remember, dispatchers that follow
//! a script. `cargo test -p dispatch-examples --test testing_kit` runs it.

use std::time::{Duration, Instant};

use dispatch_adapters::EngineHealth;
use dispatch_adapters::prelude::*;
use dispatch_adapters::testing::{self, Probe, Step, script, start_of_time};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Booking {
    guest: u32,
}

/// The code under test: reminds a guest a day after the booking.
async fn remind(booking: Envelope<Booking>) -> String {
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    format!("mail.commands.remind-{}", booking.payload().guest)
}

fn booked() -> Envelope {
    Envelope::typed(Booking { guest: 7 })
}

#[test]
fn a_day_passes_at_once() {
    let begun = Instant::now();
    testing::run(async {
        let a_week = Duration::from_secs(7 * 24 * 3600);
        let remind = on_event("remind").route_all().timeout(a_week).run(remind);
        let engine = testing::builder().dispatcher(remind).freeze().unwrap();
        let result = engine.dispatch("hotel.events.booked", booked()).await.unwrap();
        assert_eq!(result.outputs().next().unwrap().topic().as_str(), "mail.commands.remind-7");
        assert_eq!(result.started_at(), start_of_time());
        assert!(result.duration() >= Duration::from_secs(24 * 3600));
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_probe_remembers_what_was_led_to() {
    testing::run(async {
        let probe = Probe::new();
        let engine = testing::builder()
            .dispatcher(on_event("book").route_all().run(script([Step::emit(["mail.commands.confirm"])])))
            .dispatcher(on_command("mail").route_all().run(probe.handler()))
            .publish_to_self()
            .freeze()
            .unwrap();
        let booked = booked();
        let cause = booked.id();
        engine.dispatch("hotel.events.booked", booked).await.unwrap();
        let report = engine.shutdown(Duration::from_secs(1)).await.unwrap();
        assert_eq!(report.abandoned, 0);
        let received = probe.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].causation_id(), Some(cause));
        assert_eq!(probe.contexts()[0].topic.as_str(), "mail.commands.confirm");
    });
}

#[test]
fn a_neighbour_that_fails_hangs_and_panics_does_not_disturb() {
    testing::run(async {
        let probe = Probe::new();
        let steps = [Step::fail("IoError", "disk full"), Step::hang(), Step::panic("bug"), Step::ok()];
        let engine = testing::builder()
            .dispatcher(on_event("audit").route_all().run(probe.handler()))
            .dispatcher(on_event("archive").route_all().timeout(Duration::from_secs(5)).run(script(steps)))
            .freeze()
            .unwrap();
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(engine.dispatch("hotel.events.booked", booked()).await.unwrap().status());
        }
        use DispatchStatus::{DispatcherError, Success, Timeout};
        assert_eq!(statuses, [DispatcherError, Timeout, DispatcherError, Success]);
        assert_eq!(probe.received().len(), 4);
        assert_eq!(engine.health(), EngineHealth::Ready);
    });
}
