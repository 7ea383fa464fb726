use serde_json::json;

use super::talk::{Checked, Talk};
use crate::conformance::Findings;
use crate::log::{Cursor, Offset, OffsetRanges, StoredSubscription};

/// Cursors in an order that does not depend on the log.
fn sorted(mut stored: StoredSubscription) -> StoredSubscription {
    stored.cursors.sort_by(|a, b| a.topic.as_str().cmp(b.topic.as_str()));
    stored
}

async fn expect(talk: &Talk, wanted: &StoredSubscription, found: &mut Findings) -> Checked {
    let loaded = talk.log.load(&wanted.name).await?.map(sorted);
    let wanted = sorted(wanted.clone());
    found.expect(loaded.as_ref() == Some(&wanted), || format!("{loaded:?} was loaded, {wanted:?} was saved"));
    Ok(())
}

pub(super) async fn stored(talk: &Talk, found: &mut Findings) -> Checked {
    let (one, two) = (talk.topic("stored.one")?, talk.topic("stored.two")?);
    talk.fill(&one, 7).await?;
    let definition = json!({ "type": "shared", "window": 16, "nested": { "ratio": 0.1, "none": null } });
    let mut subscription = talk.stored("stored", definition);
    let nothing = talk.log.load(&subscription.name).await?;
    found.expect(nothing.is_none(), || "it is there before it was saved".to_owned());
    talk.log.save(&subscription).await?;
    expect(talk, &subscription, found).await?;
    subscription.cursors = vec![Cursor::at(one, Offset::new(7)), Cursor::at(two, Offset::ZERO)];
    talk.log.save(&subscription).await?;
    expect(talk, &subscription, found).await?;
    talk.log.save(&talk.stored("stored-before", json!(null))).await?;
    let names = talk.log.subscriptions().await?;
    let both = [talk.subscription("stored"), talk.subscription("stored-before")];
    found.expect(both.iter().all(|name| names.contains(name)), || format!("the list is {names:?}"));
    found.expect(names.is_sorted(), || format!("the list is not in order: {names:?}"));
    Ok(())
}

pub(super) async fn merged(talk: &Talk, found: &mut Findings) -> Checked {
    let (one, two) = (talk.topic("merged.one")?, talk.topic("merged.two")?);
    talk.fill(&one, 5).await?;
    talk.fill(&two, 2).await?;
    let mut subscription = talk.stored("merged", json!({ "version": 1 }));
    subscription.cursors = vec![Cursor::at(one.clone(), Offset::new(1))];
    talk.log.save(&subscription).await?;
    let second = StoredSubscription {
        definition: json!({ "version": 2 }),
        cursors: vec![Cursor::at(two.clone(), Offset::new(2))],
        ..subscription.clone()
    };
    talk.log.save(&second).await?;
    let both = vec![Cursor::at(one.clone(), Offset::new(1)), Cursor::at(two.clone(), Offset::new(2))];
    expect(talk, &StoredSubscription { cursors: both, ..second.clone() }, found).await?;
    talk.log.save_cursors(&second.name, vec![Cursor::at(one.clone(), Offset::new(5))]).await?;
    let both = vec![Cursor::at(one, Offset::new(5)), Cursor::at(two, Offset::new(2))];
    expect(talk, &StoredSubscription { cursors: both, ..second }, found).await
}

pub(super) async fn replaced(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("replaced")?;
    talk.fill(&topic, 9).await?;
    let mut subscription = talk.stored("replaced", json!({}));
    talk.log.save(&subscription).await?;
    // Back as well: a seek may be.
    for next in [3, 9, 4] {
        subscription.cursors = vec![Cursor::at(topic.clone(), Offset::new(next))];
        talk.log.save_cursors(&subscription.name, subscription.cursors.clone()).await?;
        expect(talk, &subscription, found).await?;
    }
    Ok(())
}

pub(super) async fn settled(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("settled")?;
    talk.fill(&topic, 13).await?;
    let mut subscription = talk.stored("settled", json!({}));
    let mut settled = OffsetRanges::default();
    for offset in [5, 6, 9, 11, 12] {
        settled.insert(Offset::new(offset));
    }
    subscription.cursors = vec![Cursor { topic: topic.clone(), next: Offset::new(3), settled }];
    talk.log.save(&subscription).await?;
    expect(talk, &subscription, found).await?;
    subscription.cursors = vec![Cursor::at(topic, Offset::new(13))];
    talk.log.save_cursors(&subscription.name, subscription.cursors.clone()).await?;
    expect(talk, &subscription, found).await
}

pub(super) async fn unknown(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("ghost")?;
    let name = talk.subscription("ghost");
    talk.log.save_cursors(&name, vec![Cursor::at(topic.clone(), Offset::new(1))]).await?;
    let loaded = talk.log.load(&name).await?;
    found.expect(loaded.is_none(), || format!("{loaded:?} is there"));
    found.expect(!talk.log.subscriptions().await?.contains(&name), || "it is listed".to_owned());
    let floor = talk.log.floor(&topic).await?;
    found.expect(floor.is_none(), || format!("it holds the topic at {floor:?}"));
    // And none comes to light when there is one of that name.
    let subscription = talk.stored("ghost", json!({}));
    talk.log.save(&subscription).await?;
    expect(talk, &subscription, found).await?;
    talk.log.remove(&name).await
}

pub(super) async fn floor(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("floor")?;
    talk.fill(&topic, 9).await?;
    talk.fill(&talk.topic("floor.other")?, 1).await?;
    let nothing = talk.log.floor(&topic).await?;
    found.expect(nothing.is_none(), || format!("without cursors it is {nothing:?}"));
    for (name, next) in [("floor-a", 8), ("floor-b", 5), ("floor-c", 9)] {
        let mut subscription = talk.stored(name, json!({}));
        let elsewhere = Cursor::at(talk.topic("floor.other")?, Offset::new(1));
        subscription.cursors = vec![Cursor::at(topic.clone(), Offset::new(next)), elsewhere];
        talk.log.save(&subscription).await?;
    }
    let lowest = talk.log.floor(&topic).await?;
    found.expect(lowest == Some(Offset::new(5)), || format!("with cursors at 8, 5 and 9 it is {lowest:?}"));
    talk.log.remove(&talk.subscription("floor-b")).await?;
    let lowest = talk.log.floor(&topic).await?;
    found.expect(lowest == Some(Offset::new(8)), || format!("with cursors at 8 and 9 it is {lowest:?}"));
    Ok(())
}

pub(super) async fn removed(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("removed")?;
    talk.fill(&topic, 4).await?;
    let mut subscription = talk.stored("removed", json!({ "version": 1 }));
    subscription.cursors = vec![Cursor::at(topic.clone(), Offset::new(4))];
    talk.log.save(&subscription).await?;
    talk.log.remove(&subscription.name).await?;
    let loaded = talk.log.load(&subscription.name).await?;
    found.expect(loaded.is_none(), || format!("{loaded:?} is there"));
    let floor = talk.log.floor(&topic).await?;
    found.expect(floor.is_none(), || format!("it holds the topic at {floor:?}"));
    // Twice is no error, and a new one of that name begins with nothing.
    talk.log.remove(&subscription.name).await?;
    subscription.cursors.clear();
    talk.log.save(&subscription).await?;
    expect(talk, &subscription, found).await
}
