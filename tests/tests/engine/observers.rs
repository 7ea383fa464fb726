//! What an observer is told beside the dispatches themselves.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_actors::{EngineBuilder, Event, Interceptor, Verdict, on_event};
use dispatch_core::{DispatchStatus, Envelope};
use dispatch_tests::support::{Act, builder, empty, in_real_time, paused};

use crate::{TOPIC, to};

type Log = Arc<Mutex<Vec<String>>>;

/// A builder whose observer writes down everything but the dispatches.
fn observed(log: &Log) -> EngineBuilder {
    let sink = Arc::clone(log);
    builder().observer(move |event: &Event<'_>| {
        let line = match event {
            Event::Rejected { topic, reason, .. } => format!("rejected {topic}: {reason}"),
            Event::SlowBlocking { dispatcher_id, .. } => format!("{dispatcher_id} slow"),
            Event::LateReply { dispatcher_id, .. } => format!("{dispatcher_id} late"),
            Event::Reloaded { report } => format!("reloaded {} {:?}", report.version, report.retired),
            Event::Stopping { in_flight } => format!("stopping {in_flight}"),
            Event::Stopped { report } => format!("stopped {}", report.abandoned),
            _ => return,
        };
        sink.lock().unwrap().push(line);
    })
}

/// Rejects everything.
struct Closed;

impl Interceptor for Closed {
    fn before(&mut self, _: &mut Envelope) -> Verdict {
        Verdict::Reject("the password is x".into())
    }
}

#[test]
fn rejections_are_events_with_a_sanitised_reason() {
    paused(async {
        let log = Log::default();
        let engine = observed(&log).interceptor(Closed).freeze().unwrap();
        assert!(engine.dispatch(TOPIC, empty()).await.is_err());
        assert_eq!(
            *log.lock().unwrap(),
            [format!("rejected {TOPIC}: [REDACTED - potentially sensitive data]")]
        );
    });
}

#[test]
fn reload_and_the_end_are_events() {
    paused(async {
        let log = Log::default();
        let table =
            |builder: EngineBuilder, id| builder.dispatcher(on_event(id).run(Act::obey)).route(to(id));
        let engine = table(observed(&log), "a").freeze().unwrap();
        engine.reload(table(builder(), "b")).await.unwrap();
        assert!(engine.reload(builder().keep("a")).await.is_err(), "no event: nothing has changed");
        let hanging = engine.clone();
        let hanging = actix::spawn(async move { hanging.dispatch(TOPIC, Act::Hang.envelope()).await });
        tokio::task::yield_now().await;
        engine.shutdown(Duration::from_secs(1)).await.unwrap();
        assert!(hanging.await.unwrap().unwrap().is_error());
        assert_eq!(*log.lock().unwrap(), ["reloaded 1 [\"a\"]", "stopping 1", "stopped 1"]);
    });
}

#[test]
fn slow_calls_and_late_replies_are_events() {
    in_real_time(async {
        let log = Log::default();
        let (open, opened) = mpsc::channel();
        let opened = Mutex::new(opened);
        let wait = move |_: Envelope| {
            let _ = opened.lock().unwrap().recv_timeout(Duration::from_secs(10));
        };
        let engine = observed(&log)
            .configure(|config| config.blocking_warn = Duration::ZERO)
            .dispatcher(on_event("a").timeout(Duration::from_millis(20)).route_all().run_blocking(wait))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::Timeout);
        open.send(()).unwrap();
        let counted = async {
            while engine.metrics().await.unwrap().late_reply_count == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), counted).await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["a slow", "a late"]);
    });
}
