use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use dispatch_actors::messenger::Messenger;
use dispatch_actors::testing::{VirtualClock, start_of_time};
use dispatch_core::messenger::{DispatchOptions, Message, MessengerErrorCode, Missed, Schedule};
use dispatch_core::queue::{Filter, MessageQueue, Page};
use dispatch_tests::support::paused;
use serde_json::json;

use crate::support::{
    Seen, clock, config, depth, engine, message, messenger, messenger_at, messenger_on, messenger_with, pass,
    queue, work,
};
use crate::trouble::Flaky;

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

/// Each is stored by itself: next to it one has a transport that refuses everything, and one a transport that never answers.
#[test]
fn a_schedule_whose_transport_fails_or_hangs_keeps_no_other_waiting() {
    paused(async {
        let (refuses, hangs, seen) = (Flaky::called("refuses"), Flaky::called("hangs"), Seen::new());
        refuses.sends_fail.store(true, Ordering::Relaxed);
        hangs.hang(true);
        let (first, second): (Arc<dyn MessageQueue>, Arc<dyn MessageQueue>) =
            (refuses.clone(), hangs.clone());
        let queues = [("default", Arc::new(queue("default")) as _), ("refuses", first), ("hangs", second)];
        let messenger = messenger_with(queues);
        let each_second = |name: &str, number| {
            let schedule = Schedule::every(name, Duration::from_secs(1), message(number)).unwrap();
            schedule.with_options(DispatchOptions::default().with_transports([name])).unwrap()
        };
        let engine = engine([("mail", seen.fine("mail"))]);
        let only = |name: &str| work(&messenger, &engine, |config| config.transports = vec![name.to_owned()]);
        let _worker = only("default");
        let schedules = [each_second("refuses", 1), each_second("hangs", 2), each_second("default", 3)];
        let _scheduler = messenger.schedule(schedules).unwrap();
        pass(20_500).await;
        assert_eq!(seen.times(), (1..=20).map(|second| second * 1_000).collect::<Vec<_>>());
        assert_eq!(seen.numbers(), [3; 20]);
        // Those that were away go on by themselves.
        refuses.sends_fail.store(false, Ordering::Relaxed);
        hangs.hang(false);
        let _workers = [only("refuses"), only("hangs")];
        pass(10_000).await;
        for number in [1, 2] {
            let count = seen.numbers().iter().filter(|seen| **seen == number).count();
            assert!((9..=11).contains(&count), "{number}: {count}");
        }
    });
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

/// What is planned does not wait for that, nor for a list that never comes.
#[test]
fn what_is_not_planned_any_more_is_cancelled_later_if_it_cannot_be_looked_for_at_once() {
    for hangs in [false, true] {
        paused(async {
            let (flaky, seen) = (Flaky::new(), Seen::new());
            let messenger = messenger_on(flaky.clone());
            let scheduler = messenger.schedule([hourly(1)]).unwrap();
            pass(1).await;
            scheduler.stop();
            flaky.lists_fail.store(!hangs, Ordering::Relaxed);
            flaky.lists_hang.store(hangs, Ordering::Relaxed);
            let each_second = Schedule::every("hourly", Duration::from_secs(1), message(2)).unwrap();
            let _scheduler = messenger.schedule([each_second]).unwrap();
            let engine = engine([("mail", seen.fine("mail"))]);
            let _worker = work(&messenger, &engine, |_| ());
            pass(20_500).await;
            assert_eq!(seen.numbers(), [2; 20], "they are stored nevertheless");
            assert_eq!(depth(&messenger).await.scheduled, 2, "the next one, and that of the hour");
            flaky.lists_fail.store(false, Ordering::Relaxed);
            pass(60_000).await;
            assert_eq!(depth(&messenger).await.scheduled, 1 + u64::from(hangs));
        });
    }
}

/// The new one is stored before the old one is cancelled, and has the same key.
#[test]
fn a_schedule_that_says_something_else_by_now_fires_at_its_time_with_that() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let ahead = |number| hourly(number).when_missed(Missed::All { ahead: 3 });
        let scheduler = messenger.schedule([ahead(1)]).unwrap();
        pass(1).await;
        scheduler.stop();
        let _scheduler = messenger.schedule([ahead(2)]).unwrap();
        pass(1).await;
        assert_eq!(depth(&messenger).await.scheduled, 3);
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        pass(3 * HOUR).await;
        assert_eq!(seen.numbers(), [2; 3]);
    });
}

#[test]
fn what_is_stored_ahead_is_sent_once_and_what_is_new_in_one_call() {
    paused(async {
        let flaky = Flaky::new();
        let messenger = messenger_on(flaky.clone());
        let each_second = || {
            let schedule = Schedule::every("ahead", Duration::from_secs(1), message(1)).unwrap();
            schedule.when_missed(Missed::All { ahead: 50 })
        };
        let scheduler = messenger.schedule([each_second()]).unwrap();
        let sent = || std::mem::take(&mut *flaky.sends.lock().unwrap());
        pass(500).await;
        assert_eq!(sent(), [50]);
        pass(3_000).await;
        assert_eq!(sent(), [1, 1, 1]);
        flaky.sends_fail.store(true, Ordering::Relaxed);
        pass(3_000).await;
        flaky.sends_fail.store(false, Ordering::Relaxed);
        pass(2_000).await;
        assert_eq!(sent(), [4, 1], "all that came meanwhile");
        scheduler.stop();
        let _scheduler = messenger.schedule([each_second()]).unwrap();
        pass(1).await;
        assert_eq!(sent(), [50], "whoever begins anew does not know, and the keys do");
        assert_eq!(depth(&messenger).await.open(), 58);
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
