//! Dispatchers that block threads of a pool. Gates stand in for time: no test sleeps.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use dispatch_actors::{Engine, on_event};
use dispatch_core::{DispatchStatus, Envelope};
use dispatch_tests::support::{builder, empty, in_real_time};

use crate::{TOPIC, outputs};

/// Holds threads until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (open, opened) = &*self.0;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// Opens the gate also when a test fails, so that it does not hang.
impl Drop for Gate {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.open();
        }
    }
}

fn spawn(engine: &Engine) -> tokio::task::JoinHandle<dispatch_core::DispatchResult> {
    let engine = engine.clone();
    actix::spawn(async move { engine.dispatch(TOPIC, empty()).await.unwrap() })
}

#[test]
fn a_blocking_function_never_runs_on_the_arbiter() {
    in_real_time(async {
        let arbiter = std::thread::current().id();
        let engine = builder()
            .dispatcher(on_event("a").route_all().run_blocking(move |_: Envelope| {
                assert_ne!(std::thread::current().id(), arbiter);
                "a.b"
            }))
            .freeze()
            .unwrap();
        assert_eq!(outputs(&engine.dispatch(TOPIC, empty()).await.unwrap()), ["a.b"]);
    });
}

#[test]
fn beyond_its_cap_a_dispatcher_is_saturated() {
    in_real_time(async {
        let gate = Gate::default();
        let own = gate.clone();
        let engine = builder()
            .dispatcher(on_event("a").cap(2).route_all().run_blocking(move |_: Envelope| own.pass()))
            .freeze()
            .unwrap();
        let first = [spawn(&engine), spawn(&engine)];
        tokio::task::yield_now().await;
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.error_message(), Some("Dispatcher 'a' failed: dispatcher saturated"));
        gate.open();
        for dispatch in first {
            assert!(dispatch.await.unwrap().is_successful());
        }
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful(), "there is room again");
        let metrics = engine.dispatcher_metrics("a").await.unwrap().unwrap();
        assert_eq!((metrics.saturated_count, metrics.error_count, metrics.success_count), (1, 1, 3));
    });
}

#[test]
fn a_slow_call_is_counted_and_a_quick_one_is_not() {
    in_real_time(async {
        for (limit, slow) in [(Duration::ZERO, 3), (Duration::from_secs(3600), 0)] {
            let engine = builder()
                .configure(|config| config.blocking_warn = limit)
                .dispatcher(on_event("a").route_all().run_blocking(|_: Envelope| {}))
                .freeze()
                .unwrap();
            for _ in 0..3 {
                assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
            }
            let metrics = engine.dispatcher_metrics("a").await.unwrap().unwrap();
            assert_eq!(metrics.slow_blocking_count, slow);
        }
    });
}

#[test]
fn a_late_reply_is_dropped_and_counted() {
    in_real_time(async {
        let gate = Gate::default();
        let own = gate.clone();
        let engine = builder()
            .dispatcher(on_event("a").timeout(Duration::from_millis(20)).route_all().run_blocking(
                move |_: Envelope| {
                    own.pass();
                    "too.late"
                },
            ))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!((result.status(), result.output_count()), (DispatchStatus::Timeout, 0));
        gate.open();
        let counted = async {
            while engine.metrics().await.unwrap().late_reply_count == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), counted).await.unwrap();
        let metrics = engine.dispatcher_metrics("a").await.unwrap().unwrap();
        assert_eq!((metrics.execution_count, metrics.timeout_count, metrics.late_reply_count), (1, 1, 1));
    });
}

#[test]
fn a_call_whose_time_is_up_before_a_thread_is_free_is_not_begun() {
    in_real_time(async {
        let (gate, calls) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
        let (own, counted) = (gate.clone(), Arc::clone(&calls));
        let engine = builder()
            .configure(|config| config.blocking_threads = 1)
            .dispatcher(on_event("a").timeout(Duration::from_millis(20)).route_all().run_blocking(
                move |_: Envelope| {
                    counted.fetch_add(1, SeqCst);
                    own.pass();
                },
            ))
            .freeze()
            .unwrap();
        for _ in 0..3 {
            assert_eq!(engine.dispatch(TOPIC, empty()).await.unwrap().status(), DispatchStatus::Timeout);
        }
        gate.open();
        while !engine.dispatch(TOPIC, empty()).await.unwrap().is_successful() {}
        let begun = calls.load(SeqCst);
        let executed = engine.metrics().await.unwrap().dispatcher_execution_count as usize;
        assert!(begun < executed, "{begun} of {executed} were begun, the two that waited were not");
    });
}

#[test]
fn a_named_pool_keeps_its_work_apart() {
    in_real_time(async {
        let gate = Gate::default();
        let own = gate.clone();
        let engine = builder()
            .configure(|config| {
                config.blocking_threads = 1;
                config.blocking_pools.insert("cpu".into(), 1);
            })
            .dispatcher(
                on_event("busy").types(["Busy"]).route_all().run_blocking(move |_: Envelope| own.pass()),
            )
            .dispatcher(
                on_event("cpu").pool("cpu").types(["empty"]).route_all().run_blocking(|_: Envelope| "c.ok"),
            )
            .freeze()
            .unwrap();
        let busy = {
            let engine = engine.clone();
            actix::spawn(
                async move { engine.dispatch(TOPIC, empty().with_message_type("Busy")).await.unwrap() },
            )
        };
        tokio::task::yield_now().await;
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(outputs(&result), ["c.ok"], "the default pool's one thread is taken");
        gate.open();
        assert!(busy.await.unwrap().is_successful());
    });
}

#[test]
fn a_pool_runs_no_more_calls_at_a_time_than_it_has_threads() {
    in_real_time(async {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
        let engine = builder()
            .configure(|config| config.blocking_threads = 3)
            .dispatcher(on_event("a").route_all().run_blocking(move |_: Envelope| {
                peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, SeqCst);
            }))
            .freeze()
            .unwrap();
        let results = engine.dispatch_many((0..500).map(|_| (TOPIC, empty()))).await;
        assert!(results.iter().all(|result| result.as_ref().unwrap().is_successful()));
        assert!(most.load(SeqCst) <= 3);
    });
}
