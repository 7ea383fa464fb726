use std::time::Duration;

use super::talk::{Checked, Talk, ids};
use crate::conformance::Findings;
use crate::messenger::DispatchOptions;
use crate::queue::{Filter, MessageState, Outcome, Page, Settlement};

pub(super) async fn done(talk: &Talk, found: &mut Findings) -> Checked {
    talk.put("done", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "done").await?;
    talk.done(&leased).await?;
    let depth = talk.depth("done").await?;
    found.expect(depth.open() == 0 && depth.failed == 0, || format!("it is still there: {depth:?}"));
    found.expect(talk.claim("one", "done", 1).await?.messages.is_empty(), || {
        "it was claimed again".to_owned()
    });
    Ok(())
}

pub(super) async fn kept(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("kept", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "kept").await?;
    talk.done(&leased).await?;
    let stored = talk.find(id).await?;
    found.expect(
        stored.state == MessageState::Done && stored.settled_at.is_some() && stored.lease.is_none(),
        || format!("it was found as {stored:?}"),
    );
    talk.queue.sweep().await?;
    talk.find(id).await?;
    found.expect(talk.depth("kept").await?.done == 1, || "it is not counted".to_owned());
    found.expect(talk.queue.cancel(&[id]).await? == 1, || "it cannot be removed".to_owned());
    Ok(())
}

pub(super) async fn retried(talk: &Talk, found: &mut Findings) -> Checked {
    let id =
        talk.put("retried", DispatchOptions::default().with_idempotency_key(talk.key("retried"))).await?;
    for number in 1..4 {
        let leased = talk.claim_one("one", "retried").await?;
        found.expect(leased.token.id == id && leased.attempt == number, || {
            format!("attempt {number} is said to be attempt {}", leased.attempt)
        });
        let numbers: Vec<_> = leased.history.as_slice().iter().map(|attempt| attempt.number).collect();
        found.expect(numbers == (1..number).collect::<Vec<_>>(), || format!("the history is of {numbers:?}"));
        if number > 1 {
            let last = leased.history.last();
            found.expect(
                last.is_some_and(|last| {
                    last.error == "it broke" && last.ran == Some(Duration::from_millis(7))
                }),
                || format!("the last attempt is told as {last:?}"),
            );
            found.expect(leased.succeeded == ["first"], || format!("{:?} have succeeded", leased.succeeded));
        }
        talk.retry(&leased, talk.now()).await?;
    }
    let leased = talk.claim_one("one", "retried").await?;
    talk.done(&leased).await
}

pub(super) async fn retried_later(talk: &Talk, found: &mut Findings) -> Checked {
    talk.put("later", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "later").await?;
    let at = talk.now() + Duration::from_secs(20);
    talk.retry(&leased, at).await?;
    found.expect(talk.claim("one", "later", 1).await?.messages.is_empty(), || "it does not wait".to_owned());
    let depth = talk.depth("later").await?;
    found.expect((depth.ready, depth.scheduled, depth.leased) == (0, 1, 0), || {
        format!("it is counted as {depth:?}")
    });
    talk.pass(Duration::from_secs(21));
    let again = talk.claim_one("one", "later").await?;
    found.expect(again.due_at == at, || "it is not due when it was said".to_owned());
    talk.done(&again).await
}

pub(super) async fn failed(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("failed", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "failed").await?;
    talk.retry(&leased, talk.now()).await?;
    let leased = talk.claim_one("two", "failed").await?;
    talk.fail(&leased, "order 4711 is gone").await?;
    found.expect(talk.claim("one", "failed", 1).await?.messages.is_empty(), || "it was claimed".to_owned());
    let stored = talk.find(id).await?;
    found.expect(
        stored.state == MessageState::Failed && stored.settled_at.is_some() && stored.lease.is_none(),
        || format!("it was found as {stored:?}"),
    );
    let errors: Vec<_> = stored.history.as_slice().iter().map(|attempt| attempt.error.as_str()).collect();
    found.expect(errors == ["it broke", "order 4711 is gone"], || format!("the history is {errors:?}"));
    let helpless: Vec<_> = stored.history.as_slice().iter().map(|attempt| attempt.unrecoverable).collect();
    found.expect(helpless == [false, true], || {
        format!("whether trying again could have helped is kept as {helpless:?}")
    });
    found
        .expect(stored.error_group.as_ref().is_some_and(|group| group.as_str() == "order # is gone"), || {
            format!("its error is of the group {:?}", stored.error_group)
        });
    let listed = talk.queue.list(&Filter::failed().in_queue(talk.name("failed")?), Page::first(10)).await?;
    found.expect(listed == [stored], || "it is not listed as it is found".to_owned());
    talk.queue.cancel(&[id]).await?;
    Ok(())
}

pub(super) async fn released(talk: &Talk, found: &mut Findings) -> Checked {
    talk.put("released", DispatchOptions::default()).await?;
    for _ in 0..3 {
        let leased = talk.claim_one("one", "released").await?;
        found.expect(leased.attempt == 1 && leased.history.as_slice().is_empty(), || {
            format!("it has attempt {}", leased.attempt)
        });
        talk.settle(&leased.token, Outcome::Release { at: None }).await?;
    }
    let leased = talk.claim_one("one", "released").await?;
    let at = talk.now() + Duration::from_secs(3_600);
    talk.settle(&leased.token, Outcome::Release { at: Some(at) }).await?;
    let depth = talk.depth("released").await?;
    found.expect((depth.ready, depth.scheduled) == (0, 1), || {
        format!("it does not wait for its time: {depth:?}")
    });
    talk.queue.cancel(&[leased.token.id]).await?;
    Ok(())
}

pub(super) async fn many(talk: &Talk, found: &mut Findings) -> Checked {
    talk.fill("settled", 6).await?;
    let claimed = talk.claim("one", "settled", 6).await?.messages;
    let mut settlements = Vec::new();
    for (place, leased) in claimed.iter().enumerate() {
        let outcome = match place % 3 {
            0 => Outcome::Done,
            1 => Outcome::Failed { attempt: talk.attempt(leased, "it broke"), succeeded: Vec::new() },
            _ => Outcome::Release { at: None },
        };
        settlements.push(Settlement { token: leased.token.clone(), outcome });
    }
    if let Some(first) = settlements.first().cloned() {
        settlements.insert(3, first);
    }
    let answers: Vec<_> = talk.queue.settle(settlements).await?.iter().map(Result::is_ok).collect();
    found.expect(answers == [true, true, true, false, true, true, true], || {
        format!("the answers are {answers:?}")
    });
    let depth = talk.depth("settled").await?;
    found.expect((depth.ready, depth.failed, depth.leased) == (2, 2, 0), || {
        format!("they are counted as {depth:?}")
    });
    let left: Vec<_> = talk.claim("one", "settled", 10).await?.messages;
    found.expect(ids_of(&left).len() == 2, || format!("{} are left", left.len()));
    talk.queue.settle(left.into_iter().map(|leased| Settlement::done(leased.token)).collect()).await?;
    talk.queue.purge(&Filter::failed().in_queue(talk.name("settled")?)).await?;
    found.expect(ids(&talk.claim("one", "settled", 10).await?).is_empty(), || "something is left".to_owned());
    Ok(())
}

fn ids_of(leased: &[crate::queue::Leased]) -> Vec<uuid::Uuid> {
    leased.iter().map(|leased| leased.token.id).collect()
}
