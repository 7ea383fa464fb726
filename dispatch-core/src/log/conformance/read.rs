use std::time::{Duration, SystemTime};

use super::talk::{Checked, Talk, heavy, numbers, places};
use crate::conformance::Findings;
use crate::log::{LogBounds, Offset, ReadLimit};

pub(super) async fn records(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("records")?;
    let ids = talk.fill(&topic, 10).await?;
    for (from, most) in [(0, 1), (3, 4), (8, 5), (9, 1)] {
        let read = talk.log.read(&topic, Offset::new(from), ReadLimit::records(most)).await?;
        let there = places(&read.records);
        let all = (from..).zip(ids.iter().copied().skip(usize::try_from(from).unwrap_or_default()));
        let wanted: Vec<_> = all.take(most).collect();
        // Fewer are allowed, none is not.
        let holds = !there.is_empty() && wanted.starts_with(&there);
        found.expect(holds, || format!("{most} from {from} are {there:?}, not {wanted:?}"));
        let bounds = LogBounds { oldest: Offset::ZERO, head: Offset::new(10) };
        found.expect(read.bounds == bounds, || format!("the bounds of a read are {:?}", read.bounds));
    }
    Ok(())
}

pub(super) async fn bytes(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("bytes")?;
    talk.log.append(&topic, (0..10).map(|_| heavy(1_000)).collect()).await?;
    for (bytes, fewest, most) in [(0, 1, 1), (1, 1, 1), (3_500, 1, 3)] {
        let limit = ReadLimit { records: 10, bytes };
        let there = talk.log.read(&topic, Offset::new(2), limit).await?.records;
        let holds = (fewest..=most).contains(&there.len());
        found.expect(holds, || format!("{} records of 1,000 bytes came for a limit of {bytes}", there.len()));
        let first = there.first().map(|record| record.offset.get());
        found.expect(first == Some(2), || format!("the first record is {first:?}, not 2"));
    }
    Ok(())
}

pub(super) async fn past_the_end(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("past")?;
    talk.fill(&topic, 3).await?;
    for from in [3, 4, 1_000, u64::MAX] {
        let read = talk.log.read(&topic, Offset::new(from), ReadLimit::records(10)).await?;
        let there = numbers(read.records.iter().map(|record| record.offset));
        found.expect(there.is_empty(), || format!("a read from {from} found {there:?} of 3 records"));
        let head = read.bounds.head.get();
        found.expect(head == 3, || format!("a read from {from} says that the head is {head}, not 3"));
    }
    Ok(())
}

pub(super) async fn unknown(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("unknown")?;
    let read = talk.log.read(&topic, Offset::ZERO, ReadLimit::records(10)).await?;
    found.expect(read.records.is_empty(), || "it has records".to_owned());
    talk.expect_bounds(&topic, 0, 0, found).await?;
    let usage = talk.log.usage(&topic).await?;
    found.expect(usage.records == 0 && usage.bytes == 0, || format!("its usage is {usage:?}"));
    let trimmed = talk.log.trim(&topic, Offset::new(5)).await?;
    found.expect(trimmed == LogBounds::default(), || format!("trimmed it reaches {trimmed:?}"));
    let floor = talk.log.floor(&topic).await?;
    found.expect(floor.is_none(), || format!("its floor is {floor:?}"));
    let first = talk.log.offset_keeping(&topic, 10).await?;
    found.expect(first == Offset::ZERO, || format!("10 bytes are kept from {first}"));
    found.expect(!talk.log.topics().await?.contains(&topic), || "it is listed".to_owned());
    let offsets = numbers(talk.log.append(&topic, vec![heavy(1)]).await?);
    found.expect(offsets == [0], || format!("its first record is {offsets:?}"));
    Ok(())
}

pub(super) async fn by_time(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("by_time")?;
    talk.fill(&topic, 5).await?;
    let there = talk.all(&topic).await?;
    let far = Duration::from_secs(1_000_000_000);
    let first = talk.log.offset_at(&topic, SystemTime::UNIX_EPOCH).await?;
    found.expect(first == Offset::ZERO, || format!("the first record since 1970 is {first}, not 0"));
    if let Some(late) = there.last().and_then(|record| record.appended_at.checked_add(far)) {
        let none = talk.log.offset_at(&topic, late).await?;
        found.expect(none == Offset::new(5), || {
            format!("the first record of the far future is {none}, not 5")
        });
    }
    for record in &there {
        let wanted = there.iter().find(|other| other.appended_at >= record.appended_at);
        let wanted = wanted.map(|record| record.offset);
        let at = talk.log.offset_at(&topic, record.appended_at).await?;
        found.expect(Some(at) == wanted, || {
            format!("the first record since {} was appended is {at}, not {wanted:?}", record.offset)
        });
    }
    Ok(())
}
