//! The workers of a program, until it is asked to end.

use std::process::ExitCode;
use std::time::Duration;

use dispatch_actors::messenger::Workers;
use dispatch_core::DispatcherError;
use dispatch_core::messenger::Schedule;
use dispatch_tests::support::paused;

use crate::support::{Seen, depth, engine, message, messenger, pass, send, work};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn workers_are_drained_together_and_say_with_which_status_to_end() {
    for (takes, deadline, is_clean) in [(3, 5, true), (10, 5, false)] {
        paused(async move {
            let (messenger, seen) = (messenger(), Seen::new());
            for number in 0..10 {
                send(&messenger, number).await;
            }
            let handler = seen.handler("mail", SECOND * takes, |_| Ok::<_, DispatcherError>(()));
            let engine = engine([("mail", handler)]);
            let workers: Workers = (0..2).map(|_| work(&messenger, &engine, |_| ())).collect();
            let begun = tokio::time::Instant::now();
            let report = workers.run_until(pass(1_000), SECOND * deadline).await;
            assert_eq!(begun.elapsed(), SECOND + SECOND * (takes - 1).min(deadline));
            assert!(report.asked);
            assert_eq!((report.workers.len(), report.is_clean()), (2, is_clean));
            let wanted = if is_clean { ExitCode::SUCCESS } else { ExitCode::from(75) };
            assert_eq!(report.exit_code(), wanted);
        });
    }
}

#[test]
fn workers_that_end_by_themselves_end_the_run() {
    paused(async {
        let (messenger, engine) = (messenger(), engine([]));
        let limited = |time| work(&messenger, &engine, |config| config.max_time = Some(time));
        let workers = Workers::new().with(limited(SECOND)).with(limited(SECOND * 2));
        let begun = tokio::time::Instant::now();
        let report = workers.run_until(std::future::pending(), SECOND).await;
        assert_eq!(begun.elapsed(), SECOND * 2);
        assert!(!report.asked && report.is_clean());
    });
}

#[test]
fn schedulers_without_workers_run_until_they_are_asked_to_end() {
    paused(async {
        let messenger = messenger();
        let every = Schedule::every("report", SECOND, message(1)).unwrap();
        let workers = Workers::new().with_scheduler(messenger.schedule([every]).unwrap());
        let report = workers.run_until(pass(5_000), SECOND).await;
        assert!(report.asked && report.workers.is_empty());
        assert!(depth(&messenger).await.open() >= 5, "it has sent meanwhile");
    });
}
