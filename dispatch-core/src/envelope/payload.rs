use std::any::{Any, type_name};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use crate::ids::MessageType;

/// What an envelope carries. A clone never copies the content.
#[derive(Clone, Default)]
pub enum Payload {
    /// Nothing.
    #[default]
    Empty,
    /// A value of the program's own, handed over by reference inside the process and serialised only where
    /// it leaves it. Made by [`Payload::typed`].
    Typed(TypedPayload),
    /// A JSON value.
    Json(Arc<Value>),
    /// Bytes with a media type.
    Bytes {
        /// The content.
        data: Bytes,
        /// Media type of the content, such as `application/octet-stream`.
        content_type: Arc<str>,
    },
}

/// A shared value of a type that the program knows, and how to serialise it at an edge.
#[derive(Clone)]
pub struct TypedPayload {
    value: Arc<dyn Erased>,
    /// Worked out once: it is asked for with every dispatch.
    type_name: &'static str,
}

trait Erased: Any + Send + Sync {
    fn to_json(&self) -> serde_json::Result<Value>;
    fn to_vec(&self) -> serde_json::Result<Vec<u8>>;
}

impl<T: Serialize + Any + Send + Sync> Erased for T {
    fn to_json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }

    fn to_vec(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// The last segment of a type's path, without generic arguments: `OrderPlaced` for `shop::OrderPlaced`.
#[must_use]
pub fn short_type_name<T: ?Sized>() -> &'static str {
    let path = type_name::<T>();
    let head = path.split('<').next().unwrap_or(path);
    head.rsplit("::").next().unwrap_or(head)
}

impl Payload {
    /// Media type of JSON content.
    pub const JSON: &'static str = "application/json";

    /// Shares a value; the message type defaults to the short name of `T`.
    pub fn typed<T: Serialize + Send + Sync + 'static>(value: T) -> Self {
        Self::Typed(TypedPayload { value: Arc::new(value), type_name: short_type_name::<T>() })
    }

    /// A JSON value; `null` is [`Payload::Empty`].
    #[must_use]
    pub fn json(value: Value) -> Self {
        if value.is_null() { Self::Empty } else { Self::Json(Arc::new(value)) }
    }

    /// Bytes with their media type.
    pub fn bytes(data: impl Into<Bytes>, content_type: impl Into<Arc<str>>) -> Self {
        Self::Bytes { data: data.into(), content_type: content_type.into() }
    }

    /// The name that stands in for a message type where none is given: the short name of a typed payload,
    /// else `json`, `bytes` or `empty`.
    #[must_use]
    pub fn type_name(&self) -> MessageType {
        MessageType::from_static(self.type_name_str())
    }

    pub(super) fn type_name_str(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Typed(typed) => typed.type_name,
            Self::Json(_) => "json",
            Self::Bytes { .. } => "bytes",
        }
    }

    /// The content as `T`: the shared value itself if it has this type, else decoded from JSON.
    ///
    /// # Errors
    /// [`PayloadMismatch`] if the value has another type and its JSON does not describe a `T`.
    pub fn decode<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Arc<T>, PayloadMismatch> {
        let decoded = match self {
            Self::Typed(typed) => {
                let shared: Arc<dyn Any + Send + Sync> = Arc::clone(&typed.value) as _;
                match shared.downcast::<T>() {
                    Ok(value) => return Ok(value),
                    Err(_) => typed.value.to_json().and_then(serde_json::from_value),
                }
            }
            Self::Empty => T::deserialize(Value::Null),
            Self::Json(value) => T::deserialize(&**value),
            Self::Bytes { data, .. } => serde_json::from_slice(data),
        };
        decoded.map(Arc::new).map_err(|source| PayloadMismatch {
            expected: short_type_name::<T>(),
            found: self.type_name(),
            source,
        })
    }

    /// The shared value, if it has the type `T`.
    #[must_use]
    pub fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Typed(typed) => {
                let any: &dyn Any = &*typed.value;
                any.downcast_ref()
            }
            _ => None,
        }
    }

    /// The content as JSON. Bytes are only JSON if their media type says so.
    ///
    /// # Errors
    /// [`PayloadNotJson`] for other bytes and for a value that refuses to be serialised.
    pub fn to_json(&self) -> Result<Cow<'_, Value>, PayloadNotJson> {
        match self {
            Self::Empty => Ok(Cow::Owned(Value::Null)),
            Self::Json(value) => Ok(Cow::Borrowed(value)),
            Self::Typed(typed) => typed.value.to_json().map(Cow::Owned).map_err(PayloadNotJson::Serialize),
            Self::Bytes { data, content_type } if is_json(content_type) => {
                serde_json::from_slice(data).map(Cow::Owned).map_err(PayloadNotJson::Serialize)
            }
            Self::Bytes { content_type, .. } => Err(PayloadNotJson::MediaType(Arc::clone(content_type))),
        }
    }

    /// The content as bytes, as it would travel outside the process, with its media type.
    ///
    /// # Errors
    /// [`PayloadNotJson::Serialize`] if a typed value refuses to be serialised.
    pub fn to_bytes(&self) -> Result<(Bytes, Arc<str>), PayloadNotJson> {
        let json = match self {
            Self::Empty => return Ok((Bytes::new(), Self::JSON.into())),
            Self::Bytes { data, content_type } => return Ok((data.clone(), Arc::clone(content_type))),
            Self::Json(value) => serde_json::to_vec(value),
            Self::Typed(typed) => typed.value.to_vec(),
        };
        json.map(|json| (json.into(), Self::JSON.into())).map_err(PayloadNotJson::Serialize)
    }
}

pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == Payload::JSON || essence == "text/json" || essence.ends_with("+json")
}

impl fmt::Debug for Payload {
    /// Shows the kind and the size, never the content: payloads may hold what logs must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Typed(typed) => write!(f, "Typed({})", typed.type_name),
            Self::Json(_) => f.write_str("Json"),
            Self::Bytes { data, content_type } => write!(f, "Bytes({} of {content_type})", data.len()),
        }
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::json(value)
    }
}

/// A payload is not what a handler asked for.
#[derive(Debug, thiserror::Error)]
#[error("the payload is not a {expected} but a {found}: {}", shape_of(source))]
pub struct PayloadMismatch {
    expected: &'static str,
    found: MessageType,
    source: serde_json::Error,
}

/// What is wrong with the shape of a payload, without any value of it. What serde says of a value is left to the
/// error's source.
fn shape_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if text.starts_with("missing field") || text.starts_with("duplicate field") {
        return text.to_owned();
    }
    match (error.classify(), text.rsplit_once(", expected ")) {
        (Category::Data, Some((_, expected))) => format!("a value has the wrong type, expected {expected}"),
        (Category::Data, None) => "a value is not allowed".to_owned(),
        _ => "not valid JSON".to_owned(),
    }
}

/// A payload cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadNotJson {
    /// The value could not be serialised, or bytes that claim to be JSON are not.
    #[error("the payload is not valid JSON: {0}")]
    Serialize(#[source] serde_json::Error),
    /// Bytes of another media type.
    #[error("a payload of media type '{0}' is not JSON: read its bytes instead")]
    MediaType(Arc<str>),
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Order {
        id: u32,
    }

    #[test]
    fn a_typed_payload_is_handed_over_by_reference() {
        let payload = Payload::typed(Order { id: 1 });
        let (a, b) = (payload.decode::<Order>().unwrap(), payload.decode::<Order>().unwrap());
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(payload.type_name().as_str(), "Order");
    }

    #[test]
    fn anything_else_is_decoded_from_json() {
        for payload in [
            Payload::json(json!({"id": 2})),
            Payload::bytes("{\"id\":2}", Payload::JSON),
            Payload::typed(json!({"id": 2})),
        ] {
            assert_eq!(*payload.decode::<Order>().unwrap(), Order { id: 2 });
        }
    }

    #[test]
    fn a_mismatch_names_both_types() {
        let error = Payload::json(json!({"no": 1})).decode::<Order>().unwrap_err();
        assert!(
            error.to_string().starts_with("the payload is not a Order but a json: missing field"),
            "{error}"
        );
    }

    #[test]
    fn a_mismatch_shows_no_value() {
        let error = Payload::json(json!({"id": "4111-1111"})).decode::<Order>().unwrap_err().to_string();
        assert_eq!(error, "the payload is not a Order but a json: a value has the wrong type, expected u32");
    }

    #[test]
    fn debug_shows_no_content() {
        let payload = Payload::json(json!({"password": "x1"}));
        assert_eq!(format!("{payload:?}"), "Json");
    }

    #[test]
    fn bytes_are_json_only_if_they_say_so() {
        assert!(Payload::bytes("{}", "application/cloudevents+json; charset=utf-8").to_json().is_ok());
        assert!(Payload::bytes("{}", "text/plain").to_json().is_err());
    }

    #[test]
    fn the_short_name_drops_path_and_generics() {
        assert_eq!(short_type_name::<Order>(), "Order");
        assert_eq!(short_type_name::<Vec<Order>>(), "Vec");
    }
}
