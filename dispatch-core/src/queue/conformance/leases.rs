use std::time::Duration;

use super::talk::{Checked, LEASE, Talk, expect_lost, ids};
use crate::conformance::Findings;
use crate::messenger::DispatchOptions;
use crate::queue::{Attempt, LeaseToken, Outcome};

pub(super) async fn ran_out(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("ran-out", DispatchOptions::default()).await?;
    let first = talk.claim_one("one", "ran-out").await?;
    let next = talk.claim("two", "ran-out", 1).await?;
    found.expect(next.messages.is_empty(), || "a second worker got it at once".to_owned());
    found.expect(next.next_due.is_some(), || "nobody is told when the lease runs out".to_owned());
    talk.pass(LEASE + Duration::from_secs(1));
    let second = talk.claim_one("two", "ran-out").await?;
    found.expect(second.token.id == id && second.attempt == 2, || {
        format!("it was claimed for attempt {}", second.attempt)
    });
    found.expect(second.token != first.token, || "both have the same token".to_owned());
    let lost = second.history.last();
    found.expect(
        lost.is_some_and(|it| it.number == 1 && it.ran.is_none() && it.worker == first.token.worker),
        || format!("the attempt that was lost is told as {lost:?}"),
    );
    found.expect(lost.is_some_and(|it| it.error == Attempt::LOST), || "its error does not say so".to_owned());
    talk.done(&second).await
}

pub(super) async fn extended(talk: &Talk, found: &mut Findings) -> Checked {
    talk.put("extended", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "extended").await?;
    for _ in 0..3 {
        talk.pass(LEASE - Duration::from_secs(10));
        let until = talk.queue.extend(std::slice::from_ref(&leased.token), LEASE).await?;
        found.expect(until.len() == 1 && until.iter().all(Result::is_ok), || {
            format!("it was not extended: {until:?}")
        });
    }
    found.expect(talk.claim("two", "extended", 1).await?.messages.is_empty(), || "it ran out".to_owned());
    talk.done(&leased).await
}

pub(super) async fn fenced(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("fenced", DispatchOptions::default()).await?;
    // Also from the same worker: the claim counts.
    for (first, second) in [("one", "two"), ("three", "three")] {
        let slow = talk.claim_one(first, "fenced").await?;
        talk.pass(LEASE + Duration::from_secs(1));
        let newer = talk.claim_one(second, "fenced").await?;
        let attempt = || talk.attempt(&slow, "too late");
        let outcomes = [
            Outcome::Done,
            Outcome::Retry { at: talk.now(), attempt: attempt(), succeeded: Vec::new() },
            Outcome::Failed { attempt: attempt(), succeeded: Vec::new() },
            Outcome::Release { at: None },
        ];
        for outcome in outcomes {
            expect_lost(talk.settle(&slow.token, outcome).await, "a late word", found);
        }
        let answers = talk.queue.extend(std::slice::from_ref(&slow.token), LEASE).await?;
        for answer in answers {
            expect_lost(answer, "a late extension", found);
        }
        found.expect(talk.queue.cancel(&[id]).await? == 0, || "it was cancelled while at work".to_owned());
        talk.settle(&newer.token, Outcome::Release { at: None }).await?;
    }
    let last = talk.claim_one("last", "fenced").await?;
    talk.done(&last).await
}

pub(super) async fn late(talk: &Talk, found: &mut Findings) -> Checked {
    talk.put("late", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "late").await?;
    talk.pass(LEASE * 2);
    let extended = talk.queue.extend(std::slice::from_ref(&leased.token), LEASE).await?;
    found.expect(extended.iter().all(Result::is_ok), || format!("it was not extended: {extended:?}"));
    found.expect(talk.claim("two", "late", 1).await?.messages.is_empty(), || {
        "the extension is worth nothing".to_owned()
    });
    talk.pass(LEASE * 2);
    talk.done(&leased).await
}

pub(super) async fn twice(talk: &Talk, found: &mut Findings) -> Checked {
    talk.fill("twice", 2).await?;
    let leased = talk.claim_one("one", "twice").await?;
    talk.done(&leased).await?;
    expect_lost(talk.done(&leased).await, "a second word", found);
    let leased = talk.claim_one("one", "twice").await?;
    talk.retry(&leased, talk.now()).await?;
    expect_lost(talk.done(&leased).await, "a second word", found);
    let again = talk.claim_one("one", "twice").await?;
    talk.done(&again).await
}

pub(super) async fn foreign(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("foreign", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "foreign").await?;
    let tokens = [
        LeaseToken { worker: talk.worker("two"), ..leased.token.clone() },
        LeaseToken { claim: leased.token.claim + 1, ..leased.token.clone() },
        LeaseToken { id: talk.id(), ..leased.token.clone() },
    ];
    for token in &tokens {
        expect_lost(talk.settle(token, Outcome::Done).await, "the word of another", found);
    }
    for answer in talk.queue.extend(&tokens, LEASE).await? {
        expect_lost(answer, "the extension of another", found);
    }
    found.expect(ids(&talk.claim("two", "foreign", 1).await?).is_empty(), || {
        "it was given to another".to_owned()
    });
    found.expect(talk.find(id).await?.lease.is_some(), || "nobody is at work".to_owned());
    talk.done(&leased).await
}
