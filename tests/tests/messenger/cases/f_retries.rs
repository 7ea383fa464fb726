//! F: retries.

use std::time::Duration;

use dispatch_core::DispatcherError;
use dispatch_core::messenger::DispatchOptions;
use dispatch_core::policy::{Jitter, RetryPolicy};
use dispatch_core::queue::{Filter, Page};
use dispatch_tests::support::paused;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::json;

use crate::support::{Seen, depth, engine, messenger, pass, send, send_with, work};

fn delays(policy: &RetryPolicy, retries: &[u32]) -> Vec<u128> {
    let mut rng = SmallRng::seed_from_u64(7);
    retries.iter().map(|retries| policy.delay(*retries, &mut rng).unwrap().as_millis()).collect()
}

#[test]
fn f1_f3_delays_grow_by_the_multiplier_up_to_the_cap() {
    let plain = RetryPolicy::default().with_jitter(Jitter::None).with_max_retries(20);
    let first = delays(&plain, &[0, 1, 2, 3, 4, 5, 10]);
    assert_eq!(first, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000], "F1");
    let mail = plain.with_base(Duration::from_secs(2)).with_cap(Duration::from_secs(60));
    let mail = delays(&mail, &[0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(mail, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000], "F3");
}

#[test]
fn f2_f16_chance_never_goes_over_the_cap() {
    for jitter in [Jitter::Equal, Jitter::Full] {
        let policy = RetryPolicy::default().with_jitter(jitter).with_max_retries(2_000);
        let most = delays(&policy, &(0..1_000).collect::<Vec<_>>()).into_iter().max();
        assert!(most <= Some(30_000), "{jitter:?}: {most:?}");
    }
}

#[test]
fn f6_f7_f8_whether_an_error_is_tried_again_is_up_to_its_type_and_never_to_its_words() {
    let texts = ["Network down", "Request Timeout", "connection reset", "boom", "rate limit", "ECONNRESET"];
    for text in texts {
        for helpless in [false, true] {
            paused(async move {
                let (messenger, seen) = (messenger(), Seen::new());
                let handler = seen.handler("mail", Duration::ZERO, move |_| {
                    let error = DispatcherError::msg(text);
                    Err(if helpless { error.unrecoverable() } else { error })
                });
                let engine = engine([("mail", handler)]);
                let _worker = work(&messenger, &engine, |_| ());
                send(&messenger, 1).await;
                pass(20_000).await;
                let attempts = if helpless { 1 } else { 4 };
                assert_eq!((seen.numbers().len(), depth(&messenger).await.failed), (attempts, 1), "{text}");
            });
        }
    }
}

#[test]
fn f13_a_retry_without_a_key_is_the_same_message_too() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine =
            engine([("mail", seen.handler("mail", Duration::ZERO, |_| Err(DispatcherError::msg("down"))))]);
        let _worker = work(&messenger, &engine, |_| ());
        let id = send_with(&messenger, 1, DispatchOptions::default()).await;
        for wanted in [1, 2, 3] {
            pass(10).await;
            let all = messenger.list("default", &Filter::all(), Page::first(10)).await.unwrap();
            let shown: Vec<_> = all.iter().map(|stored| (stored.id, stored.attempts)).collect();
            assert_eq!(shown, [(id, wanted)]);
            pass(1_000 * (1 << (wanted - 1)) - 10).await;
        }
    });
}

#[test]
fn f15_each_type_is_tried_again_as_often_as_it_says() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        messenger.set(&json!({ "retry": { "SendMail": { "max_retries": 5, "jitter": "none" } } })).unwrap();
        let engine =
            engine([("mail", seen.handler("mail", Duration::ZERO, |_| Err(DispatcherError::msg("down"))))]);
        let _worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(100_000).await;
        assert_eq!(seen.times(), [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
    });
}
