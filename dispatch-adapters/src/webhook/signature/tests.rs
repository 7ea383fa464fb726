use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

const SCHEMES: [Scheme; 4] = [Scheme::Standard, Scheme::Stripe, Scheme::Github, Scheme::Hex];

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn check(
    scheme: Scheme,
    secrets: &[Secret],
    headers: &[(&str, &str)],
    body: &[u8],
    now: u64,
) -> Result<(), VerifyError> {
    verify(scheme, secrets, headers.iter().copied(), body, at(now), TOLERANCE)
}

/// The one vector that the specification of Standard Webhooks and its reference libraries share.
#[test]
fn the_published_vector_of_standard_webhooks() {
    let secrets = [secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let (id, time, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let headers = sign(Scheme::Standard, &secrets, id, at(time), body).unwrap();
    assert_eq!(headers.last().unwrap().1, signature);
    let received =
        [("webhook-id", id), ("webhook-timestamp", "1614265330"), ("webhook-signature", signature)];
    assert_eq!(check(Scheme::Standard, &secrets, &received, body, time), Ok(()));
}

#[test]
fn every_scheme_verifies_what_it_signs() {
    for scheme in SCHEMES {
        let (old, new) = (secret("old"), secret("new"));
        let both = [new.clone(), old.clone()];
        let headers = sign(scheme, &both, "id", at(1000), b"body").unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        for known in [&both[..], &[new], &[secret("other"), both[0].clone()]] {
            assert_eq!(check(scheme, known, &headers, b"body", 1300), Ok(()), "{scheme}");
        }
        let with_old = check(scheme, &[old], &headers, b"body", 1000);
        let carries_old = matches!(scheme, Scheme::Standard | Scheme::Stripe);
        assert_eq!(with_old.is_ok(), carries_old, "{scheme}");
        assert_eq!(check(scheme, &both, &headers, b"Body", 1000), Err(VerifyError::BadSignature));
        let late = check(scheme, &both, &headers, b"body", 1301);
        assert_eq!(late.is_ok(), scheme == Scheme::Github, "{scheme}");
        for missing in 0..headers.len() {
            let mut rest = headers.clone();
            let (name, _) = rest.remove(missing);
            let refused = check(scheme, &both, &rest, b"body", 1000).unwrap_err();
            assert_eq!(refused, VerifyError::MissingHeader { name: name.to_owned() });
        }
    }
}

#[test]
fn a_timestamp_is_digits_and_nothing_else() {
    for timestamp in ["soon", "+1000", "-1", "1000.0", " 1000", "0x3e8", "", "99999999999999999999"] {
        let headers =
            [("webhook-id", "id"), ("webhook-timestamp", timestamp), ("webhook-signature", "v1,AA==")];
        let refused = check(Scheme::Standard, &[secret("s")], &headers, b"", 1000);
        assert_eq!(refused, Err(VerifyError::BadTimestamp), "{timestamp}");
    }
    let headers = [("webhook-id", "id"), ("webhook-timestamp", "1301"), ("webhook-signature", "v1,AA==")];
    assert_eq!(
        check(Scheme::Standard, &[secret("s")], &headers, b"", 1000).unwrap_err().code(),
        "STALE_TIMESTAMP"
    );
}

#[test]
fn signatures_that_cannot_be_read_fit_nothing() {
    for (scheme, header) in [
        (Scheme::Stripe, "t=1000,v1="),
        (Scheme::Stripe, "t=1000,v1=zz"),
        (Scheme::Stripe, "t=1000"),
        (Scheme::Github, "sha256="),
        (Scheme::Github, "sha1=00"),
        (Scheme::Github, "sha256=é"),
    ] {
        let refused = check(scheme, &[secret("s")], &[(scheme.signature_header(), header)], b"", 1000);
        assert_eq!(refused, Err(VerifyError::BadSignature), "{header}");
    }
    let refused = check(Scheme::Stripe, &[secret("s")], &[("stripe-signature", "v1=00")], b"", 1000);
    assert_eq!(refused, Err(VerifyError::BadTimestamp));
}

#[test]
fn a_secret_that_cannot_be_used_is_named_by_its_place() {
    let good = secret("whsec_YWFh");
    for (bad, error) in
        [("whsec_???", SignError::NotBase64 { position: 2 }), ("whsec_", SignError::Empty { position: 2 })]
    {
        let refused = Signer::new(Scheme::Standard, &[good.clone(), secret(bad)]).unwrap_err();
        assert_eq!(refused, error);
        assert!(Signer::new(Scheme::Stripe, &[secret(bad)]).is_ok(), "other schemes take the text");
    }
    assert_eq!(Signer::new(Scheme::Hex, &[]).unwrap_err(), SignError::NoSecret);
    assert_eq!(check(Scheme::Hex, &[], &[], b"", 0).unwrap_err().code(), "NO_SECRET");
}

#[test]
fn a_secret_without_padding_is_the_same_secret() {
    let of = |text: &str| sign(Scheme::Standard, &[secret(text)], "id", at(0), b"").unwrap();
    assert_eq!(of("whsec_YWFhYQ"), of("whsec_YWFhYQ=="));
}

#[test]
fn debug_shows_no_secret() {
    let signer = Signer::new(Scheme::Hex, &[secret("hunter2")]).unwrap();
    let verifier = Verifier::new(Scheme::Hex, &[secret("hunter2")]).unwrap();
    assert!(!format!("{signer:?} {verifier:?}").contains("hunter2"));
}

#[test]
fn the_signature_header_can_have_another_name() {
    let secrets = [secret("s")];
    let signer = Signer::new(Scheme::Hex, &secrets).unwrap().with_signature_header("X-Acme");
    let headers = signer.sign("id", at(1000), b"body").unwrap();
    assert_eq!(headers[1].0, "x-acme");
    let verifier = Verifier::new(Scheme::Hex, &secrets).unwrap().with_signature_header("X-ACME");
    let received = headers.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
    assert_eq!(verifier.verify(received, b"body", at(1000)), Ok(()));
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop::sample::select(SCHEMES.to_vec())
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_nothing_else_does(
        scheme in scheme(),
        key in "\\PC{1,40}[a-z]",
        id in "[a-zA-Z0-9_-]{1,40}",
        seconds in 0_u64..4_000_000_000,
        body: Vec<u8>,
        flipped: prop::sample::Index,
    ) {
        let secrets = [secret(&key)];
        let Ok(headers) = sign(scheme, &secrets, &id, at(seconds), &body) else { return Ok(()) };
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        prop_assert_eq!(check(scheme, &secrets, &headers, &body, seconds), Ok(()));
        if !body.is_empty() {
            let mut other = body.clone();
            other[flipped.index(body.len())] ^= 1;
            prop_assert_eq!(check(scheme, &secrets, &headers, &other, seconds), Err(VerifyError::BadSignature));
        }
    }

    #[test]
    fn whatever_headers_hold_it_is_refused(
        scheme in scheme(),
        signature in prop_oneof!["\\PC{0,80}", "(v1,|t=1,v1=|sha256=|)[0-9a-fA-F+/=]{0,80}( v1,[a-z]{4})?"],
        timestamp in "[0-9]{0,12}",
    ) {
        let names = [Some(scheme.signature_header()), scheme.timestamp_header(), scheme.id_header()];
        let values = [signature.as_str(), &timestamp, "id"];
        let headers: Vec<_> =
            names.into_iter().zip(values).filter_map(|(name, value)| Some((name?, value))).collect();
        prop_assert!(check(scheme, &[secret("s")], &headers, b"body", 1).is_err());
    }
}
