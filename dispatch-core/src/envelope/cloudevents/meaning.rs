//! What the extensions say that an envelope has a field for.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{CloudEventError, ExtensionValue, name};
use crate::envelope::TraceContext;
use crate::topic::{Category, Topic};

/// Texts of an envelope that no attribute can hold as they are.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exact {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<Arc<str>>,
}

type Extension<'a> = Option<&'a ExtensionValue>;
type Meaning<T> = Result<T, CloudEventError>;

fn invalid(name: &'static str, reason: impl Display) -> CloudEventError {
    CloudEventError::Extension { name, reason: reason.to_string() }
}

fn text<'a>(name: &'static str, extension: Extension<'a>) -> Meaning<Option<&'a str>> {
    match extension {
        None => Ok(None),
        Some(ExtensionValue::Text(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(name, "give a text")),
    }
}

/// A key; an empty one is none, because the specification does not allow it.
pub(super) fn key(extension: Extension<'_>) -> Meaning<Option<&str>> {
    Ok(text(name::KEY, extension)?.filter(|key| !key.is_empty()))
}

/// A trace context; one that cannot be read is none, as W3C Trace Context asks.
pub(super) fn trace(extension: Extension<'_>) -> Option<TraceContext> {
    extension?.as_str()?.parse().ok()
}

/// A correlation or causation id; a text that is no UUID gets one that depends on nothing but the text.
pub(super) fn id(name: &'static str, extension: Extension<'_>) -> Meaning<Option<Uuid>> {
    let text = text(name, extension)?.filter(|text| !text.trim().is_empty());
    Ok(text.map(|text| identify("urn:dispatch:correlation", text)))
}

/// The UUID that a text is, or else the UUID v5 of the text in the name space of a source.
pub(super) fn identify(source: &str, id: &str) -> Uuid {
    Uuid::try_parse(id).unwrap_or_else(|_| {
        let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, source.as_bytes());
        Uuid::new_v5(&space, id.as_bytes())
    })
}

pub(super) fn topic(extension: Extension<'_>) -> Meaning<Option<Topic>> {
    let text = text(name::TOPIC, extension)?;
    text.map(Topic::new).transpose().map_err(|error| invalid(name::TOPIC, error))
}

pub(super) fn category(extension: Extension<'_>) -> Meaning<Option<Category>> {
    let text = text(name::CATEGORY, extension)?;
    text.map(str::parse).transpose().map_err(|error| invalid(name::CATEGORY, error))
}

pub(super) fn hops(extension: Extension<'_>) -> Meaning<u16> {
    let hops = match extension {
        None => Some(0),
        Some(ExtensionValue::Integer(number)) => u16::try_from(*number).ok(),
        Some(_) => None,
    };
    hops.ok_or_else(|| invalid(name::HOPS, "give a whole number from 0 to 65535"))
}

/// Reads the text of a JSON object. What is wrong with it is not shown: headers may hold what logs must not.
fn object<T: Default + for<'de> Deserialize<'de>>(
    name: &'static str,
    extension: Extension<'_>,
    expected: &'static str,
) -> Meaning<T> {
    let Some(text) = text(name, extension)? else { return Ok(T::default()) };
    serde_json::from_str(text).map_err(|_| invalid(name, expected))
}

pub(super) fn headers(extension: Extension<'_>) -> Meaning<BTreeMap<String, String>> {
    object(name::HEADERS, extension, "give the text of a JSON object of texts")
}

pub(super) fn metadata(extension: Extension<'_>) -> Meaning<Map<String, Value>> {
    object(name::METADATA, extension, "give the text of a JSON object")
}

pub(super) fn exact(extension: Extension<'_>) -> Meaning<Exact> {
    object(name::EXACT, extension, "give the text of a JSON object of source, subject, key and content_type")
}

/// The refusal of a `dispatchexact` that says something else than the attributes do.
pub(super) fn contradiction() -> CloudEventError {
    invalid(name::EXACT, "it says something else than the attributes: leave it out")
}

/// Whether two values of an extension say the same; of one that an envelope has no field for, whether there is
/// nothing to take the place of.
pub(super) fn same(extension: &str, a: Extension<'_>, b: Extension<'_>) -> bool {
    fn equal<T: PartialEq>(a: Meaning<T>, b: Meaning<T>) -> bool {
        matches!((a, b), (Ok(a), Ok(b)) if a == b)
    }
    match extension {
        name::KEY => equal(key(a), key(b)),
        name::TRACE => trace(a) == trace(b),
        name::CORRELATION => equal(id(name::CORRELATION, a), id(name::CORRELATION, b)),
        name::CAUSATION => equal(id(name::CAUSATION, a), id(name::CAUSATION, b)),
        name::TOPIC => equal(topic(a), topic(b)),
        name::CATEGORY => equal(category(a), category(b)),
        name::HOPS => equal(hops(a), hops(b)),
        name::HEADERS => equal(headers(a), headers(b)),
        name::METADATA => equal(metadata(a), metadata(b)),
        name::EXACT => equal(exact(a), exact(b)),
        _ => b.is_none(),
    }
}
