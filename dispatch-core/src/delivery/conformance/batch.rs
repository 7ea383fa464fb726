use super::Verdict;
use super::talk::{BLIND, NOT_PROMISED, Talk};
use crate::conformance::Findings;

const NO_POISON: Verdict = Verdict::Skipped("no envelope is known that it refuses");

pub(super) async fn empty(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    talk.mark().await;
    let results = talk.deliver_batch(&[]).await;
    findings.expect(results.is_empty(), || format!("there are {} results", results.len()));
    findings.into()
}

pub(super) async fn complete(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    for size in [1, 7, 100] {
        let envelopes = talk.envelopes(size);
        talk.mark().await;
        let results = talk.deliver_batch(&envelopes).await;
        findings.expect(results.len() == size, || format!("{size} envelopes have {} results", results.len()));
        for (number, result) in results.iter().enumerate() {
            if let Err(error) = result {
                findings.add(format!("envelope {number} of {size} was refused: {error}"));
            }
        }
        if talk.can_look() {
            let mut missing = Talk::missing(&talk.landed(&envelopes).await, size);
            missing.retain(|number| results.get(*number).is_some_and(Result::is_ok));
            findings.expect(missing.is_empty(), || {
                format!("of {size} envelopes, {missing:?} were answered with Ok and did not arrive")
            });
        }
    }
    findings.into()
}

pub(super) async fn ordered(talk: &mut Talk) -> Verdict {
    if !talk.suite.features.ordering {
        return NOT_PROMISED;
    }
    if !talk.can_look() {
        return BLIND;
    }
    let mut findings = Findings::default();
    let envelopes = talk.envelopes(20);
    talk.mark().await;
    talk.deliver_batch(&envelopes).await;
    let landed = talk.landed(&envelopes).await;
    findings.expect(landed.is_sorted(), || format!("they arrived in the order {landed:?}"));
    findings.into()
}

/// Nothing that is answered with `Ok` may be missing, and what is refused must not be answered with it.
pub(super) async fn refusal_in_place(talk: &mut Talk) -> Verdict {
    let Some(poison) = talk.suite.poison.clone() else {
        return NO_POISON;
    };
    let mut findings = Findings::default();
    let mut envelopes = talk.envelopes(4);
    envelopes.insert(1, poison);
    talk.mark().await;
    let results = talk.deliver_batch(&envelopes).await;
    findings.expect(results.len() == envelopes.len(), || {
        format!("{} envelopes have {} results", envelopes.len(), results.len())
    });
    findings.expect(results.get(1).is_some_and(Result::is_err), || {
        "envelope 1 should have been refused and was answered with Ok".to_owned()
    });
    if talk.can_look() {
        let taken: Vec<_> = envelopes
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok())
            .map(|(e, _)| e.clone())
            .collect();
        let missing = Talk::missing(&talk.landed(&taken).await, taken.len());
        findings.expect(missing.is_empty(), || {
            format!("{} envelopes were answered with Ok and did not arrive", missing.len())
        });
    }
    findings.into()
}

pub(super) async fn alone(talk: &mut Talk) -> Verdict {
    if !talk.suite.features.per_item_results {
        return NOT_PROMISED;
    }
    let Some(poison) = talk.suite.poison.clone() else {
        return NO_POISON;
    };
    let mut findings = Findings::default();
    let mut envelopes = talk.envelopes(4);
    envelopes.insert(2, poison);
    talk.mark().await;
    let results = talk.deliver_batch(&envelopes).await;
    for (number, result) in results.iter().enumerate().filter(|(number, _)| *number != 2) {
        if let Err(error) = result {
            findings.add(format!("envelope {number} was refused along with envelope 2: {error}"));
        }
    }
    findings.into()
}
