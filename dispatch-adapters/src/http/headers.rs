use dispatch_core::delivery::DeliveryError;
use dispatch_core::error::{ErrorCode, Problem};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::shown::HIDDEN;
use super::{HttpError, HttpOptions};

/// Headers that belong to the connection or describe the body: the client sets them.
const FRAMING: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of an envelope that are not handed on: they are meant for whoever sent the envelope here.
const STAY_BEHIND: [&str; 5] = ["authorization", "content-type", "cookie", "host", "set-cookie"];

/// The headers that options ask for; `reserved` ones are set by the adapter.
pub(super) fn of_options(
    options: &HttpOptions,
    reserved: &[String],
    problems: &mut Vec<Problem>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: Result<(&str, bool), String>| {
        let read = value.and_then(|(value, secret)| read_option(name, value, secret, reserved));
        let added = read.and_then(|(name, value)| match headers.insert(name, value) {
            Some(_) => Err("is given twice: leave one out".to_owned()),
            None => Ok(()),
        });
        if let Err(text) = added {
            problems.push(problem(name, &text));
        }
    };
    for (name, value) in &options.headers {
        add(name, Ok((value, false)));
    }
    for (name, place) in &options.secret_headers {
        match place.resolve() {
            Ok(secret) => add(name, Ok((secret.expose(), true))),
            Err(error) => add(name, Err(format!("has no value: {error}"))),
        }
    }
    headers
}

fn read_option(
    name: &str,
    value: &str,
    secret: bool,
    reserved: &[String],
) -> Result<(HeaderName, HeaderValue), String> {
    let header = read_name(name)?;
    if FRAMING.contains(&header.as_str()) || reserved.iter().any(|reserved| header.as_str() == reserved) {
        return Err("is set by the adapter: leave it out".to_owned());
    }
    if value == HIDDEN {
        return Err("has its value hidden, as options are written out: give the value".to_owned());
    }
    let mut value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| "holds a line break or another control character: remove it".to_owned())?;
    value.set_sensitive(secret);
    Ok((header, value))
}

/// Whether the adapter may set a header of that name beside those of the connection and of the body.
///
/// # Errors
/// What is wrong with the name.
#[cfg(feature = "webhook")]
pub(crate) fn is_free(name: &str) -> Result<(), String> {
    let header = read_name(name)?;
    let is_taken = ["content-type", "host"].iter().chain(&FRAMING).any(|taken| header.as_str() == *taken);
    if is_taken { Err("belongs to the request itself: use another name".to_owned()) } else { Ok(()) }
}

fn read_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "is not the name of a header: use letters, digits and hyphens".to_owned())
}

fn problem(name: &str, text: &str) -> Problem {
    Problem::new(ErrorCode::InvalidParameter, format!("header {} {text}", shown(name)))
}

/// A name that came from outside, short and without control characters.
fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(40).collect::<String>())
}

/// A header whose value comes from an envelope.
pub(crate) fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), DeliveryError> {
    let reason = |text: &str| HttpError::envelope(format!("header {} {text}", shown(name)));
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| reason("is not the name of a header: rename or remove it"))?;
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| reason("would hold a line break or another control character: remove it"))?;
    headers.insert(header, value);
    Ok(())
}

/// Whether a header of an envelope becomes a header of the request.
pub(super) fn travels(name: &str) -> bool {
    let is = |other: &&str| other.eq_ignore_ascii_case(name);
    !FRAMING.iter().any(is) && !STAY_BEHIND.iter().any(is)
}
