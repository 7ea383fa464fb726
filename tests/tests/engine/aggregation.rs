//! Many answers become one result.

use std::time::Duration;

use dispatch_actors::on_event;
use dispatch_core::dispatch::{Leg, Outcome, fold};
use dispatch_core::{DispatchStatus, DispatcherError, Envelope, IntoOutputs, Outputs, Route};
use dispatch_tests::support::{Act, builder, cases, empty, paused};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{TOPIC, outputs, to};

const LIMIT: u64 = 100;

/// What a dispatcher does, and after how many milliseconds.
#[derive(Debug, Clone)]
struct Part {
    act: Act,
    delay: Option<u64>,
    actor: bool,
}

fn part() -> impl Strategy<Value = Part> {
    let act = prop_oneof![
        vec("[a-c]\\.[a-c]", 0..3).prop_map(Act::Return),
        "[a-z ]{0,12}".prop_map(Act::Fail),
        "[a-z ]{0,12}".prop_map(Act::Panic),
        Just(Act::Return(vec!["nodot".to_owned()])),
        Just(Act::Hang),
    ];
    // Never at the limit itself, where both outcomes are right.
    let delay = prop_oneof![Just(None), (0..LIMIT - 10).prop_map(Some), (LIMIT + 10..400).prop_map(Some)];
    (act, delay, any::<bool>()).prop_map(|(act, delay, actor)| {
        // A panic of an actor's later future has a test of its own.
        let delay = if actor && matches!(act, Act::Panic(_)) { None } else { delay };
        Part { act, delay, actor }
    })
}

/// The outcome that the specification gives a part.
fn model(part: &Part) -> Outcome {
    let late = part.delay.is_some_and(|delay| delay > LIMIT);
    match &part.act {
        Act::Hang => Outcome::timeout(Duration::from_millis(LIMIT), Duration::ZERO),
        _ if late => Outcome::timeout(Duration::from_millis(LIMIT), Duration::ZERO),
        Act::Return(topics) => match topics.clone().into_outputs() {
            Ok(outputs) => Outcome::success(outputs, Duration::ZERO),
            Err(error) => {
                Outcome::error(format!("{}: {}", error.error_type(), error.message()), Duration::ZERO)
            }
        },
        Act::Fail(text) => Outcome::error(format!("IoError: {text}"), Duration::ZERO),
        Act::Panic(text) => Outcome::panicked(format!("panicked: {text}"), Duration::ZERO),
        other => unreachable!("{other:?} is not generated"),
    }
}

proptest! {
    #![proptest_config(cases(128))]

    /// Delays make every order of completion likely; errors, panics and time-outs are mixed in.
    #[test]
    fn the_result_is_the_fold_in_rank_order_whatever_completes_first(parts in vec(part(), 1..7)) {
        let legs: Vec<_> = (0..parts.len())
            .map(|n| Leg { dispatcher_id: format!("d{n}").into(), route_id: Some(format!("to-d{n}").into()) })
            .collect();
        let outcomes: Vec<_> = parts.iter().map(model).collect();
        let (status, failure) = fold(&legs, &outcomes);
        let expected: Vec<_> = outcomes
            .iter()
            .flat_map(|outcome| outcome.outputs().iter().map(|output| output.topic().to_string()))
            .collect();
        paused(async {
            let mut builder = builder().configure(|config| config.timeout = Duration::from_millis(LIMIT));
            for (n, part) in parts.iter().enumerate() {
                let act = match part.delay {
                    Some(delay) => part.act.clone().after(delay),
                    None => part.act.clone(),
                };
                let dispatcher = on_event(format!("d{n}"));
                builder = builder.route(to(&format!("d{n}"))).dispatcher(if part.actor {
                    dispatcher.actor(move || Fixed(act.clone()))
                } else {
                    dispatcher.run(move |_: Envelope| act.clone().run())
                });
            }
            let engine = builder.freeze().unwrap();
            let result = engine.dispatch(TOPIC, empty()).await.unwrap();
            assert_eq!(result.status(), status);
            assert_eq!(result.error_message(), failure.as_ref().map(|failure| &*failure.message));
            assert_eq!(result.error_code(), failure.map(|failure| failure.code));
            assert_eq!(outputs(&result), expected);
            assert_eq!(result.output_count(), expected.len());
            for (outcome, model) in result.outcomes().zip(&outcomes) {
                assert_eq!((outcome.status(), outcome.error_message()), (model.status(), model.error_message()));
            }
            let metrics = engine.metrics().await.unwrap();
            let count = |status| outcomes.iter().filter(|outcome| outcome.status() == status).count() as u64;
            assert_eq!(metrics.dispatcher_execution_count, parts.len() as u64);
            assert_eq!(metrics.dispatcher_error_count, count(DispatchStatus::DispatcherError));
            assert_eq!(metrics.timeout_count, count(DispatchStatus::Timeout));
        });
    }
}

/// An actor that always does the same.
struct Fixed(Act);

impl actix::Actor for Fixed {
    type Context = actix::Context<Self>;
}

impl actix::Handler<dispatch_actors::Deliver> for Fixed {
    type Result = actix::ResponseFuture<Result<Outputs, DispatcherError>>;

    fn handle(&mut self, _: dispatch_actors::Deliver, _: &mut Self::Context) -> Self::Result {
        match self.0.clone() {
            Act::Panic(text) => panic!("{text}"),
            act => Box::pin(act.run()),
        }
    }
}

#[test]
fn a_time_out_leaves_the_other_outcomes_alone() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("own").timeout(Duration::from_millis(30)).run(|_: Envelope| Act::Hang.run()))
            .dispatcher(on_event("late").run(|_: Envelope| Act::ok().after(40_000).run()))
            .dispatcher(
                on_event("slow").run(|_: Envelope| Act::Return(vec!["a.b".into()]).after(20_000).run()),
            )
            .dispatcher(
                on_event("patient")
                    .timeout(Duration::from_secs(60))
                    .run(|_: Envelope| Act::Return(vec!["c.d".into()]).after(50_000).run()),
            )
            .routes(["own", "late", "slow", "patient"].map(to))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::Timeout);
        assert_eq!(
            result.error_message(),
            Some("Dispatcher 'own' timed out after 30 ms; Dispatcher 'late' timed out after 30000 ms")
        );
        assert_eq!(outputs(&result), ["a.b", "c.d"]);
        assert_eq!(result.duration(), Duration::from_secs(50));
    });
}

#[test]
fn a_late_future_is_dropped_at_its_time_and_not_later() {
    paused(async {
        let held = std::sync::Arc::new(());
        let lent = std::sync::Arc::clone(&held);
        let engine = builder()
            .configure(|config| config.timeout = Duration::from_millis(LIMIT))
            .dispatcher(on_event("hang").run(move |_: Envelope| {
                let lent = std::sync::Arc::clone(&lent);
                async move {
                    let _lent = lent;
                    std::future::pending::<()>().await;
                }
            }))
            .dispatcher(
                on_event("slow")
                    .timeout(Duration::from_secs(1))
                    .run(|_: Envelope| Act::ok().after(500).run()),
            )
            .routes([to("hang"), Route::new("slow", "**", dispatch_core::Category::Event, "slow")])
            .freeze()
            .unwrap();
        let dispatch = engine.dispatch(TOPIC, empty());
        tokio::pin!(dispatch);
        assert!(tokio::time::timeout(Duration::from_millis(LIMIT + 1), &mut dispatch).await.is_err());
        assert_eq!(std::sync::Arc::strong_count(&held), 2, "the closure's own and this one");
        assert_eq!(dispatch.await.unwrap().status(), DispatchStatus::Timeout);
    });
}
