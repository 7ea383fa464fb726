//! The shortest way through an engine.
use dispatch_actors::prelude::*;

#[actix::test]
async fn one_dispatcher_answers() {
    let engine = Engine::builder()
        .dispatcher(on_event("a").run(|_: Envelope| async { "x.y" }))
        .dispatcher(
            on_event("b")
                .run(|_: Envelope| async { Err::<(), _>(DispatcherError::new("ValueError", "boom")) }),
        )
        .route(Route::new("r1", "**", Category::Event, "a"))
        .route(Route::new("r2", "two.**", Category::Event, "b"))
        .freeze()
        .unwrap();
    let result = engine.dispatch("one.events", Envelope::new(Payload::Empty)).await.unwrap();
    assert!(result.is_successful(), "{result:?}");
    let result = engine.dispatch("two.events", Envelope::new(Payload::Empty)).await.unwrap();
    assert_eq!(result.error_message(), Some("Dispatcher 'b' failed: ValueError: boom"));
    let metrics = engine.metrics().await.unwrap();
    assert_eq!(metrics.total_dispatches, 2);
    println!("{}", serde_json::to_string_pretty(&result).unwrap());
    let report = engine.shutdown(std::time::Duration::from_secs(1)).await.unwrap();
    assert_eq!(report.abandoned, 0);
    assert!(engine.dispatch("one.events", Envelope::new(Payload::Empty)).await.is_err());
}

#[test]
fn works_from_plain_tokio() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::builder()
            .dispatcher(on_event("a").route_all().run_blocking(|_: Envelope| "x.y"))
            .freeze()
            .unwrap();
        let result = engine.dispatch("one.events", Envelope::new(Payload::Empty)).await.unwrap();
        assert!(result.is_successful(), "{result:?}");
        engine.shutdown(std::time::Duration::from_secs(1)).await.unwrap();
    });
}
