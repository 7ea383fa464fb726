//! How fast messages begin, in all and of each ordering key.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::messenger::Messenger;
use dispatch_core::DispatcherError;
use dispatch_core::messenger::{DispatchOptions, MessengerConfig};
use dispatch_core::policy::RateLimit;
use dispatch_core::queue::{Filter, Page};
use dispatch_tests::support::paused;

use crate::support::{Seen, clock, config, depth, engine, message, pass, queue, send, send_with, work};

const SECOND: Duration = Duration::from_secs(1);

/// A messenger with one transport in memory, and whatever else is said of it.
fn limited(text: &str) -> Messenger {
    let config = config(&format!("[transports.default]\ntype = 'memory'\n{text}"));
    build(config, &["default"])
}

fn build(config: MessengerConfig, transports: &[&str]) -> Messenger {
    let builder = Messenger::builder().config(config).clock(Arc::new(clock()));
    transports.iter().fold(builder, |builder, name| builder.transport(*name, queue(name))).build().unwrap()
}

fn keyed(key: &str) -> DispatchOptions {
    DispatchOptions { ordering_key: Some(key.to_owned()), ..DispatchOptions::default() }
}

#[test]
fn a_burst_begins_at_once_and_the_rest_exactly_at_its_time() {
    paused(async {
        let (messenger, seen) = (limited("rate_limit = { events = 4, burst = 3 }"), Seen::new());
        for number in 0..8 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |config| config.concurrency = 10);
        pass(10_000).await;
        assert_eq!(seen.times(), [0, 0, 0, 250, 500, 750, 1_000, 1_250]);
        // A quiet time saves up no more than a burst.
        for number in 8..12 {
            send(&messenger, number).await;
        }
        pass(1_000).await;
        assert_eq!(seen.times()[8..], [10_000, 10_000, 10_000, 10_250]);
    });
}

#[test]
fn nobody_holds_what_may_not_begin_and_other_transports_go_on() {
    paused(async {
        let text = "default_transport = 'slow'\n[transports.slow]\ntype = 'memory'\n\
                    rate_limit = { events = 1, per_ms = 60_000 }\n[transports.fast]\ntype = 'memory'";
        let messenger = build(config(text), &["slow", "fast"]);
        for number in 0..3 {
            messenger.dispatch_to(message(number), ["slow"]).await.unwrap().all().unwrap();
            messenger.dispatch_to(message(number + 10), ["fast"]).await.unwrap().all().unwrap();
        }
        let seen = Seen::new();
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |config| {
            config.transports = vec!["slow".to_owned(), "fast".to_owned()];
            config.concurrency = 1;
            config.prefetch = 5;
        });
        pass(1_000).await;
        assert_eq!(seen.numbers(), [0, 10, 11, 12]);
        let slow = messenger.queue("slow").unwrap().depth(None).await.unwrap();
        assert_eq!((slow.ready, slow.leased), (2, 0), "another worker may take them");
        pass(60_000).await;
        assert_eq!(seen.numbers()[4..], [1]);
    });
}

#[test]
fn a_key_over_its_rate_waits_in_front_without_an_attempt_and_others_go_on() {
    paused(async {
        let (messenger, seen) = (limited("key_rate_limit = { events = 2 }"), Seen::new());
        for number in 0..4 {
            send_with(&messenger, number, keyed("ann")).await;
        }
        for number in 10..12 {
            send_with(&messenger, number, keyed("bob")).await;
        }
        for number in 20..24 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |config| config.concurrency = 3);
        pass(100).await;
        let stored = messenger.list("default", &Filter::all(), Page::first(100)).await.unwrap();
        assert!(stored.iter().all(|stored| stored.attempts == 0 && stored.history.as_slice().is_empty()));
        assert_eq!(stored.iter().filter(|stored| stored.held_back).count(), 2, "one of each key");
        // One that comes later is due before those that are held back, and does not pass them.
        send_with(&messenger, 4, keyed("ann")).await;
        pass(5_000).await;
        let of = |from: u64, to: u64| {
            let all = seen.all().into_iter().filter(move |(_, number, _)| (from..to).contains(number));
            all.map(|(_, number, at)| (number, at)).collect::<Vec<_>>()
        };
        assert_eq!(of(0, 10), [(0, 0), (1, 500), (2, 1_000), (3, 1_500), (4, 2_000)]);
        assert_eq!(of(10, 20), [(10, 0), (11, 500)]);
        assert!(of(20, 30).iter().all(|(_, at)| *at == 0), "without a key there is nothing to wait for");
        let report = worker.drain(SECOND).await.unwrap();
        assert_eq!((report.done, report.held_back, report.handed_back), (11, 5, 0));
    });
}

#[test]
fn what_is_held_back_costs_no_permit_and_no_message_of_a_limit() {
    paused(async {
        let text = "rate_limit = { events = 10, burst = 1 }\nkey_rate_limit = { events = 1 }";
        let (messenger, seen) = (limited(text), Seen::new());
        for number in 0..3 {
            send_with(&messenger, number, keyed("ann")).await;
        }
        for number in 10..13 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let worker = work(&messenger, &engine, |config| config.max_messages = Some(5));
        let report = worker.ended().await.unwrap();
        assert_eq!(report.done, 5);
        let begun: Vec<_> = seen.all().into_iter().map(|(_, number, at)| (number, at)).collect();
        assert_eq!(begun, [(0, 0), (10, 100), (11, 200), (12, 300), (1, 1_000)]);
    });
}

#[test]
fn a_changed_rate_holds_within_a_poll() {
    paused(async {
        let (messenger, seen) = (limited("rate_limit = { events = 1, per_ms = 3_600_000 }"), Seen::new());
        for number in 0..10 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        pass(5_500).await;
        assert_eq!(seen.numbers(), [0]);
        let change = |limit: Option<RateLimit>| {
            messenger
                .update(|config| config.transports.get_mut("default").unwrap().rate_limit = limit)
                .unwrap();
        };
        change(Some(RateLimit::per_second(2)));
        pass(1_600).await;
        assert_eq!(seen.times(), [0, 6_000, 6_500, 7_000]);
        change(None);
        pass(1_000).await;
        assert_eq!(seen.numbers().len(), 10);
    });
}

#[test]
fn a_transport_that_is_removed_is_worked_off_at_its_rate() {
    paused(async {
        let text = "[transports.default]\ntype = 'memory'\n[transports.slow]\ntype = 'memory'\nrate_limit = { events = 1 }";
        let (messenger, seen) = (build(config(text), &["default", "slow"]), Seen::new());
        for number in 0..3 {
            messenger.dispatch_to(message(number), ["slow"]).await.unwrap().all().unwrap();
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |_| ());
        pass(100).await;
        assert!(messenger.remove_transport("slow").unwrap());
        pass(10_000).await;
        assert_eq!(seen.times(), [0, 1_000, 2_000]);
    });
}

#[test]
fn a_rate_that_cannot_be_is_refused_with_everything_else_that_is_wrong() {
    let text = "default_transport = 'nope'\n[transports.inline]\ntype = 'sync'\nrate_limit = { events = 5 }\n\
                [transports.slow]\ntype = 'memory'\nkey_rate_limit = { events = 0 }";
    let engine_less = dispatch_actors::messenger::InlineQueue::idle("inline");
    let builder = Messenger::builder().config(config(text)).transport("slow", queue("slow"));
    let error = builder.transport("inline", engine_less).build().unwrap_err().to_string();
    for part in [
        "default_transport 'nope'",
        "transport 'inline' handles messages at once, so no rate holds them back",
        "transport 'slow': key_rate_limit: events is 0",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let messenger = limited("");
    let bad = |config: &mut MessengerConfig| {
        config.transports.get_mut("default").unwrap().rate_limit = Some(RateLimit::per_second(0));
    };
    assert!(messenger.update(bad).unwrap_err().to_string().contains("rate_limit: events is 0"));
}

#[test]
fn each_of_several_workers_has_the_rate_and_a_pause_saves_up_no_more_than_a_burst() {
    paused(async {
        let (messenger, seen) = (limited("rate_limit = { events = 1 }"), Seen::new());
        for number in 0..20 {
            send(&messenger, number).await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let workers = [work(&messenger, &engine, |_| ()), work(&messenger, &engine, |_| ())];
        pass(1_500).await;
        assert_eq!(seen.times(), [0, 0, 1_000, 1_000]);
        workers[0].pause();
        workers[1].scale(50);
        pass(3_000).await;
        assert_eq!(
            seen.times()[4..],
            [2_000, 3_000, 4_000],
            "of the one that goes on, however many it may handle"
        );
        workers[0].resume();
        pass(1_100).await;
        assert_eq!(seen.times()[7..], [4_500, 5_000, 5_500]);
        for worker in workers {
            let report = worker.drain(SECOND).await.unwrap();
            assert_eq!((report.failed, report.abandoned.len()), (0, 0));
        }
        let left = depth(&messenger).await;
        assert_eq!((left.ready, left.leased), (10, 0), "what may not begin yet is left to others");
    });
}

#[test]
fn what_is_held_back_outlives_a_drain_in_its_place_and_fair_transports_take_turns() {
    paused(async {
        let text = "default_transport = 'a'\n[transports.a]\ntype = 'memory'\nkey_rate_limit = { events = 1 }\n\
                    [transports.b]\ntype = 'memory'\nkey_rate_limit = { events = 1 }";
        let (messenger, seen) = (build(config(text), &["a", "b"]), Seen::new());
        for number in 0..3 {
            for (transport, number) in [("a", number), ("b", number + 10)] {
                let options =
                    DispatchOptions { transports: Some(vec![transport.to_owned()]), ..keyed("ann") };
                send_with(&messenger, number, options).await;
            }
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let begin = || {
            work(&messenger, &engine, |config| {
                config.transports = vec!["a".to_owned(), "b".to_owned()];
                config.fair = true;
                config.concurrency = 1;
            })
        };
        let first = begin();
        pass(300).await;
        assert_eq!(seen.numbers(), [0, 10], "a key of one transport keeps back none of the other");
        let report = first.drain(SECOND).await.unwrap();
        assert_eq!((report.done, report.held_back), (2, 2));
        let _second = begin();
        pass(4_000).await;
        let begun: Vec<_> = seen.all().into_iter().map(|(_, number, at)| (number, at)).collect();
        // Another worker has a rate of its own; what was held back by the first is due when that said.
        assert_eq!(begun[2..], [(1, 1_000), (11, 1_000), (2, 2_000), (12, 2_000)]);
    });
}

/// With fewer messages of a key at a time than a worker handles, no key keeps another waiting.
#[test]
fn a_key_with_ten_thousand_messages_delays_no_other_by_more_than_the_concurrency() {
    paused(async {
        let messenger = limited("");
        let items = (0..10_000).map(|number| (message(number), keyed("ann")));
        assert_eq!(messenger.dispatch_batch(items).await.succeeded(), 10_000);
        let seen = Seen::new();
        let engine = engine([("mail", seen.handler("mail", SECOND, |_| Ok::<_, DispatcherError>(())))]);
        let _worker = work(&messenger, &engine, |config| config.concurrency = 2);
        pass(5_500).await;
        assert_eq!(seen.numbers(), [0, 1, 2, 3, 4, 5], "one at a time");
        for number in 20_000..20_003 {
            send_with(&messenger, number, keyed("bob")).await;
        }
        pass(3_000).await;
        assert_eq!(seen.numbers()[6..], [20_000, 6, 20_001, 7, 20_002, 8], "they take turns");
        assert_eq!(seen.times()[6], 5_500, "it began at once");
        assert_eq!(depth(&messenger).await.leased, 2);
    });
}
