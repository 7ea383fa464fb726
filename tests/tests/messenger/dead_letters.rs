//! Failed messages as dead letters: told to a target, and listed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_actors::messenger::Messenger;
use dispatch_actors::on_command;
use dispatch_core::messenger::DispatchOptions;
use dispatch_core::queue::{Filter, MessageQueue, Page, QueueLimits};
use dispatch_core::{
    Adapter, Category, DeadLetter, DeadLetterOrigin, DeliveryError, DispatcherError, Envelope, Receipt, Route,
};
use dispatch_tests::support::{builder as builder_of_engine, paused};
use serde_json::json;

use crate::support::{Seen, clock, config, engine, number, pass, queue, queue_with, send, send_with, work};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps dead letters, unless it is told to be down, to hang, to panic, or to refuse one.
#[derive(Clone, Default)]
pub(crate) struct Archive {
    letters: Arc<Mutex<Vec<DeadLetter>>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    down: AtomicBool,
    hangs: AtomicBool,
    panics: AtomicBool,
    refuses: AtomicBool,
    tries: AtomicUsize,
}

impl Archive {
    pub(crate) fn all(&self) -> Vec<DeadLetter> {
        self.letters.lock().unwrap().clone()
    }
}

#[async_trait]
impl Adapter for Archive {
    fn name(&self) -> &str {
        "archive"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.state.tries.fetch_add(1, Ordering::Relaxed);
        if self.state.panics.swap(false, Ordering::Relaxed) {
            panic!("boom");
        }
        if self.state.hangs.swap(false, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.state.down.load(Ordering::Relaxed) {
            return Err(DeliveryError::retry("the archive is down"));
        }
        if self.state.refuses.load(Ordering::Relaxed) {
            return Err(DeliveryError::permanent("the archive wants none"));
        }
        let letter = DeadLetter::from_envelope(envelope).unwrap();
        self.letters.lock().unwrap().push(DeadLetter::clone(&letter));
        Ok(Receipt::taken())
    }
}

/// A messenger that tells a target.
pub(crate) fn messenger(queue: Arc<dyn MessageQueue>, target: impl Adapter) -> Messenger {
    Messenger::builder()
        .config(config("[transports.default]\ntype = 'memory'"))
        .shared_transport("default", queue)
        .clock(Arc::new(clock()))
        .dead_letters(target)
        .build()
        .unwrap()
}

pub(crate) fn fails(seen: &Seen) -> dispatch_actors::Engine {
    let handler = seen.handler("mail", Duration::ZERO, |number| match number {
        0..10 => Err(DispatcherError::msg("no such address").unrecoverable()),
        10..20 => Err(DispatcherError::new("IoError", "no route")),
        _ => Ok(()),
    });
    engine([("mail", handler)])
}

async fn untold(messenger: &Messenger) -> (u64, u64) {
    let work = &messenger.metrics().await.transports["default"].work;
    (work.dead_lettered, work.untold)
}

#[test]
fn what_fails_for_good_is_told_once_it_is_stored() {
    paused(async {
        let (archive, seen) = (Archive::default(), Seen::new());
        let messenger = messenger(Arc::new(queue("default")), archive.clone());
        let worker = work(&messenger, &fails(&seen), |_| ());
        let mut ids = Vec::new();
        for number in [1, 11, 21] {
            ids.push(send(&messenger, number).await);
        }
        pass(60_000).await;
        let letters = archive.all();
        let shown: Vec<_> = letters
            .iter()
            .map(|letter| (letter.envelope.id(), &*letter.kind, letter.history.attempts))
            .collect();
        assert_eq!(shown, [(ids[0], "unrecoverable", 1), (ids[1], "exhausted", 4)]);
        let last = &letters[1];
        assert_eq!([&last.history.first_error, &last.last_error], ["mail: IoError: no route"; 2]);
        assert_eq!(
            last.history.last_failed_at.duration_since(last.history.first_failed_at).unwrap(),
            7 * SECOND
        );
        assert_eq!(
            last.envelope.headers().get("x-message-attempt"),
            Some("4"),
            "as its handlers got it last"
        );
        assert_eq!(number(&last.envelope), 11);

        let listed = messenger.failed("default", &Filter::all(), Page::first(10)).await.unwrap();
        let same = |letters: &[DeadLetter]| serde_json::to_value(letters).unwrap();
        assert_eq!(same(&listed), same(&letters), "whoever asks gets the same");
        assert_eq!(untold(&messenger).await, (2, 0));
        assert_eq!(worker.drain(SECOND).await.unwrap().untold, 0);
    });
}

#[test]
fn after_a_replay_it_is_another_dead_letter() {
    paused(async {
        let (archive, seen) = (Archive::default(), Seen::new());
        let messenger = messenger(Arc::new(queue("default")), archive.clone());
        let _worker = work(&messenger, &fails(&seen), |_| ());
        let id = send(&messenger, 1).await;
        pass(10).await;
        assert!(messenger.retry("default", id, None).await.unwrap());
        pass(10).await;
        let letters = archive.all();
        assert_eq!(letters.len(), 2);
        assert_ne!(letters[0].id, letters[1].id);
        let series = letters.iter().map(|letter| match &letter.origin {
            DeadLetterOrigin::Message { series, message_id, .. } => (*series, *message_id),
            _ => panic!("{letter:?}"),
        });
        assert_eq!(series.collect::<Vec<_>>(), [(0, id), (1, id)]);
    });
}

#[test]
fn a_target_that_is_down_hangs_or_panics_is_told_again_and_no_worker_waits_for_it() {
    paused(async {
        let (archive, seen) = (Archive::default(), Seen::new());
        let messenger = messenger(Arc::new(queue("default")), archive.clone());
        let worker = work(&messenger, &fails(&seen), |_| ());
        archive.state.down.store(true, Ordering::Relaxed);
        for number in 0..5 {
            send(&messenger, number).await;
        }
        pass(600_000).await;
        assert!(archive.all().is_empty());
        let metrics = messenger.metrics().await;
        let (own, worker_own) = (&metrics.transports["default"], &metrics.workers["1"]);
        assert_eq!((own.queues["default"].failed, worker_own.untold, own.work.untold), (5, 5, 0));
        assert!(
            archive.state.tries.load(Ordering::Relaxed) < 5 * 40,
            "it is left alone for longer and longer"
        );
        send(&messenger, 20).await;
        pass(10).await;
        assert_eq!(worker.info().await.unwrap().so_far.done, 1, "the work goes on");
        archive.state.down.store(false, Ordering::Relaxed);
        pass(31_000).await;
        assert_eq!((archive.all().len(), untold(&messenger).await), (5, (5, 0)));

        for trouble in [&archive.state.panics, &archive.state.hangs] {
            trouble.store(true, Ordering::Relaxed);
            let known = archive.all().len();
            send(&messenger, 6).await;
            pass(31_000).await;
            assert_eq!(archive.all().len(), known + 1);
        }
    });
}

#[test]
fn what_the_target_refuses_or_a_worker_has_no_time_for_is_counted_and_still_stored() {
    paused(async {
        let (archive, seen) = (Archive::default(), Seen::new());
        let messenger = messenger(Arc::new(queue("default")), archive.clone());
        let engine = fails(&seen);
        let worker = work(&messenger, &engine, |_| ());
        archive.state.refuses.store(true, Ordering::Relaxed);
        send(&messenger, 1).await;
        pass(60_000).await;
        assert_eq!((untold(&messenger).await, archive.state.tries.load(Ordering::Relaxed)), ((0, 1), 1));
        worker.drain(SECOND).await.unwrap();

        archive.state.refuses.store(false, Ordering::Relaxed);
        archive.state.down.store(true, Ordering::Relaxed);
        let worker = work(&messenger, &engine, |config| config.max_messages = Some(1));
        let begun = tokio::time::Instant::now();
        send(&messenger, 2).await;
        let report = worker.ended().await.unwrap();
        assert_eq!((report.failed, report.untold, report.is_clean()), (1, 1, true));
        assert!(begun.elapsed() <= 6 * SECOND, "it does not wait for ever: {:?}", begun.elapsed());
        assert_eq!(untold(&messenger).await, (0, 2));
        let listed = messenger.failed("default", &Filter::all(), Page::first(10)).await.unwrap();
        assert_eq!(listed.len(), 2, "the transport has them");
    });
}

#[test]
fn what_was_replayed_or_dropped_meanwhile_is_not_told() {
    paused(async {
        let (archive, seen) = (Archive::default(), Seen::new());
        let messenger = messenger(Arc::new(queue("default")), archive.clone());
        let _worker = work(&messenger, &fails(&seen), |_| ());
        archive.state.down.store(true, Ordering::Relaxed);
        let (dropped, repaired) = (send(&messenger, 1).await, send(&messenger, 2).await);
        pass(100).await;
        assert_eq!(messenger.cancel("default", &[dropped]).await.unwrap(), 1);
        let payload = json!({ "number": 20 }).as_object().cloned();
        assert!(messenger.retry("default", repaired, payload).await.unwrap());
        archive.state.down.store(false, Ordering::Relaxed);
        pass(60_000).await;
        assert_eq!((archive.all().len(), untold(&messenger).await), (0, (0, 0)));
        assert_eq!(messenger.metrics().await.workers["1"].untold, 0, "nothing is left to tell");
    });
}

#[test]
fn messages_that_have_expired_are_no_failures_but_can_be_listed() {
    paused(async {
        let limits = QueueLimits { keep_done: 600 * SECOND, ..QueueLimits::default() };
        let (archive, seen) = (Archive::default(), Seen::new());
        let messenger = messenger(Arc::new(queue_with("default", limits)), archive.clone());
        let ttl = DispatchOptions { ttl: Some(SECOND), ..DispatchOptions::default() };
        let id = send_with(&messenger, 1, ttl).await;
        pass(2_000).await;
        let _worker = work(&messenger, &fails(&seen), |_| ());
        pass(1_000).await;
        let expired = messenger.expired("default", &Filter::all(), Page::first(10)).await.unwrap();
        let shown: Vec<_> = expired.iter().map(|letter| (letter.envelope.id(), &*letter.kind)).collect();
        assert_eq!(shown, [(id, "expired")]);
        assert!(messenger.failed("default", &Filter::all(), Page::first(10)).await.unwrap().is_empty());
        assert!(archive.all().is_empty());
    });
}

/// A transport is a store of dead letters: listed, edited and replayed as every message that has failed.
#[test]
fn a_dead_letter_in_a_transport_is_listed_edited_and_replayed() {
    paused(async {
        let letters = Messenger::builder()
            .config(config("[transports.default]\ntype = 'memory'"))
            .transport("default", queue("default"))
            .clock(Arc::new(clock()))
            .build()
            .unwrap();
        let seen = Seen::new();
        let messenger = messenger(Arc::new(queue("default")), letters.adapter());
        let mails = fails(&seen);
        let _worker = work(&messenger, &mails, |_| ());
        let id = send(&messenger, 1).await;
        pass(100).await;

        // Its handler sends the envelope once more if somebody has repaired it; until then it waits for that.
        let again = messenger.clone();
        let sort = on_command("sort").run(move |envelope: Envelope| {
            let again = again.clone();
            async move {
                let letter =
                    DeadLetter::from_envelope(&envelope).ok_or_else(|| DispatcherError::msg("no letter"))?;
                if number(&letter.envelope) < 10 {
                    return Err(DispatcherError::msg("it would fail again").unrecoverable());
                }
                let sent = again.adapter().without_keys().deliver(&letter.envelope).await;
                sent.map(drop).map_err(|error| DispatcherError::msg(error.to_string()))
            }
        });
        let route =
            Route::new("sort", "messenger.**", Category::Command, "sort").with_message_type("DeadLetter");
        let sorting = builder_of_engine().dispatcher(sort).route(route).freeze().unwrap();
        let _sorter = work(&letters, &sorting, |_| ());
        pass(100).await;

        let waiting = letters.list("default", &Filter::failed(), Page::first(10)).await.unwrap();
        let message = waiting[0].message().unwrap();
        let letter = DeadLetter::from_envelope(&message.to_envelope()).unwrap();
        assert_eq!((waiting.len(), letter.envelope.id(), letter.destination()), (1, id, "default"));
        assert!(letters.failed("default", &Filter::all(), Page::first(10)).await.unwrap().len() == 1);

        let mut repaired = message.payload.clone();
        repaired["envelope"]["payload"]["number"] = json!(20);
        assert!(letters.retry("default", waiting[0].id, Some(repaired)).await.unwrap());
        pass(100).await;
        assert_eq!(seen.numbers(), [1, 20], "the mail that failed was sent");
        assert!(letters.list("default", &Filter::all(), Page::first(10)).await.unwrap().is_empty());
    });
}

/// Else one letter that nobody can handle would make others for ever.
#[test]
fn a_message_that_holds_a_dead_letter_makes_no_other() {
    paused(async {
        let (seen, default, dead) = (Seen::new(), Arc::new(queue("default")), Arc::new(queue("dead")));
        let text = "[transports.default]\ntype = 'memory'\n[transports.dead]\ntype = 'memory'";
        let builder = || {
            Messenger::builder()
                .config(config(text))
                .clock(Arc::new(clock()))
                .shared_transport("default", Arc::clone(&default) as _)
                .shared_transport("dead", Arc::clone(&dead) as _)
        };
        let target = builder().build().unwrap().adapter().to("dead");
        let messenger = builder().dead_letters(target).build().unwrap();
        let handler =
            seen.handler("mail", Duration::ZERO, |_| Err(DispatcherError::msg("no").unrecoverable()));
        let route =
            Route::new("mail", "messenger.**", Category::Command, "mail").with_message_type("SendMail");
        let engine = builder_of_engine().dispatcher(handler).route(route).freeze().unwrap();
        let _worker = work(&messenger, &engine, |_| ());
        send(&messenger, 1).await;
        pass(600_000).await;
        let metrics = messenger.metrics().await;
        let failed = |name: &str| metrics.transports[name].queues.get("default").map(|own| own.failed);
        assert_eq!(
            (failed("default"), failed("dead")),
            (Some(1), Some(1)),
            "nobody handles dead letters here"
        );
        let work = ["default", "dead"].map(|name| &metrics.transports[name].work);
        assert_eq!(work.map(|work| (work.dead_lettered, work.untold)), [(1, 0), (0, 0)]);
    });
}
