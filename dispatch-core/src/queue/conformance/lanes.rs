use std::time::Duration;

use super::claims::clear;
use super::talk::{Checked, Talk, ids};
use crate::conformance::Findings;
use crate::messenger::DispatchOptions;
use crate::queue::MessageState;

fn keyed(key: &str) -> DispatchOptions {
    DispatchOptions { ordering_key: Some(key.to_owned()), ..DispatchOptions::default() }
}

pub(super) async fn one_by_one(talk: &Talk, found: &mut Findings) -> Checked {
    let mut wanted = Vec::new();
    for _ in 0..3 {
        wanted.push(talk.put("lane", keyed("one-by-one")).await?);
    }
    let depth = talk.depth("lane").await?;
    found.expect((depth.ready, depth.waiting) == (1, 2), || {
        format!("{} are ready and {} wait, not one and two", depth.ready, depth.waiting)
    });
    for id in wanted {
        let claimed = talk.claim("one", "lane", 10).await?;
        found.expect(ids(&claimed) == [id], || "it is not the next alone that was claimed".to_owned());
        found.expect(ids(&talk.claim("two", "lane", 10).await?).is_empty(), || "two are at work".to_owned());
        for leased in &claimed.messages {
            talk.done(leased).await?;
        }
    }
    Ok(())
}

pub(super) async fn apart(talk: &Talk, found: &mut Findings) -> Checked {
    let first = talk.put("lanes", keyed("a")).await?;
    talk.put("lanes", keyed("a")).await?;
    let second = talk.put("lanes", keyed("b")).await?;
    let third = talk.put("lanes", DispatchOptions::default()).await?;
    let claimed = ids(&talk.claim("one", "lanes", 10).await?);
    found.expect(claimed == [first, second, third], || format!("{} were claimed, not three", claimed.len()));
    Ok(())
}

pub(super) async fn retried(talk: &Talk, found: &mut Findings) -> Checked {
    let first = talk.put("lane-retry", keyed("retried")).await?;
    let second = talk.put("lane-retry", keyed("retried")).await?;
    let leased = talk.claim_one("one", "lane-retry").await?;
    talk.retry(&leased, talk.now() + Duration::from_secs(3_600)).await?;
    found.expect(ids(&talk.claim("one", "lane-retry", 10).await?).is_empty(), || {
        "another one of its key was claimed before the retry".to_owned()
    });
    found.expect(talk.find(second).await?.state == MessageState::Waiting, || {
        "the next does not wait".to_owned()
    });
    talk.queue.cancel(&[first]).await?;
    found.expect(ids(&talk.claim("one", "lane-retry", 10).await?) == [second], || {
        "the next does not go on".to_owned()
    });
    Ok(())
}

pub(super) async fn held_back(talk: &Talk, found: &mut Findings) -> Checked {
    let first = talk.put("lane-held", keyed("held-back")).await?;
    let second = talk.put("lane-held", keyed("held-back")).await?;
    let leased = talk.claim_one("one", "lane-held").await?;
    let later = talk.now() + Duration::from_secs(3_600);
    talk.settle(&leased.token, crate::queue::Outcome::Release { at: Some(later) }).await?;
    found.expect(ids(&talk.claim("one", "lane-held", 10).await?).is_empty(), || {
        "it, or another one of its key, was claimed before its time".to_owned()
    });
    let states = (talk.find(first).await?.state, talk.find(second).await?.state);
    found.expect(states == (MessageState::Ready, MessageState::Waiting), || {
        format!("it and the next are {states:?}, not ready and waiting")
    });
    talk.queue.cancel(&[first]).await?;
    found.expect(ids(&talk.claim("one", "lane-held", 10).await?) == [second], || {
        "the next does not go on".to_owned()
    });
    Ok(())
}

pub(super) async fn earlier(talk: &Talk, found: &mut Findings) -> Checked {
    let tomorrow = talk.now() + Duration::from_secs(86_400);
    let late = talk.put("lane-earlier", keyed("earlier").at(tomorrow)).await?;
    let early = talk.put("lane-earlier", keyed("earlier")).await?;
    found.expect(talk.find(late).await?.state == MessageState::Waiting, || {
        "the later one is in front".to_owned()
    });
    let claimed = talk.claim("one", "lane-earlier", 10).await?;
    found.expect(ids(&claimed) == [early], || "one that is due waits for one that is not".to_owned());
    // Handed back, it is in front again.
    for leased in &claimed.messages {
        talk.settle(&leased.token, crate::queue::Outcome::Release { at: None }).await?;
    }
    found.expect(ids(&talk.claim("one", "lane-earlier", 10).await?) == [early], || {
        "it has lost its place".to_owned()
    });
    talk.queue.cancel(&[late]).await?;
    Ok(())
}

pub(super) async fn failed(talk: &Talk, found: &mut Findings) -> Checked {
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(talk.put("lane-failed", keyed("failed")).await?);
    }
    let leased = talk.claim_one("one", "lane-failed").await?;
    talk.fail(&leased, "it broke").await?;
    found.expect(all.get(1) == ids(&talk.claim("one", "lane-failed", 1).await?).first(), || {
        "the next does not go on after a failure".to_owned()
    });
    // One that waits, and so changes nothing; then the failed one comes back, behind the one at work.
    talk.queue.cancel(&all.get(2).copied().into_iter().collect::<Vec<_>>()).await?;
    found.expect(talk.queue.replay(leased.token.id, None, None).await?, || "it was not replayed".to_owned());
    found.expect(ids(&talk.claim("two", "lane-failed", 10).await?).is_empty(), || {
        "two are at work".to_owned()
    });
    talk.queue.cancel(&[leased.token.id]).await?;
    clear(talk, "lane-failed").await
}
