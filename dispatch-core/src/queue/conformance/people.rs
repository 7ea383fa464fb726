use std::time::Duration;

use serde_json::json;

use super::claims::clear;
use super::talk::{Checked, Talk, nest, object};
use crate::conformance::Findings;
use crate::messenger::{DispatchOptions, Duplicates, MessageType, QueuedMessage};
use crate::queue::{Depth, ErrorGroup, Filter, MessageState, Page, QueueError};

pub(super) async fn depth(talk: &Talk, found: &mut Findings) -> Checked {
    let start = talk.now();
    talk.fill("depth", 4).await?;
    talk.put("depth", DispatchOptions::default().with_delay(Duration::from_secs(600))).await?;
    let leased = talk.claim_one("one", "depth").await?;
    let failed = talk.claim_one("one", "depth").await?;
    talk.fail(&failed, "it broke").await?;
    let depth = talk.depth("depth").await?;
    let counts = (depth.ready, depth.scheduled, depth.leased, depth.failed, depth.waiting, depth.open());
    found.expect(counts == (2, 1, 1, 1, 0, 4), || format!("they are counted as {depth:?}"));
    found.expect(depth.oldest_ready.is_some_and(|oldest| oldest >= start - Duration::from_millis(1)), || {
        format!("the oldest is said to be due since {:?}", depth.oldest_ready)
    });
    let all = talk.queue.depth(None).await?;
    found.expect(all.ready >= depth.ready && all.failed >= depth.failed, || {
        "all are fewer than some".to_owned()
    });
    let name = talk.name("depth")?;
    let each = talk.queue.depths().await?;
    let own = each.iter().find(|(queue, ..)| *queue == name).map(|(_, paused, depth)| (*paused, *depth));
    found.expect(own == Some((false, depth)), || format!("beside the others it is counted as {own:?}"));
    let mut total = Depth::default();
    each.iter().for_each(|(_, _, depth)| total += *depth);
    found.expect(total == all && each.is_sorted_by_key(|(queue, ..)| queue), || {
        format!("all together are {total:?}, and {all:?}")
    });
    talk.done(&leased).await?;
    talk.pass(Duration::from_secs(601));
    let depth = talk.depth("depth").await?;
    found.expect((depth.ready, depth.scheduled) == (3, 0), || {
        format!("what is due now is counted as {depth:?}")
    });
    clear(talk, "depth").await?;
    talk.queue.cancel(&[failed.token.id]).await?;
    let depth = talk.depth("depth").await?;
    found.expect(depth.open() == 0 && depth.failed == 0 && depth.oldest_ready.is_none(), || {
        format!("nothing is counted as {depth:?}")
    });
    Ok(())
}

pub(super) async fn listed(talk: &Talk, found: &mut Findings) -> Checked {
    let wanted = talk.fill("listed", 25).await?;
    let filter = Filter::all().in_queue(talk.name("listed")?);
    let (mut seen, mut page) = (Vec::new(), Page::first(10));
    loop {
        let listed = talk.queue.list(&filter, page).await?;
        found.expect(listed.len() <= 10, || format!("a page has {}", listed.len()));
        let Some(last) = listed.last().map(|stored| stored.id) else { break };
        page = Page::after(last, 10);
        seen.extend(listed.into_iter().map(|stored| stored.id));
        if seen.len() > wanted.len() {
            break;
        }
    }
    found.expect(seen == wanted, || format!("{} were listed, or not in order", seen.len()));
    let of = |name: &str| MessageType::new(name).map(|name| filter.clone().of_type(name));
    let (Ok(ours), Ok(others)) = (of("ConformanceCheck"), of("SomethingElse")) else { return Ok(()) };
    found.expect(talk.queue.list(&ours, Page::first(100)).await?.len() == 25, || {
        "the type is not found".to_owned()
    });
    found.expect(talk.queue.list(&others, Page::first(100)).await?.is_empty(), || {
        "another type is found".to_owned()
    });
    let leased = talk.claim_one("one", "listed").await?;
    let leases = Filter::state(MessageState::Leased).in_queue(talk.name("listed")?);
    let listed = talk.queue.list(&leases, Page::first(100)).await?;
    let lease = listed.first().and_then(|stored| stored.lease.as_ref());
    found.expect(listed.len() == 1 && lease.is_some_and(|lease| lease.worker == leased.token.worker), || {
        format!("what is at work is listed as {listed:?}")
    });
    talk.done(&leased).await?;
    let ready = Filter::state(MessageState::Ready).in_queue(talk.name("listed")?);
    found.expect(talk.queue.purge(&ready).await? == 24, || "not all that are ready were purged".to_owned());
    Ok(())
}

pub(super) async fn failures(talk: &Talk, found: &mut Findings) -> Checked {
    talk.fill("failures", 3).await?;
    let before = talk.now() - Duration::from_secs(1);
    for error in ["order 1 is gone", "order 22 is gone", "no connection"] {
        let leased = talk.claim_one("one", "failures").await?;
        talk.fail(&leased, error).await?;
    }
    let failed = Filter::failed().in_queue(talk.name("failures")?);
    let count = async |filter: &Filter| Ok(talk.queue.list(filter, Page::first(10)).await?.len());
    let cases = [
        (failed.clone(), 3, "all"),
        (failed.clone().with_error(ErrorGroup::of("order 9 is gone")), 2, "those of an error"),
        (failed.clone().with_error(ErrorGroup::of("something else")), 0, "those of another error"),
        (failed.clone().settled_from(before), 3, "those since before"),
        (failed.clone().settled_before(before), 0, "those before"),
        (failed.clone().settled_from(before + Duration::from_secs(36_000)), 0, "those of the future"),
    ];
    for (filter, wanted, what) in &cases {
        let counted = count(filter).await?;
        found.expect(counted == *wanted, || format!("{what} are {counted}, not {wanted}"));
    }
    let gone = talk.queue.purge(&failed.clone().with_error(ErrorGroup::of("order 9 is gone"))).await?;
    found.expect(gone == 2 && count(&failed).await? == 1, || format!("{gone} were dropped"));
    talk.queue.purge(&failed).await?;
    Ok(())
}

pub(super) async fn replayed(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("replayed", DispatchOptions::default()).await?;
    found.expect(!talk.queue.replay(id, None, None).await?, || "what has not failed was replayed".to_owned());
    found.expect(!talk.queue.replay(talk.id(), None, None).await?, || {
        "what is not there was replayed".to_owned()
    });
    let leased = talk.claim_one("one", "replayed").await?;
    talk.retry(&leased, talk.now()).await?;
    let leased = talk.claim_one("one", "replayed").await?;
    talk.fail(&leased, "it broke").await?;
    found.expect(talk.queue.replay(id, None, None).await?, || "it was not replayed".to_owned());
    found.expect(!talk.queue.replay(id, None, None).await?, || "it was replayed twice".to_owned());
    let again = talk.claim_one("one", "replayed").await?;
    found.expect((again.token.id, again.series, again.attempt) == (id, 1, 1), || {
        format!("it has attempt {} of series {}", again.attempt, again.series)
    });
    found.expect(again.history.as_slice().len() == 2, || "its history is not kept".to_owned());
    talk.fail(&again, "it broke again").await?;
    let at = talk.now() + Duration::from_secs(3_600);
    talk.queue.replay(id, None, Some(at)).await?;
    let stored = talk.find(id).await?;
    found.expect(stored.due_at == at && stored.series == 2 && stored.settled_at.is_none(), || {
        format!("it was found as {stored:?}")
    });
    talk.queue.cancel(&[id]).await?;
    Ok(())
}

pub(super) async fn edited(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("edited", DispatchOptions::default().with_priority(8)).await?;
    let leased = talk.claim_one("one", "edited").await?;
    talk.retry(&leased, talk.now()).await?;
    let leased = talk.claim_one("one", "edited").await?;
    talk.fail(&leased, "it broke").await?;
    let payload = object(json!({ "repaired": true }));
    talk.queue.replay(id, Some(payload.clone()), None).await?;
    let again = talk.claim_one("one", "edited").await?;
    found.expect(again.message.payload == payload, || "the payload is not the new one".to_owned());
    found
        .expect(again.message.headers == leased.message.headers && again.message.priority.get() == 8, || {
            "something else was changed as well".to_owned()
        });
    found.expect(again.succeeded.is_empty(), || {
        "handlers are skipped that have not seen the new payload".to_owned()
    });
    talk.done(&again).await
}

pub(super) async fn edited_too_deep(talk: &Talk, found: &mut Findings) -> Checked {
    let id = talk.put("edited-deep", DispatchOptions::default()).await?;
    let leased = talk.claim_one("one", "edited-deep").await?;
    talk.fail(&leased, "it broke").await?;
    let deeper = nest(QueuedMessage::DEEPEST + 1);
    let answer = talk.queue.replay(id, Some(deeper), None).await;
    found.expect(matches!(answer, Err(QueueError::TooDeep { part: "payload" })), || {
        format!("it is answered with {answer:?}")
    });
    let stored = talk.find(id).await?;
    found.expect(stored.state == MessageState::Failed && stored.message() == Some(&leased.message), || {
        "it was changed nevertheless".to_owned()
    });
    talk.queue.cancel(&[id]).await?;
    Ok(())
}

pub(super) async fn replayed_key(talk: &Talk, found: &mut Findings) -> Checked {
    let (id, _) = talk.put_keyed("replayed-key", "replayed", Duplicates::Reject, None).await?;
    let leased = talk.claim_one("one", "replayed-key").await?;
    talk.fail(&leased, "it broke").await?;
    found.expect(talk.queue.replay(id, None, None).await?, || "its own key keeps it back".to_owned());
    let again = talk.claim_one("one", "replayed-key").await?;
    let (_, answer) = talk.put_keyed("replayed-key", "replayed", Duplicates::ReturnExisting, None).await?;
    found.expect(answer?.duplicate_of == Some(id), || "it has lost its key".to_owned());
    talk.done(&again).await
}

pub(super) async fn removed(talk: &Talk, found: &mut Findings) -> Checked {
    let ids = talk.fill("removed", 4).await?;
    let leased = talk.claim_one("one", "removed").await?;
    let some: Vec<_> = ids.iter().take(2).copied().chain([talk.id()]).collect();
    let count = talk.queue.cancel(&some).await?;
    found.expect(count == 1, || format!("{count} were cancelled, not one"));
    let count = talk.queue.purge(&Filter::all().in_queue(talk.name("removed")?)).await?;
    found.expect(count == 2, || format!("{count} were purged, not two"));
    found.expect(talk.depth("removed").await?.open() == 1, || "the one at work is gone".to_owned());
    talk.done(&leased).await
}

pub(super) async fn queues(talk: &Talk, found: &mut Findings) -> Checked {
    talk.fill("listed-2", 1).await?;
    talk.fill("listed-1", 1).await?;
    let listed = talk.queue.queues().await?;
    found.expect(listed.is_sorted(), || "they are not sorted".to_owned());
    for name in ["listed-1", "listed-2"] {
        found.expect(listed.contains(&(talk.name(name)?, false)), || format!("'{name}' is not listed"));
        clear(talk, name).await?;
    }
    Ok(())
}
