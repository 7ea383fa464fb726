use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dispatch_core::delivery::DeliveryErrorKind;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

/// How much of an answer is read.
const MAX_BODY: usize = 64 * 1024;

/// Reads the body up to its bound and the deadline. What is missing then is left out: the status has said what
/// there is to say.
pub(super) async fn read(mut response: Response, deadline: Instant) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < MAX_BODY {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(mut chunk))) => {
                chunk.truncate(MAX_BODY - body.len());
                body.extend_from_slice(&chunk);
            }
            _ => break,
        }
    }
    body.freeze()
}

/// What a status means; `None` if it was delivered. `wait` is what the destination asks for.
pub(super) fn judge(status: u16, wait: Option<Duration>) -> Option<DeliveryErrorKind> {
    match (status, wait) {
        (200..=299, _) => None,
        (429 | 503, Some(wait)) => Some(DeliveryErrorKind::RetryAfter(wait)),
        (408 | 425 | 429 | 500..=599, _) => Some(DeliveryErrorKind::Retry),
        (410, _) => Some(DeliveryErrorKind::Disabled),
        _ => Some(DeliveryErrorKind::Permanent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_means_something() {
        use DeliveryErrorKind::{Disabled, Permanent, Retry, RetryAfter};
        let wait = Some(Duration::from_secs(7));
        for status in 100..=999 {
            let expected = match status {
                200..=299 => None,
                408 | 425 | 429 | 500..=599 => Some(Retry),
                410 => Some(Disabled),
                _ => Some(Permanent),
            };
            assert_eq!(judge(status, None), expected, "{status}");
            let expected = match status {
                429 | 503 => Some(RetryAfter(Duration::from_secs(7))),
                _ => expected,
            };
            assert_eq!(judge(status, wait), expected, "{status}");
        }
    }
}
