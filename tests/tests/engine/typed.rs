//! Payloads that handlers know the type of.

use std::sync::{Arc, Mutex};

use dispatch_actors::on_event;
use dispatch_core::{Envelope, Payload};
use dispatch_tests::support::{builder, paused};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{TOPIC, to};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[test]
fn a_typed_payload_is_handed_to_every_dispatcher_by_reference() {
    paused(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let engine = ["a", "b"]
            .into_iter()
            .fold(builder(), |builder, id| {
                let seen = Arc::clone(&seen);
                builder.route(to(id)).dispatcher(on_event(id).run(move |order: Envelope<Order>| {
                    seen.lock().unwrap().push(order.shared_payload());
                    async {}
                }))
            })
            .freeze()
            .unwrap();
        let envelope = Envelope::typed(Order { id: 7 });
        let own: *const Order = envelope.raw_payload().downcast_ref().unwrap();
        assert!(engine.dispatch(TOPIC, envelope.clone()).await.unwrap().is_successful());
        let seen = seen.lock().unwrap();
        assert!(seen.iter().all(|order| Arc::as_ptr(order) == own && order.id == 7));
        assert_eq!(seen.len(), 2);
    });
}

#[test]
fn other_payloads_are_decoded_and_a_mismatch_is_the_error_of_that_dispatcher_alone() {
    paused(async {
        let engine = builder()
            .dispatcher(
                on_event("typed")
                    .run(|order: Envelope<Order>| async move { format!("order.{}", order.payload().id) }),
            )
            .dispatcher(on_event("raw").run(|_: Envelope| async { "raw.ok" }))
            .dispatcher(
                on_event("pool")
                    .run_blocking(|order: Envelope<Order>| format!("pool.{}", order.payload().id)),
            )
            .routes(["typed", "raw", "pool"].map(to))
            .freeze()
            .unwrap();
        for payload in [Payload::json(json!({"id": 3})), Payload::bytes("{\"id\": 3}", Payload::JSON)] {
            let result = engine.dispatch(TOPIC, Envelope::new(payload)).await.unwrap();
            assert_eq!(crate::outputs(&result), ["order.3", "raw.ok", "pool.3"]);
        }
        let result = engine.dispatch(TOPIC, Envelope::json("Order", json!({"no": 3}))).await.unwrap();
        assert_eq!(crate::outputs(&result), ["raw.ok"]);
        let message = result.error_message().unwrap();
        assert!(message.starts_with("Dispatcher 'typed' failed: PayloadMismatch: the payload is not a Order but a json: missing field `id`"), "{message}");
        assert!(message.contains("; Dispatcher 'pool' failed: PayloadMismatch: "), "{message}");
    });
}
