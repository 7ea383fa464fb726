//! Asking a running engine why it routes as it does.

use std::cell::RefCell;

use dispatch_actors::on_event;
use dispatch_core::{Category, Envelope, Route};
use dispatch_tests::support::{builder, empty, paused};

use crate::TOPIC;

#[test]
fn a_large_table_is_explained_while_the_engine_goes_on() {
    paused(async {
        let routes =
            (0..20_000).map(|n| Route::new(format!("r{n}"), format!("x{n}.**"), Category::Event, "a"));
        let engine = builder()
            .dispatcher(on_event("a").route_all().run(|_: Envelope| async {}))
            .routes(routes)
            .freeze()
            .unwrap();
        let order = RefCell::new(Vec::new());
        let explaining = async {
            let explanation = engine.explain(TOPIC, None, "x").await.unwrap();
            order.borrow_mut().push("explained");
            explanation
        };
        let dispatching = async {
            assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
            order.borrow_mut().push("dispatched");
        };
        let (explanation, ()) = tokio::join!(explaining, dispatching);
        assert_eq!((explanation.routes.len(), order.into_inner()), (20_001, vec!["dispatched", "explained"]));
    });
}
