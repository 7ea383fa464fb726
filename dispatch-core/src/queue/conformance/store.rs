use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::talk::{Checked, Talk, ids, nest};
use crate::conformance::{Findings, abandon};
use crate::messenger::{DispatchOptions, Priority, QueuedMessage};
use crate::queue::{Enqueued, MessageState, QueueError, Submission};

pub(super) async fn answered(talk: &Talk, found: &mut Findings) -> Checked {
    let mut messages = Vec::new();
    for _ in 0..10 {
        messages.push(talk.message("answered", DispatchOptions::default())?);
    }
    let wanted: Vec<_> = messages.iter().map(|message| Enqueued::stored(message.id)).collect();
    let answers = talk.queue.enqueue(messages.into_iter().map(Submission::new).collect()).await?;
    let answers: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
    found
        .expect(answers == wanted, || "the answers are not those of the messages, in their order".to_owned());
    found.expect(talk.queue.enqueue(Vec::new()).await?.is_empty(), || {
        "nothing is answered with something".to_owned()
    });
    found.expect(talk.queue.settle(Vec::new()).await?.is_empty(), || {
        "nothing is settled as something".to_owned()
    });
    Ok(())
}

pub(super) async fn whole(talk: &Talk, found: &mut Findings) -> Checked {
    let mut options = DispatchOptions::default().with_priority(9).with_idempotency_key(talk.key("whole"));
    options.headers = BTreeMap::from([("x-own".to_owned(), "ä ö ü \u{1f980}".to_owned())]);
    options.metadata = super::talk::object(json!({ "user": 7, "nested": [1, { "a": null }] }));
    options.scheduled_at = Some(talk.now() - Duration::from_secs(5));
    options.ttl = Some(Duration::from_secs(3_600));
    options.ordering_key = Some("customer-1".to_owned());
    let mut message = talk.message("whole", options)?;
    message.payload = super::talk::object(json!({
        "text": "zero \u{0} and \u{1f980}", "large": u64::MAX, "small": -0.1e-7, "deep": { "list": [true, null, "x"] }, "": {}
    }));
    talk.submit(Submission::new(message.clone())).await?;
    let stored = talk.find(message.id).await?;
    found.expect(stored.message().is_some_and(|stored| **stored == message), || {
        format!("it was found as {:?}, not as {message:?}", stored.message())
    });
    found.expect(stored.state == MessageState::Ready && stored.queue == message.queue, || {
        format!("it was found {} in {}", stored.state.as_str(), stored.queue)
    });
    let leased = talk.claim_one("one", "whole").await?;
    found.expect(*leased.message == message, || {
        format!("it was claimed as {:?}, not as {message:?}", leased.message)
    });
    found.expect(leased.attempt == 1 && leased.series == 0 && leased.history.as_slice().is_empty(), || {
        "its first attempt is not the first".to_owned()
    });
    talk.done(&leased).await
}

pub(super) async fn nested(talk: &Talk, found: &mut Findings) -> Checked {
    let mut message = talk.message("nested", DispatchOptions::default())?;
    message.payload = nest(QueuedMessage::DEEPEST);
    message.metadata = nest(QueuedMessage::DEEPEST);
    talk.submit(Submission::new(message.clone())).await?;
    let stored = talk.find(message.id).await?;
    found.expect(stored.message().is_some_and(|stored| **stored == message), || {
        "the deepest that is allowed does not come back whole".to_owned()
    });
    let leased = talk.claim_one("one", "nested").await?;
    found.expect(*leased.message == message, || "the deepest is not claimed whole".to_owned());
    talk.done(&leased).await?;

    for part in ["payload", "metadata"] {
        let mut deeper = talk.message("nested", DispatchOptions::default())?;
        let id = deeper.id;
        let place = if part == "payload" { &mut deeper.payload } else { &mut deeper.metadata };
        *place = nest(QueuedMessage::DEEPEST + 1);
        let answer = talk.submit(Submission::new(deeper)).await;
        found.expect(matches!(answer, Err(QueueError::TooDeep { part: named }) if named == part), || {
            format!("{part} that is nested too deep is answered with {answer:?}")
        });
        found.expect(talk.queue.find(id).await?.is_none(), || {
            format!("{part} that is nested too deep is stored")
        });
        talk.queue.cancel(&[id]).await?;
    }
    Ok(())
}

pub(super) async fn again(talk: &Talk, found: &mut Findings) -> Checked {
    let message = talk.message("again", DispatchOptions::default())?;
    for _ in 0..2 {
        let answer = talk.submit(Submission::new(message.clone())).await?;
        found.expect(answer == Enqueued::stored(message.id), || format!("it was answered with {answer:?}"));
    }
    let count = talk.depth("again").await?.ready;
    found.expect(count == 1, || format!("it is there {count} times"));
    let leased = talk.claim_one("one", "again").await?;
    talk.submit(Submission::new(message)).await?;
    found.expect(ids(&talk.claim("two", "again", 10).await?).is_empty(), || {
        "it was stored again while somebody worked on it".to_owned()
    });
    talk.done(&leased).await
}

pub(super) async fn many(talk: &Talk, found: &mut Findings) -> Checked {
    const COUNT: usize = 1_000;
    let mut submissions = Vec::new();
    for _ in 0..COUNT {
        submissions.push(Submission::new(talk.message("many", DispatchOptions::default())?));
    }
    let wanted: Vec<_> = submissions.iter().map(|submission| submission.message.id).collect();
    let answers = talk.queue.enqueue(submissions).await?;
    let stored = answers.iter().filter(|answer| answer.is_ok()).count();
    found.expect(stored == COUNT, || format!("{stored} of {COUNT} were stored"));
    let claimed = talk.claim("one", "many", COUNT + 1).await?;
    found.expect(ids(&claimed) == wanted, || "they were not claimed as they were stored".to_owned());
    let settlements = claimed.messages.into_iter().map(|leased| crate::queue::Settlement::done(leased.token));
    let settled = talk.queue.settle(settlements.collect()).await?;
    let done = settled.iter().filter(|answer| answer.is_ok()).count();
    found.expect(done == COUNT, || format!("{done} of {COUNT} were done"));
    Ok(())
}

pub(super) async fn dropped(talk: &Talk, found: &mut Findings) -> Checked {
    let message =
        talk.message("dropped", DispatchOptions::default().with_priority(i64::from(Priority::LOWEST)))?;
    abandon(talk.queue.enqueue(vec![Submission::new(message.clone())])).await;
    // What was given up may have been done; asking again makes sure of it.
    talk.submit(Submission::new(message.clone())).await?;
    let count = talk.depth("dropped").await?.ready;
    found.expect(count == 1, || format!("it is there {count} times"));
    let leased = talk.claim_one("one", "dropped").await?;
    talk.done(&leased).await
}
