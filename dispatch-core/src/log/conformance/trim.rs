use std::time::SystemTime;

use serde_json::json;

use super::talk::{Checked, Talk, heavy, numbers};
use crate::conformance::Findings;
use crate::log::{Cursor, Offset, ReadLimit, Retention};

pub(super) async fn late_reader(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("trimmed")?;
    talk.fill(&topic, 10).await?;
    let bounds = talk.log.trim(&topic, Offset::new(4)).await?;
    found
        .expect(bounds.head == Offset::new(10), || format!("the head is {} afterwards, not 10", bounds.head));
    let oldest = bounds.oldest.get();
    if talk.features.exact_trim {
        found.expect(oldest == 4, || format!("the oldest is {oldest} afterwards, not 4"));
    } else {
        found.expect(oldest <= 4, || format!("the oldest is {oldest} afterwards, which is past 4"));
    }
    for from in [0, 3, oldest] {
        let read = talk.log.read(&topic, Offset::new(from), ReadLimit::records(1)).await?;
        let first = read.records.first().map(|record| record.offset.get());
        let wanted = from.max(oldest);
        found.expect(first == Some(wanted), || {
            format!("a read from {from} begins at {first:?}, not {wanted}")
        });
    }
    talk.expect_bounds(&topic, oldest, 10, found).await
}

pub(super) async fn goes_on(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("emptied")?;
    talk.fill(&topic, 5).await?;
    talk.log.trim(&topic, Offset::new(5)).await?;
    if talk.features.exact_trim {
        talk.expect_bounds(&topic, 5, 5, found).await?;
        let left = talk.all(&topic).await?.len();
        found.expect(left == 0, || format!("{left} records are left"));
    }
    let offsets = numbers(talk.log.append(&topic, vec![heavy(1), heavy(1)]).await?);
    found.expect(offsets == [5, 6], || format!("the next appends got {offsets:?}, not 5 and 6"));
    Ok(())
}

pub(super) async fn clamped(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("clamped")?;
    talk.fill(&topic, 6).await?;
    let three = talk.log.trim(&topic, Offset::new(3)).await?;
    let back = talk.log.trim(&topic, Offset::new(1)).await?;
    found.expect(three == back, || format!("it reached {three:?}, and {back:?} after it was trimmed lower"));
    let all = talk.log.trim(&topic, Offset::new(100)).await?;
    found.expect(all.head == Offset::new(6), || format!("trimmed past its head, the head is {}", all.head));
    found.expect(all.oldest <= all.head, || format!("the oldest is {}, past the head", all.oldest));
    Ok(())
}

pub(super) async fn usage(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("usage")?;
    let empty = talk.log.usage(&topic).await?;
    found.expect(empty.records == 0 && empty.bytes == 0, || format!("an empty topic has {empty:?}"));
    talk.log.append(&topic, (0..10).map(|_| heavy(1_000)).collect()).await?;
    let full = talk.log.usage(&topic).await?;
    found.expect(full.records == 10, || format!("10 records are counted as {}", full.records));
    found.expect(full.bytes >= 10_000, || format!("10,000 bytes are counted as {}", full.bytes));
    talk.log.trim(&topic, Offset::new(6)).await?;
    let kept = talk.all(&topic).await?.len() as u64;
    let trimmed = talk.log.usage(&topic).await?;
    found.expect(trimmed.records == kept, || format!("{kept} records are counted as {}", trimmed.records));
    let fewer = !talk.features.exact_trim || trimmed.bytes < full.bytes;
    found.expect(fewer, || format!("the bytes were {}, and {} after a trim", full.bytes, trimmed.bytes));
    Ok(())
}

pub(super) async fn keeping(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("keeping")?;
    talk.log.append(&topic, (0..10).map(|_| heavy(1_000)).collect()).await?;
    let one = talk.log.usage(&topic).await?.bytes / 10;
    // Records of one size may still differ by a digit somewhere.
    for (bytes, wanted) in [(0, 10), (one / 2, 10), (one + one / 2, 9), (one * 4 + one / 2, 6), (u64::MAX, 0)]
    {
        let at = talk.log.offset_keeping(&topic, bytes).await?.get();
        found.expect(at == wanted, || {
            format!("{bytes} bytes of records of {one} begin at {at}, not {wanted}")
        });
    }
    Ok(())
}

pub(super) async fn retention(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("retention")?;
    talk.fill(&topic, 10).await?;
    let mut subscription = talk.stored("retention", json!({}));
    subscription.cursors.push(Cursor::at(topic.clone(), Offset::new(3)));
    talk.log.save(&subscription).await?;
    let two = Retention { max_records: Some(2), ..Retention::default() };
    two.apply(&*talk.log, &topic, SystemTime::now()).await?;
    let oldest = talk.log.bounds(&topic).await?.oldest.get();
    found.expect(oldest <= 3, || format!("the oldest is {oldest}, but a cursor stands at 3"));
    found.expect(oldest == 3 || !talk.features.exact_trim, || {
        format!("the oldest is {oldest}, and could be 3")
    });
    Retention { force: true, ..two }.apply(&*talk.log, &topic, SystemTime::now()).await?;
    let oldest = talk.log.bounds(&topic).await?.oldest.get();
    found.expect(oldest == 8 || !talk.features.exact_trim, || {
        format!("forced, the oldest is {oldest}, not 8")
    });
    talk.log.remove(&subscription.name).await
}
