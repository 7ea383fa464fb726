use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Scheme, SignError};
use crate::secret::Secret;

/// What the Base64 form of a secret of Standard Webhooks begins with.
const BASE64_PREFIX: &str = "whsec_";

/// Writes padding and does not insist on it: secrets are often copied without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret that is ready to sign with.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// All the secrets, in order.
    pub(super) fn all(scheme: Scheme, secrets: &[Secret]) -> Result<Vec<Self>, SignError> {
        if secrets.is_empty() {
            return Err(SignError::NoSecret);
        }
        secrets.iter().zip(1..).map(|(secret, position)| Self::new(scheme, secret, position)).collect()
    }

    fn new(scheme: Scheme, secret: &Secret, position: usize) -> Result<Self, SignError> {
        let text = secret.expose();
        match text.strip_prefix(BASE64_PREFIX).filter(|_| scheme == Scheme::Standard) {
            Some("") => Err(SignError::Empty { position }),
            Some(encoded) => {
                let decoded = BASE64.decode(encoded).map_err(|_| SignError::NotBase64 { position })?;
                Self::of(&decoded, position)
            }
            None => Self::of(text.as_bytes(), position),
        }
    }

    fn of(bytes: &[u8], position: usize) -> Result<Self, SignError> {
        // An HMAC takes a key of any length; an empty one was refused before.
        Hmac::new_from_slice(bytes).map(Self).map_err(|_| SignError::Empty { position })
    }

    /// The signature of these parts, one after the other.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

pub(super) fn to_base64(signature: &[u8]) -> String {
    BASE64.encode(signature)
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

pub(super) fn to_hex(signature: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    signature.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
