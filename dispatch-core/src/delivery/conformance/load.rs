use std::sync::Arc;

use super::Verdict;
use super::talk::Talk;
use crate::conformance::Findings;
use crate::conformance::{abandon, join};

pub(super) async fn side_by_side(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    let envelopes = talk.envelopes(32);
    talk.mark().await;
    let adapter = Arc::clone(&talk.suite.adapter);
    let results = join(envelopes.iter().map(|envelope| adapter.deliver(envelope))).await;
    for (number, result) in results.iter().enumerate() {
        talk.hear(result);
        if let Err(error) = result {
            findings.add(format!("envelope {number} was refused: {error}"));
        }
    }
    if talk.can_look() {
        let mut missing = Talk::missing(&talk.landed(&envelopes).await, envelopes.len());
        missing.retain(|number| results.get(*number).is_some_and(Result::is_ok));
        findings.expect(missing.is_empty(), || {
            format!("envelopes {missing:?} were answered with Ok and did not arrive")
        });
    }
    findings.into()
}

pub(super) async fn dropped(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    let adapter = Arc::clone(&talk.suite.adapter);
    for envelope in talk.envelopes(8) {
        abandon(adapter.deliver(&envelope)).await;
    }
    let envelopes = talk.envelopes(4);
    abandon(adapter.deliver_batch(&envelopes)).await;

    let after = talk.envelope();
    talk.mark().await;
    match talk.deliver(&after).await {
        Err(error) => findings.add(format!("the next envelope was refused: {error}")),
        Ok(_) if talk.can_look() && talk.landed(std::slice::from_ref(&after)).await.is_empty() => {
            findings.add("the next envelope was answered with Ok and did not arrive");
        }
        Ok(_) => {}
    }
    findings.into()
}
