use std::collections::BTreeSet;

use super::Verdict;
use super::talk::{BLIND, NOT_PROMISED, PLANTED, Talk};
use crate::conformance::Findings;
use crate::delivery::HealthStatus;

/// Enough to see an order that is not kept.
const MANY: usize = 20;

pub(super) fn name(talk: &Talk, first: &str) -> Verdict {
    let mut findings = Findings::default();
    let now = talk.suite.adapter.name();
    findings.expect(!first.trim().is_empty(), || "the name is blank".to_owned());
    findings.expect(now == first, || format!("the name was '{first}' and is '{now}' now"));
    findings.into()
}

pub(super) fn validates(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    let (first, second) = (talk.suite.adapter.validate(), talk.suite.adapter.validate());
    findings.expect(first == second, || format!("first it said {first:?}, then {second:?}"));
    if let Err(problems) = &first {
        findings.add(format!("it is not valid, give the suite one that is: {problems:?}"));
    }
    talk.heard.push(format!("{first:?} {second:?}"));
    findings.into()
}

pub(super) async fn taken(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    let envelopes = talk.envelopes(3);
    talk.mark().await;
    for (number, envelope) in envelopes.iter().enumerate() {
        if let Err(error) = talk.deliver(envelope).await {
            findings.add(format!("envelope {number} was refused: {error}"));
            return findings.into();
        }
        if talk.can_look() && talk.suite.features.acknowledges {
            let landed = talk.landed(&envelopes).await;
            findings
                .expect(landed.contains(&number), || format!("envelope {number} had not arrived by its Ok"));
        }
    }
    if talk.can_look() {
        let landed = talk.landed(&envelopes).await;
        for number in Talk::missing(&landed, envelopes.len()) {
            findings.add(format!("envelope {number} was answered with Ok and did not arrive"));
        }
    }
    findings.into()
}

pub(super) async fn ordering(talk: &mut Talk) -> Verdict {
    if !talk.suite.features.ordering {
        return NOT_PROMISED;
    }
    if !talk.can_look() {
        return BLIND;
    }
    let mut findings = Findings::default();
    let envelopes = talk.envelopes(MANY);
    talk.mark().await;
    for envelope in &envelopes {
        if let Err(error) = talk.deliver(envelope).await {
            findings.add(format!("an envelope was refused: {error}"));
        }
    }
    let landed = talk.landed(&envelopes).await;
    findings.expect(landed.is_sorted(), || format!("they arrived in the order {landed:?}"));
    findings.into()
}

pub(super) async fn ids(talk: &mut Talk) -> Verdict {
    if !talk.suite.features.ids {
        return NOT_PROMISED;
    }
    if !talk.can_look() {
        return BLIND;
    }
    let mut findings = Findings::default();
    let envelope = talk.envelope();
    talk.mark().await;
    if let Err(error) = talk.deliver(&envelope).await {
        findings.add(format!("it was refused: {error}"));
    }
    let found = talk.arrivals(1).await.iter().any(|arrival| arrival.id == Some(envelope.id()));
    findings.expect(found, || "nothing arrived under the id of the envelope".to_owned());
    findings.into()
}

pub(super) async fn headers(talk: &mut Talk) -> Verdict {
    if !talk.suite.features.headers {
        return NOT_PROMISED;
    }
    if !talk.can_look() {
        return BLIND;
    }
    let mut findings = Findings::default();
    let envelope = talk.envelope().with_header("x-second", "2");
    talk.mark().await;
    if let Err(error) = talk.deliver(&envelope).await {
        findings.add(format!("it was refused: {error}"));
    }
    let arrivals = talk.arrivals(1).await;
    let arrived = arrivals.iter().find(|arrival| arrival.may_be(&envelope));
    for (name, value) in envelope.headers().iter() {
        let there = arrived.and_then(|arrival| arrival.headers.as_ref()?.get(name)) == Some(value);
        findings.expect(there, || format!("the header '{name}' did not arrive as it was sent"));
    }
    findings.into()
}

pub(super) async fn receipts(talk: &mut Talk) -> Verdict {
    if !talk.suite.features.receipt_ids {
        return NOT_PROMISED;
    }
    let mut findings = Findings::default();
    let mut ids = BTreeSet::new();
    for envelope in talk.envelopes(3) {
        match talk.deliver(&envelope).await {
            Err(error) => findings.add(format!("an envelope was refused: {error}")),
            Ok(receipt) => match receipt.id {
                None => findings.add("a receipt has no id"),
                Some(id) => findings.expect(ids.insert(id), || "two receipts have the same id".to_owned()),
            },
        }
    }
    findings.into()
}

pub(super) async fn idempotent(talk: &mut Talk) -> Verdict {
    if !talk.suite.features.idempotent {
        return NOT_PROMISED;
    }
    if !talk.can_look() {
        return BLIND;
    }
    let mut findings = Findings::default();
    let envelope = talk.envelope();
    talk.mark().await;
    for _ in 0..2 {
        if let Err(error) = talk.deliver(&envelope).await {
            findings.add(format!("it was refused: {error}"));
        }
    }
    let times = talk.landed(std::slice::from_ref(&envelope)).await.len();
    findings.expect(times == 1, || format!("it arrived {times} times"));
    findings.into()
}

pub(super) async fn poison(talk: &mut Talk) -> Verdict {
    let Some(poison) = talk.suite.poison.clone() else {
        return Verdict::Skipped("no envelope is known that it refuses");
    };
    let mut findings = Findings::default();
    talk.mark().await;
    match talk.deliver(&poison).await {
        Ok(_) => findings.add("it was answered with Ok"),
        Err(error) => findings.expect(!error.is_retryable(), || {
            format!("the error is {:?}: trying again cannot help", error.kind())
        }),
    }
    let after = talk.envelope();
    if let Err(error) = talk.deliver(&after).await {
        findings.add(format!("the next envelope was refused too: {error}"));
    }
    findings.into()
}

pub(super) async fn health(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    let envelope = talk.envelope();
    let delivered = talk.deliver(&envelope).await.is_ok();
    for _ in 0..2 {
        let health = talk.suite.adapter.health().await;
        talk.heard.push(format!("{health:?}"));
        findings.expect(!delivered || health.status != HealthStatus::Unhealthy, || {
            "it says that the destination does not work, right after a delivery".to_owned()
        });
    }
    findings.into()
}

pub(super) fn secrets(talk: &Talk) -> Verdict {
    let mut findings = Findings::default();
    let secrets = talk.suite.secrets.iter().map(String::as_str).chain([PLANTED]);
    let secrets: Vec<_> = secrets.filter(|secret| !secret.is_empty()).collect();
    let shown = talk.heard.iter().chain(&talk.suite.shown).map(String::as_str);
    for text in shown.chain([talk.suite.adapter.name()]) {
        for (number, secret) in secrets.iter().enumerate() {
            // The text itself must not get into the report either.
            findings.expect(!text.contains(secret), || {
                format!("a text of {} characters shows secret number {}", text.chars().count(), number + 1)
            });
        }
    }
    findings.into()
}
