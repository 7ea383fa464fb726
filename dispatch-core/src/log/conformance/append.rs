use std::collections::BTreeSet;

use super::talk::{self, Checked, Talk, entry, expect_discreet, heavy, numbers, places};
use crate::conformance::{Findings, abandon, join};
use crate::log::{LogError, Offset};

pub(super) async fn dense(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("dense")?;
    let mut next = 0;
    for size in [1, 3, 0, 2] {
        let offsets = numbers(talk.log.append(&topic, (0..size).map(entry).collect()).await?);
        let wanted: Vec<u64> = (next..next + size as u64).collect();
        found.expect(offsets == wanted, || format!("{size} entries got {offsets:?}, not {wanted:?}"));
        next += size as u64;
    }
    talk.expect_bounds(&topic, 0, 6, found).await
}

pub(super) async fn apart(talk: &Talk, found: &mut Findings) -> Checked {
    let topics = [talk.topic("apart.one")?, talk.topic("apart.two")?];
    let mut ids = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        for (topic, ids) in topics.iter().zip(&mut ids) {
            ids.extend(talk.fill(topic, 1).await?);
        }
    }
    for (topic, ids) in topics.iter().zip(ids) {
        let there = places(&talk.all(topic).await?);
        let wanted: Vec<_> = (0..).zip(ids).collect();
        found.expect(there == wanted, || format!("topic '{topic}' has {there:?}, it was given {wanted:?}"));
    }
    Ok(())
}

pub(super) async fn ordered(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("ordered")?;
    let mut ids = Vec::new();
    for size in 1..20 {
        let batch: Vec<_> = (0..size).map(entry).collect();
        ids.extend(batch.iter().map(|entry| entry.envelope.id()));
        talk.log.append(&topic, batch).await?;
    }
    let there = places(&talk.all(&topic).await?);
    let wanted: Vec<_> = (0..).zip(ids).collect();
    found.expect(there == wanted, || {
        "the records are not those that were appended, in their order".to_owned()
    });
    Ok(())
}

pub(super) async fn listed(talk: &Talk, found: &mut Findings) -> Checked {
    let topics = [talk.topic("listed.b")?, talk.topic("listed.a")?];
    for topic in &topics {
        talk.fill(topic, 1).await?;
    }
    let listed = talk.log.topics().await?;
    for topic in &topics {
        found.expect(listed.contains(topic), || format!("topic '{topic}' is not listed"));
    }
    let sorted = listed.windows(2).all(|pair| matches!(pair, [a, b] if a.as_str() < b.as_str()));
    found.expect(sorted, || "the list is not in order, or has a topic twice".to_owned());
    Ok(())
}

pub(super) async fn side_by_side(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("crowd")?;
    let entries: Vec<_> = (0..64).map(entry).collect();
    let ids: Vec<_> = entries.iter().map(|entry| entry.envelope.id()).collect();
    let appends = entries.into_iter().map(|entry| talk.log.append(&topic, vec![entry]));
    let mut given = Vec::new();
    for (answer, id) in join(appends).await.into_iter().zip(ids) {
        given.extend(answer?.into_iter().map(|offset| (offset.get(), id)));
    }
    given.sort_unstable();
    let offsets: BTreeSet<u64> = given.iter().map(|(offset, _)| *offset).collect();
    found.expect(offsets == (0..64).collect(), || format!("64 appends got the offsets {offsets:?}"));
    let there = places(&talk.all(&topic).await?);
    found.expect(there == given, || {
        "a record is not at the offset that its append was answered with".to_owned()
    });
    Ok(())
}

pub(super) async fn dropped(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("dropped")?;
    for number in 0..8 {
        abandon(talk.log.append(&topic, vec![entry(number)])).await;
        abandon(talk.log.read(&topic, Offset::ZERO, crate::log::ReadLimit::records(1))).await;
        abandon(talk.log.tail(&topic, Offset::new(u64::MAX))).await;
    }
    let last = entry(8);
    let id = last.envelope.id();
    let offset = numbers(talk.log.append(&topic, vec![last]).await?);
    let there = places(&talk.all(&topic).await?);
    let dense = there.iter().map(|(offset, _)| *offset).eq(0..there.len() as u64);
    found.expect(dense, || format!("there are gaps: {there:?}"));
    let found_again = there.iter().any(|(place, there)| offset == [*place] && *there == id);
    found.expect(found_again, || format!("the append after them got {offset:?}, and is not there"));
    Ok(())
}

pub(super) async fn unwritable(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("unwritable")?;
    match talk.log.append(&topic, vec![talk::unwritable()]).await {
        Ok(_) => found.add("it was taken"),
        Err(error) => {
            found.expect(matches!(error, LogError::NotStorable { .. }), || format!("the error is {error:?}"));
            expect_discreet(&error, found);
        }
    }
    let offsets = numbers(talk.log.append(&topic, vec![entry(0)]).await?);
    found.expect(offsets == [0], || format!("the next append got {offsets:?}"));
    Ok(())
}

pub(super) async fn atomic(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("atomic")?;
    talk.fill(&topic, 1).await?;
    let answer = talk.log.append(&topic, vec![entry(1), talk::unwritable(), entry(2)]).await;
    found.expect(answer.is_err(), || "a batch with an envelope that cannot be written was taken".to_owned());
    talk.expect_bounds(&topic, 0, 1, found).await?;
    let there = talk.all(&topic).await?.len();
    found.expect(there == 1, || format!("{there} records are there, not 1"));
    Ok(())
}

pub(super) async fn too_large(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("large")?;
    let mut fits = 1024 * 1024;
    if let Some(limit) = talk.features.max_size {
        fits = fits.min(limit / 4);
        match talk.log.append(&topic, vec![heavy(limit + 1)]).await {
            Ok(_) => found.add(format!("{} bytes were taken", limit + 1)),
            Err(error) => {
                found
                    .expect(matches!(error, LogError::TooLarge { .. }), || format!("the error is {error:?}"));
            }
        }
    }
    talk.log.append(&topic, vec![heavy(fits)]).await?;
    let there = talk.all(&topic).await?;
    let bytes = there.last().and_then(|record| record.entry.envelope.raw_payload().to_bytes().ok());
    let length = bytes.map_or(0, |(bytes, _)| bytes.len());
    found.expect(length == fits, || format!("{fits} bytes came back as {length}"));
    Ok(())
}
