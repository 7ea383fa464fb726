use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_actors::messenger::Messenger;
use dispatch_actors::testing::{VirtualClock, start_of_time};
use dispatch_core::messenger::{DispatchOptions, Message, MessengerErrorCode, Missed, Schedule};
use dispatch_core::queue::{Filter, MessageQueue, Page};
use dispatch_tests::support::paused;
use serde_json::json;

use crate::support::{
    Seen, clock, config, depth, engine, message, messenger, messenger_at, pass, queue, work,
};

const HOUR: u64 = 3_600_000;

fn hourly(number: u64) -> Schedule {
    Schedule::cron("hourly", "0 * * * *", "UTC", message(number)).unwrap()
}

/// When the next whole hour is, in milliseconds from now.
fn to_the_hour() -> u64 {
    let since = start_of_time().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    HOUR - u64::try_from(since.as_millis()).unwrap() % HOUR
}

#[test]
fn j18_a_schedule_fires_at_its_times_however_many_schedulers_there_are() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        let _schedulers = [1, 2, 3].map(|_| messenger.schedule([hourly(7)]).unwrap());
        pass(5 * HOUR).await;
        let first = u128::from(to_the_hour());
        let wanted: Vec<_> = (0..5)
            .map(|hour| first + hour * u128::from(HOUR))
            .filter(|at| *at < u128::from(5 * HOUR))
            .collect();
        assert_eq!(seen.times(), wanted);
    });
}

/// Whoever has a clock that is behind still plans what others have handled.
#[test]
fn schedulers_with_clocks_apart_fire_once_however_short_the_window_of_keys_is() {
    paused(async {
        let queue: Arc<dyn MessageQueue> = Arc::new(queue("default"));
        let seen = Seen::new();
        let at = |behind: Duration| {
            let config = config("dedup_window_ms = 1\n[transports.default]\ntype = 'memory'");
            let clock = VirtualClock::starting_at(start_of_time() - behind);
            let builder = Messenger::builder().config(config).clock(Arc::new(clock));
            builder.shared_transport("default", Arc::clone(&queue)).build().unwrap()
        };
        let messengers = [at(Duration::ZERO), at(Duration::from_secs(90))];
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messengers[0], &engine, |_| ());
        let _schedulers = messengers.each_ref().map(|messenger| messenger.schedule([hourly(7)]).unwrap());
        pass(3 * HOUR + HOUR / 2).await;
        // On the hour, the one whose clock is behind plans that of this very moment, too.
        let first = to_the_hour() % HOUR;
        let hours = (0..4).map(|hour| u128::from(first + hour * HOUR));
        assert_eq!(
            seen.times(),
            hours.filter(|at| *at < u128::from(3 * HOUR + HOUR / 2)).collect::<Vec<_>>()
        );
    });
}

/// J18, J20: what was missed while everything was down is one message that is late.
#[test]
fn j20_what_was_missed_is_handled_once_and_then_at_its_times() {
    paused(async {
        let (queue, clock): (Arc<dyn MessageQueue>, _) = (Arc::new(queue("default")), clock());
        let seen = Seen::new();
        let scheduler = messenger_at(Arc::clone(&queue), &clock).schedule([hourly(7)]).unwrap();
        pass(1).await;
        scheduler.stop();
        pass(100 * HOUR).await;
        // Everything comes back at once.
        let messenger = messenger_at(queue, &clock);
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        let _scheduler = messenger.schedule([hourly(7)]).unwrap();
        pass(10).await;
        assert_eq!(seen.numbers().len(), 1, "once, however many were missed");
        pass(2 * HOUR).await;
        assert_eq!(seen.numbers().len(), 3);
    });
}

#[test]
fn what_was_missed_may_be_skipped_or_handled_whole() {
    for (missed, wanted) in
        [(Missed::Skip { grace: Duration::from_secs(60) }, 0), (Missed::All { ahead: 24 }, 24)]
    {
        paused(async {
            let (queue, clock): (Arc<dyn MessageQueue>, _) = (Arc::new(queue("default")), clock());
            let seen = Seen::new();
            let scheduler =
                messenger_at(Arc::clone(&queue), &clock).schedule([hourly(7).when_missed(missed)]).unwrap();
            pass(1).await;
            scheduler.stop();
            pass(100 * HOUR).await;
            let messenger = messenger_at(queue, &clock);
            let engine = engine([("mail", seen.fine("mail"))]);
            let _worker = work(&messenger, &engine, |_| ());
            pass(1_000).await;
            assert_eq!(seen.numbers().len(), wanted, "{missed:?}");
        });
    }
}

/// J16: once is once.
#[test]
fn j16_what_is_to_fire_once_fires_once() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        let at = start_of_time() + Duration::from_secs(100);
        let once = || Schedule::once("once", at, message(1)).unwrap();
        let scheduler = messenger.schedule([once()]).unwrap();
        pass(HOUR).await;
        scheduler.stop();
        let _again = messenger.schedule([once()]).unwrap();
        pass(5 * HOUR).await;
        assert_eq!(seen.times(), [100_000]);
    });
}

#[test]
fn a_schedule_that_has_changed_does_not_fire_at_its_old_time() {
    paused(async {
        let messenger = messenger();
        let yearly = Schedule::cron("report", "0 0 1 1 *", "UTC", message(1)).unwrap();
        let scheduler = messenger.schedule([yearly]).unwrap();
        pass(1).await;
        scheduler.stop();
        let old = messenger.list("default", &Filter::all(), Page::first(10)).await.unwrap();
        let _scheduler = messenger
            .schedule([Schedule::every("report", Duration::from_secs(60), message(2)).unwrap()])
            .unwrap();
        pass(1).await;
        let new = messenger.list("default", &Filter::all(), Page::first(10)).await.unwrap();
        assert_eq!((old.len(), new.len()), (1, 1));
        assert_eq!(new[0].message().unwrap().payload["number"], 2);
        assert_eq!(depth(&messenger).await.scheduled, 1);
    });
}

/// J9, J17: every problem at once, before anything is sent.
#[test]
fn j9_j17_a_schedule_that_is_not_valid_is_refused() {
    paused(async {
        let bad = Schedule::cron("no name", "61 * * * *", "Mars/Olympus", message(1)).unwrap_err();
        assert_eq!(bad.code(), MessengerErrorCode::Scheduler);
        assert_eq!(bad.problems().len(), 2, "{bad}");
        assert!(Schedule::every("fast", Duration::ZERO, message(1)).is_err());
        assert!(
            hourly(1).with_options(DispatchOptions::default().with_delay(Duration::from_secs(1))).is_err()
        );
        let messenger = messenger();
        let elsewhere = hourly(1).with_options(DispatchOptions::default().with_transports(["nope"])).unwrap();
        let refused = messenger.schedule([elsewhere, hourly(2)]).unwrap_err();
        assert_eq!(refused.code(), MessengerErrorCode::Scheduler);
        let text = refused.to_string();
        assert!(text.contains("'nope' is no transport") && text.contains("two schedules 'hourly'"), "{text}");
        let message = Message::new("Report", &json!({})).unwrap();
        assert!(Schedule::cron("never", "0 0 31 2 *", "UTC", message).is_err(), "it is never due");
    });
}
