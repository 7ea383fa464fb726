use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;
use uuid::Uuid;

use super::talk::{Checked, Talk};
use crate::conformance::Findings;
use crate::delivery::{DeadLetter, DeadLetterOrigin};
use crate::envelope::Envelope;
use crate::log::Offset;
use crate::policy::History;

/// A letter with an id of its own, told apart by its number.
fn letter(
    talk: &Talk,
    subscription: &str,
    id: u128,
    number: u32,
) -> Result<Arc<DeadLetter>, crate::log::LogError> {
    let topic = talk.topic("parked")?;
    let at = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    Ok(Arc::new(DeadLetter {
        id: Uuid::from_u128(id),
        envelope: Envelope::json("ConformanceCheck", json!({ "number": number })).with_topic(&topic),
        origin: DeadLetterOrigin::Subscription {
            subscription: subscription.to_owned(),
            topic,
            offset: Offset::new(u64::from(number)),
        },
        kind: "permanent".to_owned(),
        last_error: "the answer was 'no'".to_owned(),
        history: History {
            attempts: number,
            first_error: "the first answer was \"no\"".to_owned(),
            first_failed_at: at,
            last_failed_at: at + Duration::from_secs(1),
        },
    }))
}

fn same(a: &[Arc<DeadLetter>], b: &[Arc<DeadLetter>]) -> bool {
    serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
}

fn ids(letters: &[Arc<DeadLetter>]) -> Vec<u128> {
    letters.iter().map(|letter| letter.id.as_u128()).collect()
}

pub(super) async fn pages(talk: &Talk, found: &mut Findings) -> Checked {
    let name = talk.subscription("parked");
    talk.log.save(&talk.stored("parked", json!({}))).await?;
    let mut letters = Vec::new();
    for (number, id) in [u128::MAX, 5, 1 << 100, 3, 4].into_iter().enumerate() {
        letters.push(letter(talk, &name, id, u32::try_from(number).unwrap_or_default())?);
    }
    talk.log.park(&name, letters.clone()).await?;
    letters.sort_by_key(|letter| letter.id);
    let all = talk.log.parked(&name, None, 100).await?;
    found.expect(same(&all, &letters), || format!("{:?} are listed, of {:?}", ids(&all), ids(&letters)));
    let mut paged = Vec::new();
    while paged.len() < letters.len() {
        let page = talk.log.parked(&name, paged.last().map(|last: &Arc<DeadLetter>| last.id), 2).await?;
        found.expect(page.len() <= 2, || format!("a page of 2 has {} messages", page.len()));
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    found.expect(same(&paged, &letters), || format!("page by page they are {:?}", ids(&paged)));
    let count = talk.log.parked_count(&name).await?;
    found.expect(count == 5, || format!("5 are counted as {count}"));
    let others = talk.log.parked(&talk.subscription("parked-nothing"), None, 10).await?.len();
    found.expect(others == 0, || format!("another subscription has {others}"));
    Ok(())
}

pub(super) async fn replaced(talk: &Talk, found: &mut Findings) -> Checked {
    let name = talk.subscription("parked-twice");
    talk.log.save(&talk.stored("parked-twice", json!({}))).await?;
    talk.log.park(&name, vec![letter(talk, &name, 1, 1)?, letter(talk, &name, 2, 2)?]).await?;
    let second = letter(talk, &name, 2, 9)?;
    talk.log.park(&name, vec![Arc::clone(&second)]).await?;
    let all = talk.log.parked(&name, Some(Uuid::from_u128(1)), 10).await?;
    found.expect(same(&all, &[second]), || {
        format!("after the first come {:?}, or not what replaced it", ids(&all))
    });
    let count = talk.log.parked_count(&name).await?;
    found.expect(count == 2, || format!("2 are counted as {count}"));
    Ok(())
}

pub(super) async fn unparked(talk: &Talk, found: &mut Findings) -> Checked {
    let name = talk.subscription("unparked");
    talk.log.save(&talk.stored("unparked", json!({}))).await?;
    let letters: Result<Vec<_>, _> = (1..=4).map(|id| letter(talk, &name, id, 1)).collect();
    talk.log.park(&name, letters?).await?;
    let wanted = [2, 4, 77].map(Uuid::from_u128);
    for expected in [2, 0] {
        let gone = talk.log.unpark(&name, &wanted).await?;
        found.expect(gone == expected, || format!("{gone} went, not {expected}"));
    }
    let left = ids(&talk.log.parked(&name, None, 10).await?);
    found.expect(left == [1, 3], || format!("{left:?} are left, not 1 and 3"));
    Ok(())
}

pub(super) async fn removed(talk: &Talk, found: &mut Findings) -> Checked {
    let name = talk.subscription("parked-removed");
    let stored = talk.stored("parked-removed", json!({}));
    talk.log.save(&stored).await?;
    talk.log.park(&name, vec![letter(talk, &name, 1, 1)?]).await?;
    talk.log.remove(&name).await?;
    talk.log.save(&stored).await?;
    let (count, left) = (talk.log.parked_count(&name).await?, talk.log.parked(&name, None, 10).await?.len());
    found.expect(count == 0 && left == 0, || format!("{count} are counted and {left} listed"));
    Ok(())
}
