use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subtle::{Choice, ConstantTimeEq};

use super::key::{Key, from_base64, from_hex};
use super::sign::signed_parts;
use super::{Scheme, SignError, VerifyError};
use crate::secret::Secret;

/// How far a timestamp may be from now.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Checks that a webhook was signed with one of the secrets, and not too long ago.
///
/// `headers` are the names and values of the request, in any case and order; of a header that is there twice the
/// first counts. `body` is the body as it was received. [`TOLERANCE`] is what most senders go by.
///
/// # Errors
/// [`VerifyError`]; answer the request with 401 or 400 and do not read its body.
pub fn verify<'a>(
    scheme: Scheme,
    secrets: &[Secret],
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
    now: SystemTime,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    Verifier::new(scheme, secrets)?.with_tolerance(tolerance).verify(headers, body, now)
}

/// Secrets that are ready to verify with: for receivers that do it more than once. `Debug` does not show them.
#[derive(Debug, Clone)]
pub struct Verifier {
    scheme: Scheme,
    keys: Vec<Key>,
    signature_header: Cow<'static, str>,
    tolerance: Duration,
}

impl Verifier {
    /// Accepts webhooks that were signed with any of the secrets, within [`TOLERANCE`].
    ///
    /// # Errors
    /// [`SignError`] if there is no secret, or one that cannot be used.
    pub fn new(scheme: Scheme, secrets: &[Secret]) -> Result<Self, SignError> {
        let keys = Key::all(scheme, secrets)?;
        Ok(Self { scheme, keys, signature_header: scheme.signature_header().into(), tolerance: TOLERANCE })
    }

    /// Reads the signature from another header than that of the scheme.
    #[must_use]
    pub fn with_signature_header(mut self, name: impl Into<String>) -> Self {
        self.signature_header = Cow::Owned(name.into());
        self
    }

    /// Sets how far a timestamp may be from now.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Checks a webhook; see [`verify`].
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), VerifyError> {
        let scheme = self.scheme;
        let wanted = [Some(&*self.signature_header), scheme.timestamp_header(), scheme.id_header()];
        let mut found: [Option<&str>; 3] = [None; 3];
        for (name, value) in headers {
            for (place, wanted) in found.iter_mut().zip(wanted) {
                if wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(name)) {
                    place.get_or_insert(value);
                }
            }
        }
        for (found, wanted) in found.iter().zip(wanted) {
            if let (None, Some(name)) = (found, wanted) {
                return Err(VerifyError::MissingHeader { name: name.to_owned() });
            }
        }
        let [signature, timestamp, id] = found.map(Option::unwrap_or_default);
        let timestamp = match scheme {
            Scheme::Stripe => stripe_parts(signature, "t").next().ok_or(VerifyError::BadTimestamp)?,
            _ => timestamp,
        };
        if scheme != Scheme::Github {
            check_age(timestamp, now, self.tolerance)?;
        }
        let candidates = candidates(scheme, signature);
        let parts = signed_parts(scheme, id, timestamp, body);
        let fits = self.keys.iter().fold(Choice::from(0), |fits, key| {
            let expected = key.sign(&parts);
            candidates.iter().fold(fits, |fits, candidate| fits | expected.as_slice().ct_eq(candidate))
        });
        if bool::from(fits) { Ok(()) } else { Err(VerifyError::BadSignature) }
    }
}

/// The signatures of a header that can be read; others are passed over.
fn candidates(scheme: Scheme, header: &str) -> Vec<Vec<u8>> {
    match scheme {
        Scheme::Standard => {
            let each = header.split(' ').filter_map(|part| part.strip_prefix("v1,"));
            each.filter_map(from_base64).collect()
        }
        Scheme::Stripe => stripe_parts(header, "v1").filter_map(from_hex).collect(),
        Scheme::Github => header.strip_prefix("sha256=").and_then(from_hex).into_iter().collect(),
        Scheme::Hex => from_hex(header).into_iter().collect(),
    }
}

fn stripe_parts<'a>(header: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = header.split(',').filter_map(|part| part.trim().split_once('='));
    pairs.filter(move |(name, _)| *name == key).map(|(_, value)| value)
}

fn check_age(timestamp: &str, now: SystemTime, tolerance: Duration) -> Result<(), VerifyError> {
    // `parse` would also take a plus sign.
    if !timestamp.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(VerifyError::BadTimestamp);
    }
    let seconds: u64 = timestamp.parse().map_err(|_| VerifyError::BadTimestamp)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now.abs_diff(seconds) > tolerance.as_secs() { Err(VerifyError::StaleTimestamp) } else { Ok(()) }
}
