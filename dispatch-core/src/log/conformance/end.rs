use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::suite::Reopen;
use super::talk::{Checked, Talk, entry, numbers, read_all};
use crate::conformance::Findings;
use crate::log::{Cursor, LogError, Offset, ReadLimit, TopicLog};
use crate::topic::Topic;

pub(super) async fn name(talk: &Talk, found: &mut Findings) -> Checked {
    let name = talk.log.name().to_owned();
    found.expect(!name.trim().is_empty(), || "it is blank".to_owned());
    found.expect(talk.log.name() == name, || "it changes".to_owned());
    found.expect(!talk.log.sync_policy().to_string().is_empty(), || "the sync policy has no text".to_owned());
    Ok(())
}

/// Everything that a log holds for the suite, as texts that can be compared.
pub(super) type Holdings = Result<Vec<(String, Value)>, LogError>;

/// What the log holds before it is closed.
pub(super) async fn remember(talk: &Talk) -> Holdings {
    let marked = talk.topic("survives.emptied")?;
    talk.fill(&marked, 3).await?;
    talk.log.trim(&marked, Offset::new(3)).await?;
    let mut subscription = talk.stored("survives", json!({ "version": 1 }));
    subscription.cursors = vec![Cursor::at(marked, Offset::new(3))];
    talk.log.save(&subscription).await?;
    holdings(&*talk.log, &talk.prefix).await
}

async fn holdings(log: &dyn TopicLog, prefix: &str) -> Holdings {
    let mut all = Vec::new();
    for topic in log.topics().await?.into_iter().filter(|topic| topic.as_str().starts_with(prefix)) {
        let bounds = log.bounds(&topic).await?;
        all.push((format!("the bounds of '{topic}'"), json!([bounds.oldest, bounds.head])));
        let usage = log.usage(&topic).await?;
        all.push((format!("the usage of '{topic}'"), json!(usage)));
        for record in read_all(log, &topic).await? {
            let entry = &record.entry;
            let times = format!("{:?} {:?} {:?}", record.appended_at, entry.available_at, entry.expires_at);
            let name = format!("record {} of '{topic}'", record.offset);
            all.push((name, json!([times, entry.envelope])));
        }
    }
    for name in log.subscriptions().await?.into_iter().filter(|name| name.starts_with(prefix)) {
        let mut stored = log.load(&name).await?;
        if let Some(stored) = &mut stored {
            stored.cursors.sort_by(|a, b| a.topic.as_str().cmp(b.topic.as_str()));
        }
        all.push((format!("subscription '{name}'"), json!(stored)));
        all.push((format!("what '{name}' has parked"), json!(log.parked(&name, None, 1_000).await?)));
    }
    Ok(all)
}

pub(super) async fn closed(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("closed")?;
    let log = &talk.log;
    log.close().await?;
    let refused = |done: Result<(), LogError>| matches!(done, Err(LogError::Closed));
    let limit = ReadLimit::records(1);
    let answers = [
        ("append", refused(log.append(&topic, vec![entry(0)]).await.map(drop))),
        ("read", refused(log.read(&topic, Offset::ZERO, limit).await.map(drop))),
        ("bounds", refused(log.bounds(&topic).await.map(drop))),
        ("topics", refused(log.topics().await.map(drop))),
        ("tail", refused(log.tail(&topic, Offset::ZERO).await.map(drop))),
        ("usage", refused(log.usage(&topic).await.map(drop))),
        ("trim", refused(log.trim(&topic, Offset::ZERO).await.map(drop))),
        ("save", refused(log.save(&talk.stored("closed", json!({}))).await)),
        ("save_cursors", refused(log.save_cursors("closed", Vec::new()).await)),
        ("load", refused(log.load("closed").await.map(drop))),
        ("subscriptions", refused(log.subscriptions().await.map(drop))),
        ("remove", refused(log.remove("closed").await)),
        ("floor", refused(log.floor(&topic).await.map(drop))),
        ("park", refused(log.park("closed", Vec::new()).await)),
        ("parked", refused(log.parked("closed", None, 1).await.map(drop))),
        ("parked_count", refused(log.parked_count("closed").await.map(drop))),
        ("unpark", refused(log.unpark("closed", &[Uuid::nil()]).await.map(drop))),
    ];
    for (call, refused) in answers {
        found.expect(refused, || format!("'{call}' does not say that the log is closed"));
    }
    log.close().await
}

pub(super) async fn survived(
    talk: &Talk,
    before: Holdings,
    reopen: &Reopen,
    found: &mut Findings,
) -> Checked {
    let before = before?;
    let log: Arc<dyn TopicLog> = reopen().await?;
    let after = holdings(&*log, &talk.prefix).await?;
    for (what, value) in &before {
        let there = after.iter().find(|(other, _)| other == what).map(|(_, value)| value);
        found.expect(there == Some(value), || match there {
            None => format!("{what} is gone"),
            Some(there) => format!("{what} is {there}, it was {value}"),
        });
    }
    for (what, _) in after.iter().filter(|(what, _)| before.iter().all(|(other, _)| other != what)) {
        found.add(format!("{what} was not there before"));
    }
    for (name, wanted) in [("survives.emptied", 3), ("ordered", 190)] {
        let topic: Topic = talk.topic(name)?;
        let next = numbers(log.append(&topic, vec![entry(0)]).await?);
        found.expect(next == [wanted], || format!("the next append of '{topic}' got {next:?}, not {wanted}"));
    }
    log.close().await
}
