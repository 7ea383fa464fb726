use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::Verdict;
use super::destination::body_of;
use super::talk::{PLANTED, Talk};
use crate::conformance::Findings;
use crate::delivery::DeliveryErrorKind;
use crate::envelope::{Envelope, Payload};

#[derive(Serialize)]
struct Typed {
    id: u32,
    text: &'static str,
}

/// A value that does not let itself be written, and says something secret about it.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(PLANTED))
    }
}

pub(super) async fn empty(talk: &mut Talk) -> Verdict {
    let envelope = talk.carrying(Payload::Empty);
    delivered(talk, envelope).await
}

pub(super) async fn json(talk: &mut Talk) -> Verdict {
    let payload = json!({ "text": "grün\n\"quoted\"", "list": [1, 2.5, null, true], "conformance": "json" });
    let envelope = talk.carrying(payload);
    delivered(talk, envelope).await
}

pub(super) async fn bytes(talk: &mut Talk) -> Verdict {
    let all: Vec<u8> = (0..=255).collect();
    let envelope = talk.carrying(Payload::bytes(all, "application/octet-stream"));
    delivered(talk, envelope).await
}

pub(super) async fn typed(talk: &mut Talk) -> Verdict {
    let envelope = talk.carrying(Payload::typed(Typed { id: 7, text: "typed" }));
    delivered(talk, envelope).await
}

/// Inside the process such a payload may well be taken. Where it is refused, trying again cannot help.
pub(super) async fn unwritable(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    let envelope = talk.carrying(Payload::typed(Unwritable));
    if let Err(error) = talk.deliver(&envelope).await {
        findings.expect(error.kind() == DeliveryErrorKind::Permanent, || {
            format!("the error is {:?} and not permanent: the value will never be written", error.kind())
        });
    }
    findings.into()
}

async fn delivered(talk: &mut Talk, envelope: Envelope) -> Verdict {
    let mut findings = Findings::default();
    talk.mark().await;
    match talk.deliver(&envelope).await {
        Err(error) => findings.add(format!("it was refused: {error}")),
        Ok(_) if talk.can_look() => {
            let arrivals = talk.arrivals(1).await;
            match arrivals.iter().find(|arrival| arrival.may_be(&envelope)) {
                None => findings.add("it was answered with Ok and did not arrive"),
                Some(arrival) => findings
                    .expect(!talk.suite.features.bodies || arrival.body == body_of(&envelope), || {
                        "the body that arrived is not that of the payload".to_owned()
                    }),
            }
        }
        Ok(_) => {}
    }
    findings.into()
}
