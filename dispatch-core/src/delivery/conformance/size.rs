use super::Verdict;
use super::talk::{NOT_PROMISED, Talk};
use crate::conformance::Findings;
use crate::delivery::DeliveryErrorKind;
use crate::envelope::{Envelope, Payload};

/// What has to pass where there is no limit.
const LARGE: usize = 1 << 20;

fn of_size(talk: &Talk, size: usize) -> Envelope {
    talk.carrying(Payload::bytes(vec![b'x'; size], "application/octet-stream"))
}

pub(super) async fn large(talk: &mut Talk) -> Verdict {
    let mut findings = Findings::default();
    let size = talk.suite.features.max_size.unwrap_or(LARGE);
    let envelope = of_size(talk, size);
    talk.mark().await;
    match talk.deliver(&envelope).await {
        Err(error) => findings.add(format!("{size} bytes were refused: {error}")),
        Ok(_) if talk.can_look() => {
            let landed = talk.landed(std::slice::from_ref(&envelope)).await;
            findings.expect(!landed.is_empty(), || {
                format!("{size} bytes were answered with Ok and did not arrive")
            });
        }
        Ok(_) => {}
    }
    findings.into()
}

pub(super) async fn too_large(talk: &mut Talk) -> Verdict {
    let Some(max) = talk.suite.features.max_size else {
        return NOT_PROMISED;
    };
    let mut findings = Findings::default();
    let size = max.saturating_add(talk.suite.features.max_size_margin).saturating_add(1);
    let envelope = of_size(talk, size);
    match talk.deliver(&envelope).await {
        Ok(_) => findings.add(format!("{size} bytes were answered with Ok")),
        Err(error) => findings.expect(error.kind() == DeliveryErrorKind::Permanent, || {
            format!("the error is {:?} and not permanent: it will always be too large", error.kind())
        }),
    }
    findings.into()
}
