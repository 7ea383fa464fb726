use std::collections::BTreeSet;
use std::time::Duration;

use super::talk::{Checked, LEASE, Talk, ids};
use crate::conformance::{Findings, join};
use crate::messenger::DispatchOptions;
use crate::queue::{Claim, Settlement};

fn options() -> DispatchOptions {
    DispatchOptions::default()
}

/// Everything of a queue is done. One whose messages never end is left alone after a while.
pub(super) async fn clear(talk: &Talk, queue: &str) -> Checked {
    for _ in 0..100 {
        let claimed = talk.claim("clear", queue, 1_000).await?.messages;
        if claimed.is_empty() {
            break;
        }
        talk.queue.settle(claimed.into_iter().map(|leased| Settlement::done(leased.token)).collect()).await?;
    }
    Ok(())
}

pub(super) async fn ordered(talk: &Talk, found: &mut Findings) -> Checked {
    let earlier = talk.now() - Duration::from_secs(5);
    let mut messages = Vec::new();
    // Priority, and by how much earlier than the others it is due.
    for (priority, before) in [(5, 0), (5, 1), (10, 0), (1, 3), (5, 0), (10, 2), (9, 0), (1, 0)] {
        let mut message = talk.message("ordered", options().with_priority(priority))?;
        message.available_at = earlier - Duration::from_secs(before);
        messages.push(message);
    }
    for message in messages.clone() {
        talk.submit(crate::queue::Submission::new(message)).await?;
    }
    messages.sort_by_key(|message| (10 - message.priority.get(), message.available_at, message.id));
    let wanted: Vec<_> = messages.iter().map(|message| message.id).collect();
    let mut taken = Vec::new();
    for max in [1, 3, 10] {
        taken.extend(ids(&talk.claim("one", "ordered", max).await?));
    }
    let place = |id| wanted.iter().position(|wanted| wanted == id);
    found.expect(taken == wanted, || {
        format!("they were claimed in the order {:?}", taken.iter().map(place).collect::<Vec<_>>())
    });
    Ok(())
}

pub(super) async fn due(talk: &Talk, found: &mut Findings) -> Checked {
    let at = talk.now() + Duration::from_secs(30);
    let later = talk.put("due", options().at(at).with_priority(10)).await?;
    let claimed = talk.claim("one", "due", 10).await?;
    found.expect(claimed.messages.is_empty(), || "it was claimed before its time".to_owned());
    found.expect(claimed.next_due.is_some_and(|due| due <= at), || {
        format!("the next is due at {:?}, not by {at:?}", claimed.next_due)
    });
    let now = talk.put("due", options().with_priority(1)).await?;
    found.expect(ids(&talk.claim("one", "due", 10).await?) == [now], || {
        "one that is not due keeps back one that is".to_owned()
    });
    talk.pass(Duration::from_secs(31));
    let claimed = talk.claim("two", "due", 10).await?;
    found.expect(ids(&claimed) == [later], || "it was not claimed when it was due".to_owned());
    found
        .expect(claimed.messages.iter().all(|it| it.due_at == at), || "it is not due when it was".to_owned());
    talk.pass(LEASE * 2);
    clear(talk, "due").await
}

pub(super) async fn bounded(talk: &Talk, found: &mut Findings) -> Checked {
    let (here, there) = (talk.fill("here", 5).await?, talk.fill("there", 5).await?);
    let claimed = talk.claim("one", "here", 3).await?;
    found.expect(Some(ids(&claimed).as_slice()) == here.get(..3), || {
        "it did not take the first three".to_owned()
    });
    found.expect(talk.claim("one", "here", 0).await?.messages.is_empty(), || "none was asked for".to_owned());
    let claim = Claim {
        worker: talk.worker("two"),
        queues: vec![talk.name("there")?, talk.name("here")?, talk.name("there")?],
        max: 100,
        lease: LEASE,
    };
    let taken: BTreeSet<_> = ids(&talk.queue.claim(&claim).await?).into_iter().collect();
    let wanted: BTreeSet<_> = here.into_iter().skip(3).chain(there).collect();
    found.expect(taken == wanted, || "it did not take what was left of two queues".to_owned());
    let nothing = Claim { queues: Vec::new(), ..claim };
    found.expect(talk.queue.claim(&nothing).await?.messages.is_empty(), || "no queue was named".to_owned());
    Ok(())
}

pub(super) async fn paused(talk: &Talk, found: &mut Findings) -> Checked {
    let (queue, ids_) = (talk.name("paused")?, talk.fill("paused", 2).await?);
    let first = talk.claim_one("one", "paused").await?;
    talk.queue.set_paused(&queue, true).await?;
    found
        .expect(talk.claim("two", "paused", 10).await?.messages.is_empty(), || "it is not paused".to_owned());
    let listed = talk.queue.queues().await?;
    found.expect(listed.contains(&(queue.clone(), true)), || "it is not listed as paused".to_owned());
    talk.done(&first).await?;
    talk.fill("paused", 1).await?;
    found.expect(talk.depth("paused").await?.ready == 2, || {
        "a paused queue does not take messages".to_owned()
    });
    talk.queue.set_paused(&queue, false).await?;
    let claimed = talk.claim("two", "paused", 1).await?;
    found.expect(ids(&claimed).first() == ids_.get(1), || "it does not go on where it was".to_owned());
    Ok(())
}

pub(super) async fn race(talk: &Talk, found: &mut Findings) -> Checked {
    const COUNT: usize = 200;
    let wanted: BTreeSet<_> = talk.fill("race-claims", COUNT).await?.into_iter().collect();
    let names: Vec<_> = (0..8).map(|worker| format!("racer-{worker}")).collect();
    let mut taken = Vec::new();
    while taken.len() < COUNT {
        let before = taken.len();
        for claimed in join(names.iter().map(|name| talk.claim(name, "race-claims", 7))).await {
            taken.extend(ids(&claimed?));
        }
        if taken.len() == before {
            break;
        }
    }
    let distinct: BTreeSet<_> = taken.iter().copied().collect();
    found.expect(distinct.len() == taken.len(), || {
        format!("{} messages were claimed {} times", distinct.len(), taken.len())
    });
    found.expect(distinct == wanted, || format!("{} of {COUNT} were claimed", distinct.len()));
    Ok(())
}

pub(super) async fn expired(talk: &Talk, found: &mut Findings) -> Checked {
    let mut short = options();
    short.ttl = Some(Duration::from_secs(10));
    let first = talk.put("expired", short.clone()).await?;
    let leased = talk.claim_one("one", "expired").await?;
    let second = talk.put("expired", short).await?;
    let third = talk.put("expired", options()).await?;
    talk.pass(Duration::from_secs(11));
    let claimed = talk.claim("one", "expired", 10).await?;
    found.expect(ids(&claimed) == [third], || {
        "it is not the one that does not expire that was claimed".to_owned()
    });
    found.expect(claimed.expired == 1, || format!("{} are said to have expired", claimed.expired));
    let depth = talk.depth("expired").await?;
    found.expect(depth.open() == 2, || format!("{} are open, not two", depth.open()));
    found.expect(!talk.queue.replay(second, None, None).await?, || "what expired was replayed".to_owned());
    // One that has begun does not expire.
    talk.retry(&leased, talk.now()).await?;
    let again = talk.claim_one("one", "expired").await?;
    found.expect(again.token.id == first, || "one that has begun has expired".to_owned());
    talk.done(&again).await
}
