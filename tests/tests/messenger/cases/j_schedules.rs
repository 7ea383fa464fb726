//! J: schedules. What an expression means, J1 to J15, is in `tests/cases/cron_next.jsonl`, each line with its id.

use std::time::Duration;

use dispatch_actors::testing::start_of_time;
use dispatch_core::messenger::{MessengerErrorCode, Schedule};
use dispatch_core::queue::{Filter, Page};
use dispatch_tests::support::paused;

use super::code;
use crate::support::{Seen, depth, engine, message, messenger, pass, work};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn j9_j14_j17_what_cannot_be_followed_is_refused_before_anything_is_stored() {
    let cron = |text: &str, zone: &str| code(Schedule::cron("report", text, zone, message(1)));
    let refused = Some(MessengerErrorCode::Scheduler);
    for text in ["60 * * * *", "0 25 * * *", "a b c d e", "* * * *", "", "0 0 31 2 *"] {
        assert_eq!(cron(text, "UTC"), refused, "J9: {text}");
    }
    assert_eq!(cron("* * * * *", "Mars/Olympus"), refused, "J15");
    assert_eq!(cron("0 0 13 * 5", "Europe/Berlin"), None, "J14");
    assert_eq!(code(Schedule::every("often", Duration::ZERO, message(1))), refused, "J17");
}

#[test]
fn j15_a_schedule_follows_the_clocks_of_its_zone() {
    let fires = |zone: &str| {
        let schedule = Schedule::cron("report", "0 9 * * *", zone, message(1)).unwrap();
        schedule.planned_after(start_of_time()).unwrap()
    };
    let (here, there) = (fires("UTC"), fires("Asia/Kolkata"));
    let apart = here.max(there).duration_since(here.min(there)).unwrap().as_secs() / 60;
    assert!([330, 24 * 60 - 330].contains(&apart), "{apart} minutes");
}

#[test]
fn j19_a_schedule_with_a_limit_ends_whoever_follows_it_and_from_when() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        let thrice =
            || Schedule::every("often", MINUTE, message(1)).unwrap().at_most(3, start_of_time()).unwrap();
        let scheduler = messenger.schedule([thrice()]).unwrap();
        pass(90_000).await;
        scheduler.stop();
        let _again = messenger.schedule([thrice()]).unwrap();
        pass(3_600_000).await;
        assert_eq!(seen.numbers().len(), 3);
        let left = messenger.list("default", &Filter::all(), Page::first(10)).await.unwrap();
        assert_eq!((left.len(), depth(&messenger).await.scheduled), (0, 0), "none is stored ahead any more");
        for times in [0, Schedule::MOST_TIMES + 1] {
            let limited =
                Schedule::every("often", MINUTE, message(1)).unwrap().at_most(times, start_of_time());
            assert_eq!(code(limited), Some(MessengerErrorCode::Scheduler));
        }
    });
}

#[test]
fn a_schedule_whose_messages_could_not_be_sent_is_refused_when_it_starts() {
    paused(async {
        let messenger = messenger();
        let grace = Duration::from_millis(u64::MAX);
        let schedule = Schedule::every("often", MINUTE, message(1)).unwrap();
        let schedule = schedule.when_missed(dispatch_core::messenger::Missed::Skip { grace });
        let refused = messenger.schedule([schedule]).unwrap_err();
        assert!(refused.to_string().contains("schedule 'often': ttl is "), "{refused}");
    });
}
