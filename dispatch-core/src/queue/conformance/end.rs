use std::time::Duration;

use uuid::Uuid;

use super::suite::Reopen;
use super::talk::{Checked, LEASE, Talk, expect_lost, object};
use crate::conformance::Findings;
use crate::messenger::{DispatchOptions, Duplicates};
use crate::queue::{
    Claim, Filter, LeaseToken, MessageQueue, Page, QueueError, Settlement, StoredMessage, Submission,
};

pub(super) async fn name(talk: &Talk, found: &mut Findings) -> Checked {
    let name = talk.queue.name();
    found.expect(name == talk.named, || format!("it was '{}', and is '{name}'", talk.named));
    Ok(())
}

/// What has to be there once the queue is opened again.
pub(super) struct Before {
    stored: Vec<StoredMessage>,
    token: LeaseToken,
    keyed: Uuid,
}

pub(super) async fn remember(talk: &Talk) -> Result<Before, QueueError> {
    talk.fill("before", 2).await?;
    talk.put("before", DispatchOptions::default().with_delay(Duration::from_secs(86_400))).await?;
    let lane = || DispatchOptions { ordering_key: Some("before".to_owned()), ..DispatchOptions::default() };
    talk.put("before", lane().with_delay(Duration::from_secs(86_400))).await?;
    talk.put("before", lane().with_delay(Duration::from_secs(86_401))).await?;
    let failed = talk.claim_one("before", "before").await?;
    talk.fail(&failed, "it broke").await?;
    let leased = talk.claim_one("before", "before").await?;
    let (keyed, _) = talk.put_keyed("keyed", "before", Duplicates::ReturnExisting, None).await?;
    talk.queue.set_paused(&talk.name("before")?, true).await?;
    let stored = talk.queue.list(&Filter::all().in_queue(talk.name("before")?), Page::first(10)).await?;
    Ok(Before { stored, token: leased.token, keyed })
}

pub(super) async fn closed(talk: &Talk, found: &mut Findings) -> Checked {
    let queue = &talk.queue;
    queue.close().await?;
    queue.close().await?;
    let name = talk.name("closed")?;
    let token = LeaseToken { id: talk.id(), worker: talk.worker("one"), claim: 1 };
    let claim = Claim { worker: talk.worker("one"), queues: vec![name.clone()], max: 1, lease: LEASE };
    let submission = Submission::new(talk.message("closed", DispatchOptions::default())?);
    let filter = Filter::all().in_queue(name.clone());
    let answers = [
        ("enqueue", queue.enqueue(vec![submission]).await.err()),
        ("claim", queue.claim(&claim).await.err()),
        ("extend", queue.extend(std::slice::from_ref(&token), LEASE).await.err()),
        ("settle", queue.settle(vec![Settlement::done(token)]).await.err()),
        ("wait", queue.wait(crate::queue::Wakeup::default()).await.err()),
        ("depth", queue.depth(None).await.err()),
        ("queues", queue.queues().await.err()),
        ("set_paused", queue.set_paused(&name, true).await.err()),
        ("find", queue.find(talk.id()).await.err()),
        ("list", queue.list(&filter, Page::first(1)).await.err()),
        ("replay", queue.replay(talk.id(), Some(object(serde_json::json!({}))), None).await.err()),
        ("cancel", queue.cancel(&[talk.id()]).await.err()),
        ("purge", queue.purge(&filter).await.err()),
        ("sweep", queue.sweep().await.err()),
    ];
    for (what, error) in answers {
        found.expect(matches!(error, Some(QueueError::Closed)), || {
            format!("{what} was answered with {error:?}")
        });
    }
    Ok(())
}

pub(super) async fn survived(
    talk: &Talk,
    before: Result<Before, QueueError>,
    reopen: &Reopen,
    found: &mut Findings,
) -> Checked {
    let Before { stored, token, keyed } = before?;
    let queue = reopen().await?;
    let filter = Filter::all().in_queue(talk.name("before")?);
    let listed = queue.list(&filter, Page::first(10)).await?;
    found.expect(listed == stored, || format!("what was {stored:?} is {listed:?}"));
    let queues = queue.queues().await?;
    found.expect(queues.contains(&(talk.name("before")?, true)), || {
        "the queue is not paused any more".to_owned()
    });
    let options = DispatchOptions::default().with_idempotency_key(talk.key("before"));
    let answers = queue.enqueue(vec![Submission::new(talk.message("keyed", options)?)]).await?;
    let of = answers.into_iter().find_map(Result::ok).and_then(|answer| answer.duplicate_of);
    found.expect(of == Some(keyed), || "a key is not remembered".to_owned());
    let foreign = LeaseToken { worker: talk.worker("other"), ..token.clone() };
    for answer in queue.settle(vec![Settlement::done(foreign)]).await? {
        expect_lost(answer, "the word of another", found);
    }
    let settled = queue.settle(vec![Settlement::done(token)]).await?;
    found.expect(settled.iter().all(Result::is_ok), || format!("a lease is not valid any more: {settled:?}"));
    queue.set_paused(&talk.name("before")?, false).await?;
    queue.purge(&filter).await?;
    queue.cancel(&[keyed]).await?;
    close(&*queue).await
}

async fn close(queue: &dyn MessageQueue) -> Checked {
    queue.close().await
}
