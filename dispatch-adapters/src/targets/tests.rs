use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

use super::*;

/// Takes a while, fails or hangs, and remembers the order of what came.
#[derive(Default)]
struct Place {
    takes: Duration,
    fails: bool,
    hangs: bool,
    order: std::sync::Mutex<Vec<dispatch_core::uuid::Uuid>>,
    now: AtomicUsize,
}

#[async_trait]
impl Adapter for Place {
    fn name(&self) -> &str {
        "place"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.now.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.fails {
            return Err(DeliveryError::permanent("no room"));
        }
        self.order.lock().unwrap().push(envelope.id());
        Ok(Receipt::with_id("here"))
    }
}

fn place(takes_ms: u64) -> Arc<Place> {
    Arc::new(Place { takes: Duration::from_millis(takes_ms), ..Place::default() })
}

fn target(number: usize, place: &Arc<Place>) -> Target {
    let delivery = Delivery::to(Arc::clone(place)).timeout(Duration::from_secs(5)).start().unwrap();
    Target::new(format!("t{number}"), delivery)
}

#[tokio::test(start_paused = true)]
async fn each_target_has_its_own_result_at_its_own_index() {
    let (good, bad) = (place(50), Arc::new(Place { fails: true, ..Place::default() }));
    let targets = Targets::new([target(0, &good), target(1, &bad), target(2, &place(1))]).unwrap();
    let outcomes = targets.deliver_each(&Envelope::empty("Note")).await;
    let shown: Vec<_> = outcomes.iter().map(|it| (it.index, &*it.target, it.is_ok())).collect();
    assert_eq!(shown, [(0, "t0", true), (1, "t1", false), (2, "t2", true)]);
    let error = targets.deliver(&Envelope::empty("Note")).await.unwrap_err();
    assert_eq!(error.to_string(), "1 of 3 targets failed: t1: no room");
}

#[tokio::test(start_paused = true)]
async fn at_most_eight_targets_are_worked_on_at_once() {
    let places: Vec<_> = (0..20).map(|_| place(100)).collect();
    let targets = Targets::new(places.iter().enumerate().map(|(n, it)| target(n, it))).unwrap();
    let before = Instant::now();
    targets.deliver_each(&Envelope::empty("Note")).await;
    assert_eq!(before.elapsed().as_millis() / 100, 3, "20 at 8 a time, 100 ms each");
}

#[tokio::test(start_paused = true)]
async fn a_batch_reaches_every_target_in_order() {
    let places = [place(5), place(1)];
    let targets = Targets::new(places.iter().enumerate().map(|(n, it)| target(n, it))).unwrap();
    let envelopes: Vec<_> = (0..30).map(|_| Envelope::empty("Note")).collect();
    let outcomes = targets.deliver_all(&envelopes).await;
    assert!(outcomes.len() == 30 && outcomes.iter().flatten().all(TargetOutcome::is_ok));
    let ids: Vec<_> = envelopes.iter().map(Envelope::id).collect();
    for place in &places {
        assert_eq!(*place.order.lock().unwrap(), ids);
    }
    assert!(targets.deliver_all(&[]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_target_that_hangs_costs_the_nine_others_nothing() {
    let run = async |hanging: bool| {
        let mut places: Vec<_> = (0..9).map(|_| place(10)).collect();
        places.push(Arc::new(Place { hangs: hanging, takes: Duration::from_millis(10), ..Place::default() }));
        let list = places.iter().enumerate().map(|(n, it)| target(n, it).queued());
        let targets = Targets::new(list).unwrap();
        for _ in 0..500 {
            targets.deliver_each(&Envelope::empty("Note")).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        places[..9].iter().map(|place| place.order.lock().unwrap().len()).sum::<usize>()
    };
    let (with, without) = (run(true).await, run(false).await);
    assert!(with * 100 >= without * 95, "{with} delivered beside one that hangs, {without} without");
}

#[tokio::test]
async fn a_list_that_cannot_be_is_refused_with_all_its_problems() {
    let place = place(0);
    let twice = Targets::new((0..1001).map(|n| target(n % 1000, &place))).unwrap_err();
    insta::assert_snapshot!(twice, @r"
    registration refused, 2 problems
      DUPLICATE_REGISTRATION: target 't0' is listed twice: give each target a name of its own
      INVALID_PARAMETER: 1001 targets: use 1 to 1000
    ");
    assert!(Targets::new([]).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_list_is_shut_down_as_a_whole() {
    let places = [place(5), place(50)];
    let targets = Targets::new(places.iter().enumerate().map(|(n, it)| target(n, it).queued())).unwrap();
    for _ in 0..20 {
        targets.deliver_each(&Envelope::empty("Note")).await;
    }
    let reports = targets.shutdown(Duration::from_secs(10)).await;
    assert!(reports.len() == 2 && reports.iter().all(DeliveryReport::is_complete), "{reports:?}");
    assert!(places.iter().all(|place| place.order.lock().unwrap().len() == 20));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_keeps_one_place_and_no_more() {
    let hanging = Arc::new(Place { hangs: true, ..Place::default() });
    let places: Vec<_> = (0..20).map(|_| place(10)).collect();
    let list = std::iter::once(&hanging).chain(&places).enumerate().map(|(n, it)| target(n, it));
    let targets = Targets::new(list).unwrap();
    let envelope = Envelope::empty("Note");
    // The hanging one comes first, and nothing is queued.
    let waited = tokio::time::timeout(Duration::from_millis(100), targets.deliver_each(&envelope)).await;
    assert!(waited.is_err(), "it waits for the one that hangs");
    assert!(places.iter().all(|place| place.order.lock().unwrap().len() == 1));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_asked_for_is_a_refusal_and_the_longest_delay_counts() {
    let stopped = stopped_target().await;
    let targets = Targets::new([stopped.clone(), target(1, &place(1))]).unwrap();
    let error = targets.deliver(&Envelope::empty("Note")).await.unwrap_err();
    assert!(error.refusal().is_some(), "no breaker around it counts this");
    let bad = target(2, &Arc::new(Place { fails: true, ..Place::default() }));
    let targets = Targets::new([stopped, bad]).unwrap();
    assert!(targets.deliver(&Envelope::empty("Note")).await.unwrap_err().refusal().is_none());
    let half = Targets::new([target(3, &place(1)), stopped_target().await]).unwrap();
    let error = half.deliver(&Envelope::empty("Note")).await.unwrap_err();
    let attempts = error.history().map(|history| history.attempts);
    assert!(error.refusal().is_some() && attempts == Some(1), "the other one has taken it");
}

async fn stopped_target() -> Target {
    let stopped = target(9, &place(1));
    assert!(stopped.delivery().shutdown(Duration::from_secs(1)).await.is_complete());
    stopped
}
