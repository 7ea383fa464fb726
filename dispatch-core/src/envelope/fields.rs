use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::{InvalidTraceId, SpanId, TraceId};

/// Text headers of an envelope, sorted by name; a clone is one reference count, an empty set costs nothing.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(Option<Arc<BTreeMap<String, String>>>);

impl Headers {
    /// The value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name).map(String::as_str)
    }

    /// Sets a header and returns its former value.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) -> Option<String> {
        Arc::make_mut(self.0.get_or_insert_default()).insert(name.into(), value.into())
    }

    /// Removes a header and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.get(name)?;
        self.0.as_mut().and_then(|map| Arc::make_mut(map).remove(name))
    }

    /// Headers in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|map| map.iter()).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Number of headers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |map| map.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Headers {
    /// Shows the names only: values may hold what logs must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let map: BTreeMap<_, _> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a String, &'a String);
    type IntoIter = std::iter::Flatten<std::option::IntoIter<btree_map::Iter<'a, String, String>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.as_deref().map(BTreeMap::iter).into_iter().flatten()
    }
}

/// Structured data about an envelope that is not its payload; a clone is one reference count.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Option<Arc<Map<String, Value>>>);

impl Metadata {
    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.as_ref()?.get(key)
    }

    /// Sets a value and returns the former one.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        Arc::make_mut(self.0.get_or_insert_default()).insert(key.into(), value.into())
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().flat_map(|map| map.iter()).map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|map| map.is_empty())
    }
}

impl fmt::Debug for Metadata {
    /// Shows the keys only: values may hold what logs must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(key, _)| key)).finish()
    }
}

impl FromIterator<(String, Value)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        let map: Map<_, _> = pairs.into_iter().collect();
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

/// Where an envelope stands in a distributed trace (W3C Trace Context, version 00).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The whole trace.
    pub trace_id: TraceId,
    /// The span that caused this envelope.
    pub span_id: SpanId,
    /// Whether the caller records the trace.
    #[serde(default)]
    pub sampled: bool,
}

impl fmt::Display for TraceContext {
    /// Writes a `traceparent` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceParent;

    /// Reads a `traceparent` header; fields that later versions append are ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split('-');
        let (Some(version), Some(trace), Some(span), Some(flags)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidTraceParent::Shape);
        };
        let hex = |byte: &str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !hex(version) || version == "ff" || !hex(flags) || (version == "00" && parts.next().is_some()) {
            return Err(InvalidTraceParent::Shape);
        }
        let flags = u8::from_str_radix(flags, 16).map_err(|_| InvalidTraceParent::Shape)?;
        Ok(Self { trace_id: trace.parse()?, span_id: span.parse()?, sampled: flags & 1 == 1 })
    }
}

/// A text is not a `traceparent` header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTraceParent {
    /// The four fields are not there.
    #[error("not a traceparent: give version-traceid-spanid-flags, as in 00-<32 digits>-<16 digits>-01")]
    Shape,
    /// One of the ids is not valid.
    #[error("not a traceparent: {0}")]
    Id(#[from] InvalidTraceId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_round_trips() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace: TraceContext = text.parse().unwrap();
        assert!(trace.sampled);
        assert_eq!(trace.to_string(), text);
    }

    #[test]
    fn a_bad_traceparent_is_refused() {
        for text in ["", "00-1-2-3", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] {
            assert!(text.parse::<TraceContext>().is_err(), "{text}");
        }
    }

    #[test]
    fn headers_share_until_written() {
        let mut a: Headers = [("x", "1")].into_iter().collect();
        let b = a.clone();
        a.insert("x", "2");
        assert_eq!((a.get("x"), b.get("x")), (Some("2"), Some("1")));
        assert_eq!(format!("{a:?}"), "{\"x\"}");
    }
}
