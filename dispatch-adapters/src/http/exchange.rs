use std::error::Error as StdError;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use dispatch_core::Clock;
use dispatch_core::delivery::{Answer, DeliveryError, DeliveryErrorKind, Receipt};
use dispatch_core::policy::{Refusal, RefusedBy};
use flate2::write::GzEncoder;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};

use super::guard::GuardRefusal;
use super::headers::insert;
use super::{Compression, HttpError, HttpPool, answer, message::Message, retry_after, target::Target};

/// Sends a message and reads the answer. `sign` adds the headers that depend on the time, once there is a connection.
pub(crate) async fn exchange(
    pool: &HttpPool,
    target: &Target,
    message: &Message,
    clock: &dyn Clock,
    sign: impl FnOnce(&mut HeaderMap) -> Result<(), DeliveryError>,
) -> Result<Receipt, DeliveryError> {
    let mut body = message.body.clone();
    let mut request = target.request().ok_or_else(|| HttpError::envelope("the request cannot be copied"))?;
    // What the options say wins over what comes from the envelope.
    for (name, value) in &message.headers {
        request.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    if target.compression == Compression::Gzip && !body.is_empty() {
        body = gzip(&body).map_err(HttpError::envelope)?;
        insert(request.headers_mut(), "content-encoding", "gzip")?;
    }
    *request.body_mut() = Some(body.into());

    let _seat = pool.check_out().await.map_err(|error| exhausted(error, target, pool))?;
    sign(request.headers_mut())?;
    let deadline = Instant::now() + target.timeout;
    let response = match timeout_at(deadline, target.client.execute(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failed(error, target)),
        Err(_) => {
            let timeout = HttpError::Timeout { url: Arc::clone(&target.shown), limit: target.timeout };
            return Err(timeout.into_delivery(DeliveryErrorKind::Retry));
        }
    };
    let status = response.status().as_u16();
    let wait = asked_to_wait(response.headers(), clock);
    // Also what is not used is read: only then can the connection be used again.
    let body = answer::read(response, deadline).await;
    match answer::judge(status, wait) {
        None => Ok(Receipt::answered(Answer::new(Some(status), body))),
        Some(kind) => Err(HttpError::Status { url: Arc::clone(&target.shown), status }.into_delivery(kind)),
    }
}

/// Our own limit, and no fault of the destination.
fn exhausted(error: HttpError, target: &Target, pool: &HttpPool) -> DeliveryError {
    error.into_delivery(DeliveryErrorKind::Retry).with_refusal(Refusal {
        by: RefusedBy::PoolExhausted,
        service: Arc::clone(&target.shown),
        transport: pool.name().into(),
        retry_in: None,
    })
}

fn asked_to_wait(headers: &HeaderMap, clock: &dyn Clock) -> Option<std::time::Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    retry_after::parse(text, clock.now())
}

fn gzip(body: &Bytes) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body)?;
    Ok(encoder.finish()?.into())
}

/// The error of a request that got no answer.
fn failed(error: reqwest::Error, target: &Target) -> DeliveryError {
    let source = error.without_url();
    let url = Arc::clone(&target.shown);
    let causes = || std::iter::successors(source.source(), |cause| (*cause).source());
    if let Some(refusal) = causes().find_map(|cause| cause.downcast_ref::<GuardRefusal>()) {
        let refused = HttpError::Guarded { url, refusal: refusal.clone() };
        return refused.into_delivery(DeliveryErrorKind::Permanent);
    }
    // The last cause says it in the fewest words, and never with the URL.
    let reason = causes().last().map_or_else(|| "no reason is known".to_owned(), ToString::to_string);
    if source.is_builder() {
        let reason = format!("the client refuses it: {reason}");
        return HttpError::Envelope { reason }.into_delivery(DeliveryErrorKind::Permanent);
    }
    let error = if source.is_connect() {
        HttpError::Connect { url, reason, source }
    } else {
        HttpError::Broken { url, reason, source }
    };
    error.into_delivery(DeliveryErrorKind::Retry)
}
