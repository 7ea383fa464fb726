use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use dispatch_core::delivery::{DeadLetterOrigin, DeliveryError, Receipt};
use dispatch_core::uuid::Uuid;
use dispatch_core::{Envelope, RegistrationError};

use super::*;

/// Refuses everything until it is up, and one letter always.
#[derive(Default)]
struct Archive {
    up: AtomicBool,
    taken: AtomicUsize,
    poison: Option<Uuid>,
}

#[async_trait]
impl Adapter for Archive {
    fn name(&self) -> &str {
        "archive"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        if !self.up.load(Ordering::SeqCst) {
            return Err(DeliveryError::permanent("the archive is down"));
        }
        if self.poison == Some(envelope.id()) {
            return Err(DeliveryError::permanent("cannot read this one"));
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        Ok(Receipt::taken())
    }
}

fn letter(number: u128) -> DeadLetter {
    let origin = DeadLetterOrigin::Delivery { adapter: "test".into(), destination: "there".into() };
    let error = DeliveryError::permanent("no");
    DeadLetter::of_failure(
        Uuid::from_u128(number),
        Envelope::empty("Lost"),
        origin,
        &error,
        SystemTime::UNIX_EPOCH,
    )
}

async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::advance(Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_down_gets_everything_when_it_is_up() {
    let archive = Arc::new(Archive::default());
    let letters = DeadLetters::to([Arc::clone(&archive)]).unwrap();
    for number in 0..50 {
        letters.put(letter(number)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((letters.pending(), archive.taken.load(Ordering::SeqCst)), (50, 0));
    archive.up.store(true, Ordering::SeqCst);
    until(|| letters.pending() == 0).await;
    assert_eq!(archive.taken.load(Ordering::SeqCst), 50);
}

#[tokio::test(start_paused = true)]
async fn one_letter_that_cannot_be_taken_does_not_keep_back_the_rest() {
    let poison = Some(Uuid::from_u128(3));
    let archive = Arc::new(Archive { up: true.into(), poison, ..Archive::default() });
    let letters = DeadLetters::to([Arc::clone(&archive)]).unwrap();
    for number in 0..10 {
        letters.put(letter(number)).await.unwrap();
    }
    until(|| letters.pending() == 1).await;
    assert_eq!(archive.taken.load(Ordering::SeqCst), 9);
    let left = letters.close(Duration::from_secs(60)).await.left;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].1[0].id, Uuid::from_u128(3), "handed back, not lost");
    assert!(letters.put(letter(11)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_full_target_makes_those_wait_who_bring_more() {
    let archive = Arc::new(Archive::default());
    let letters = DeadLetters::with_options([Arc::clone(&archive)], RetryPolicy::forever(), 2).unwrap();
    letters.put(letter(1)).await.unwrap();
    letters.put(letter(2)).await.unwrap();
    let third = letters.clone();
    let third = tokio::spawn(async move { third.put(letter(3)).await });
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!third.is_finished(), "it waits");
    archive.up.store(true, Ordering::SeqCst);
    third.await.unwrap().unwrap();
    until(|| letters.pending() == 0).await;
    assert_eq!(archive.taken.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_letter_whose_caller_gives_up_waiting_is_kept() {
    let archives = [Arc::new(Archive::default()), Arc::new(Archive::default())];
    let letters = DeadLetters::with_options(archives.clone(), RetryPolicy::forever(), 1).unwrap();
    letters.put(letter(1)).await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(1), letters.put(letter(2))).await;
    assert!(second.is_err(), "it waited");
    assert_eq!(letters.pending(), 4, "both targets keep both");
    archives.iter().for_each(|archive| archive.up.store(true, Ordering::SeqCst));
    assert!(letters.close(Duration::from_secs(60)).await.is_complete());
    assert!(archives.iter().all(|archive| archive.taken.load(Ordering::SeqCst) == 2));
}

#[tokio::test(start_paused = true)]
async fn two_who_close_get_the_same_letters_at_the_earlier_deadline() {
    let letters = DeadLetters::to([Arc::new(Archive::default())]).unwrap();
    letters.put(letter(1)).await.unwrap();
    let before = tokio::time::Instant::now();
    let (late, early) =
        tokio::join!(letters.close(Duration::from_secs(600)), letters.close(Duration::from_secs(5)));
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    let again = letters.close(Duration::from_secs(1)).await;
    for report in [late, early, again] {
        assert_eq!(report.left[0].1[0].id, Uuid::from_u128(1));
    }
}

#[test]
fn no_runtime_and_no_target_are_errors_that_say_what_to_do() {
    let text = |result: Result<DeadLetters, RegistrationError>| result.unwrap_err().to_string();
    insta::assert_snapshot!(text(DeadLetters::to([Arc::new(Archive::default())])), @r"
    registration refused, 1 problem
      INVALID_STATE: there is no tokio runtime here: call this from async code, or inside Runtime::enter()
    ");
    insta::assert_snapshot!(text(DeadLetters::to(Vec::<Archive>::new())), @r"
    registration refused, 1 problem
      INVALID_CONFIGURATION: dead letters: there is no target: name at least one adapter
    ");
}

#[test]
fn whoever_closes_dead_letters_whose_runtime_has_ended_is_not_told_that_none_are_left() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let gone = runtime();
    let letters = gone.block_on(async {
        let letters = DeadLetters::to([Archive::default()]).unwrap();
        letters.put(letter(1)).await.unwrap();
        letters
    });
    drop(gone);
    let report = runtime().block_on(letters.close(Duration::from_secs(1)));
    assert!(!report.is_complete());
    assert_eq!((report.left.len(), report.unknown), (0, vec!["archive".to_owned()]));
}
