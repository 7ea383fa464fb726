use std::future::{Future, poll_fn};
use std::task::Poll;

use super::talk::{Checked, Talk, entry};
use crate::conformance::Findings;
use crate::log::Offset;

pub(super) async fn first(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("tail.first")?;
    talk.fill(&topic, 3).await?;
    for seen in [0, 2] {
        let head = talk.log.tail(&topic, Offset::new(seen)).await?.get();
        found.expect(head == 3, || format!("whoever has seen {seen} is told {head}, not 3"));
    }
    Ok(())
}

pub(super) async fn wakes(talk: &Talk, found: &mut Findings) -> Checked {
    let (topic, other) = (talk.topic("tail.wakes")?, talk.topic("tail.other")?);
    talk.fill(&topic, 2).await?;
    let mut tail = Box::pin(talk.log.tail(&topic, Offset::new(2)));
    let mut early = None;
    // It has to be waiting before the append comes, and the append of another topic is none of its business.
    for round in 0..2 {
        poll_fn(|cx| {
            if early.is_none()
                && let Poll::Ready(head) = tail.as_mut().poll(cx)
            {
                early = Some(head);
            }
            Poll::Ready(())
        })
        .await;
        if round == 0 {
            talk.fill(&other, 1).await?;
        }
    }
    if let Some(head) = early {
        found.add(format!("it did not wait for an append, and said {}", head?));
        return Ok(());
    }
    talk.log.append(&topic, vec![entry(2)]).await?;
    let head = tail.await?.get();
    found.expect(head == 3, || format!("it woke up to a head of {head}, not 3"));
    Ok(())
}
