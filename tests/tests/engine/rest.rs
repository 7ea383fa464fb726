//! Another attempt at what has succeeded in part, and what a failed dispatcher says about trying again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_actors::{EngineBuilder, on_event};
use dispatch_core::dispatcher::RetryAdvice;
use dispatch_core::{DispatchStatus, DispatcherError, DispatcherId, Envelope};
use dispatch_tests::support::{builder, empty, paused};

use crate::TOPIC;

#[test]
fn who_has_handled_it_before_does_not_get_it_again() {
    paused(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let dispatcher = |id: &'static str| {
            let seen = Arc::clone(&seen);
            on_event(id).route_all().run(move |_: Envelope| {
                seen.lock().unwrap().push(id);
                async {}
            })
        };
        let all = ["a", "b", "c"].map(dispatcher);
        let engine = all.into_iter().fold(builder(), EngineBuilder::dispatcher).freeze().unwrap();
        let rest = |ids: &[&'static str]| {
            let handled: Vec<_> = ids.iter().map(|id| DispatcherId::from(*id)).collect();
            engine.dispatch_rest(TOPIC, empty(), handled)
        };
        let result = rest(&["b", "unknown"]).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::Success);
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), ["a", "c"]);
        let ids: Vec<_> =
            result.outcomes().map(|outcome| outcome.dispatcher_id().as_str().to_owned()).collect();
        assert_eq!(ids, ["a", "c"]);

        let result = rest(&["a", "b", "c"]).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::Skipped);
        assert_eq!(rest(&[]).await.unwrap().outcomes().count(), 3);
        // What was resolved for the rest is not what others get.
        assert_eq!(engine.dispatch(TOPIC, empty()).await.unwrap().outcomes().count(), 3);
        let nobody =
            engine.dispatch_rest("nobody.there.events", empty(), [DispatcherId::from("a")]).await.unwrap();
        assert_eq!(nobody.status(), DispatchStatus::Success, "route_all takes every topic");
    });
}

#[test]
fn an_outcome_says_whether_trying_again_helps() {
    paused(async {
        let delay = Duration::from_secs(7);
        let fails = |id: &'static str, error: fn(Duration) -> DispatcherError| {
            on_event(id).route_all().run(move |_: Envelope| async move { Err::<(), _>(error(delay)) })
        };
        let all = [
            fails("never", |_| DispatcherError::msg("gone").unrecoverable()),
            fails("later", |delay| DispatcherError::msg("busy").recoverable(Some(delay))),
            fails("plain", |_| DispatcherError::msg("broken")),
        ];
        let engine = all.into_iter().fold(builder(), EngineBuilder::dispatcher).freeze().unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        let advice: Vec<_> = result.outcomes().map(|outcome| outcome.advice()).collect();
        assert_eq!(advice, [RetryAdvice::Never, RetryAdvice::Always(Some(delay)), RetryAdvice::ByPolicy]);
    });
}
