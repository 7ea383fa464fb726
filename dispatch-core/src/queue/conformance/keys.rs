use std::time::Duration;

use super::talk::{Checked, Talk, expect_discreet, ids};
use crate::conformance::{Findings, join};
use crate::messenger::{DispatchOptions, Duplicates};
use crate::queue::{Enqueued, QueueError, Submission};

use Duplicates::{Reject, Replace, ReturnExisting};

pub(super) async fn first(talk: &Talk, found: &mut Findings) -> Checked {
    let (id, _) = talk.put_keyed("first", "first", ReturnExisting, None).await?;
    let (_, answer) = talk.put_keyed("first", "first", ReturnExisting, None).await?;
    let answer = answer?;
    found.expect(answer == Enqueued::duplicate_of(id), || format!("the second was answered with {answer:?}"));
    let claimed = talk.claim("one", "first", 10).await?;
    found.expect(ids(&claimed) == [id], || "it is not the first that is stored".to_owned());
    // The queue is no part of what makes a key.
    let (_, answer) = talk.put_keyed("elsewhere", "first", ReturnExisting, None).await?;
    let answer = answer?;
    found.expect(answer.duplicate_of == Some(id), || {
        "another queue of the transport has keys of its own".to_owned()
    });
    talk.queue
        .settle(claimed.messages.into_iter().map(|it| crate::queue::Settlement::done(it.token)).collect())
        .await?;
    Ok(())
}

pub(super) async fn rejected(talk: &Talk, found: &mut Findings) -> Checked {
    let (id, _) = talk.put_keyed("rejected", "rejected", Reject, None).await?;
    match talk.put_keyed("rejected", "rejected", Reject, None).await?.1 {
        Err(error @ QueueError::Duplicate { of }) => {
            expect_discreet(&error, found);
            found.expect(of == id, || format!("it names {of}, not {id}"));
        }
        other => found.add(format!("the second was answered with {other:?}")),
    }
    talk.queue.cancel(&[id]).await?;
    Ok(())
}

pub(super) async fn replaced(talk: &Talk, found: &mut Findings) -> Checked {
    let (first, _) = talk.put_keyed("replaced", "replaced", Replace, None).await?;
    let (second, answer) = talk.put_keyed("replaced", "replaced", Replace, None).await?;
    let answer = answer?;
    found.expect(answer == Enqueued::stored(second).in_place_of(first), || {
        format!("it was answered with {answer:?}")
    });
    let claimed = talk.claim("one", "replaced", 10).await?;
    found.expect(ids(&claimed) == [second], || "it is not the second that is stored".to_owned());
    found.expect(talk.queue.find(first).await?.is_none(), || "the first is still there".to_owned());
    talk.queue
        .settle(claimed.messages.into_iter().map(|it| crate::queue::Settlement::done(it.token)).collect())
        .await?;
    Ok(())
}

pub(super) async fn begun(talk: &Talk, found: &mut Findings) -> Checked {
    let (first, _) = talk.put_keyed("begun", "begun", Replace, None).await?;
    let leased = talk.claim_one("one", "begun").await?;
    let (_, answer) = talk.put_keyed("begun", "begun", Replace, None).await?;
    let answer = answer?;
    found
        .expect(answer == Enqueued::duplicate_of(first), || format!("one at work: answered with {answer:?}"));
    talk.retry(&leased, talk.now()).await?;
    let (_, answer) = talk.put_keyed("begun", "begun", Replace, None).await?;
    let answer = answer?;
    found.expect(answer == Enqueued::duplicate_of(first), || {
        format!("one to be retried: answered with {answer:?}")
    });
    let leased = talk.claim_one("one", "begun").await?;
    talk.done(&leased).await
}

pub(super) async fn race(talk: &Talk, found: &mut Findings) -> Checked {
    let sends = (0..100).map(|_| talk.put_keyed("race", "race", ReturnExisting, None));
    let mut stored = Vec::new();
    let mut named = Vec::new();
    for send in join(sends).await {
        let (id, answer) = send?;
        match answer?.duplicate_of {
            None => stored.push(id),
            Some(of) => named.push(of),
        }
    }
    found.expect(stored.len() == 1, || format!("{} were stored", stored.len()));
    found.expect(named.iter().all(|of| stored.first() == Some(of)), || {
        "not all were told the first".to_owned()
    });
    let count = talk.depth("race").await?.ready;
    found.expect(count == 1, || format!("there are {count}"));
    talk.queue.cancel(&stored).await?;
    Ok(())
}

pub(super) async fn in_one_call(talk: &Talk, found: &mut Findings) -> Checked {
    let options = || DispatchOptions::default().with_idempotency_key(talk.key("one-call"));
    let submissions = vec![
        Submission::new(talk.message("one-call", options())?),
        Submission::new(talk.message("one-call", options())?),
    ];
    let first = submissions.first().map(|submission| submission.message.id);
    let answers = talk.queue.enqueue(submissions).await?;
    let duplicates = answers.into_iter().flatten().filter_map(|answer| answer.duplicate_of);
    found.expect(duplicates.eq(first), || "the second is no duplicate of the first".to_owned());
    talk.queue.cancel(&first.into_iter().collect::<Vec<_>>()).await?;
    Ok(())
}

pub(super) async fn after_done(talk: &Talk, found: &mut Findings) -> Checked {
    let until = Some(talk.now() + Duration::from_secs(3_600));
    let (id, _) = talk.put_keyed("after-done", "after-done", ReturnExisting, until).await?;
    let leased = talk.claim_one("one", "after-done").await?;
    talk.done(&leased).await?;
    talk.queue.sweep().await?;
    let (_, answer) = talk.put_keyed("after-done", "after-done", ReturnExisting, until).await?;
    let answer = answer?;
    found.expect(answer.duplicate_of == Some(id), || format!("it was answered with {answer:?}"));
    Ok(())
}

pub(super) async fn over(talk: &Talk, found: &mut Findings) -> Checked {
    for sweeps in [false, true] {
        let until = Some(talk.now() + Duration::from_secs(10));
        let key = if sweeps { "over-swept" } else { "over" };
        let (first, _) = talk.put_keyed("over", key, ReturnExisting, until).await?;
        talk.pass(Duration::from_secs(20));
        if sweeps {
            talk.queue.sweep().await?;
        }
        let (second, answer) = talk.put_keyed("over", key, ReturnExisting, None).await?;
        let answer = answer?;
        found.expect(answer == Enqueued::stored(second), || format!("it was answered with {answer:?}"));
        talk.queue.sweep().await?;
        let (_, answer) = talk.put_keyed("over", key, ReturnExisting, None).await?;
        let answer = answer?;
        found.expect(answer.duplicate_of == Some(second), || "the key is not that of the second".to_owned());
        talk.queue.cancel(&[first, second]).await?;
    }
    Ok(())
}

pub(super) async fn cancelled(talk: &Talk, found: &mut Findings) -> Checked {
    let (first, _) = talk.put_keyed("cancelled", "cancelled", ReturnExisting, None).await?;
    talk.queue.cancel(&[first]).await?;
    let (second, answer) = talk.put_keyed("cancelled", "cancelled", ReturnExisting, None).await?;
    let answer = answer?;
    found.expect(answer == Enqueued::stored(second), || format!("it was answered with {answer:?}"));
    talk.queue.cancel(&[second]).await?;
    Ok(())
}
