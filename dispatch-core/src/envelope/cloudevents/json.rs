//! The structured JSON format.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::error::shorten;
use super::event::{CloudEvent, EventData};
use super::time::EventTime;
use super::{CloudEventError, ExtensionValue};

impl CloudEvent {
    /// Reads an event from the structured JSON format.
    ///
    /// # Errors
    /// A [`CloudEventError`] that names the attribute and what is wrong with it.
    pub fn from_json(text: &[u8]) -> Result<Self, CloudEventError> {
        let object: Object = serde_json::from_slice(text).map_err(CloudEventError::Json)?;
        Self::from_object(object.0)
    }

    fn from_object(mut members: Map<String, Value>) -> Result<Self, CloudEventError> {
        match take_required(&mut members, "specversion")? {
            version if version == Self::SPEC_VERSION => {}
            version => return Err(CloudEventError::SpecVersion { found: shorten(&version) }),
        }
        let mut event = Self::new(
            take_required(&mut members, "id")?,
            take_required(&mut members, "source")?,
            take_required(&mut members, "type")?,
        )?;
        event.subject = take_text(&mut members, "subject")?;
        event.time = take_text(&mut members, "time")?.map(EventTime::parse).transpose()?;
        event.data_content_type = take_text(&mut members, "datacontenttype")?;
        event.data_schema = take_text(&mut members, "dataschema")?;
        event.data = match (members.remove("data"), members.remove("data_base64")) {
            (None, None) => None,
            (Some(value), None) => Some(EventData::Json(Arc::new(value))),
            (None, Some(Value::String(text))) => {
                Some(EventData::Binary(STANDARD.decode(text).map_err(CloudEventError::Base64)?.into()))
            }
            (None, Some(_)) => return Err(not_text("data_base64")),
            (Some(_), Some(_)) => return Err(CloudEventError::DataTwice),
        };
        for (name, value) in members {
            super::extension::check_name(&name)?;
            if !value.is_null() {
                let value = ExtensionValue::from_json(&name, value)?;
                event.extensions.insert(name, value);
            }
        }
        event.check()?;
        Ok(event)
    }
}

fn not_text(attribute: &str) -> CloudEventError {
    CloudEventError::WrongType { attribute: attribute.to_owned(), expected: "a text" }
}

/// Removes a text from the members; `null` counts as absent.
fn take_text(
    members: &mut Map<String, Value>,
    attribute: &'static str,
) -> Result<Option<String>, CloudEventError> {
    match members.remove(attribute) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(not_text(attribute)),
    }
}

fn take_required(
    members: &mut Map<String, Value>,
    attribute: &'static str,
) -> Result<String, CloudEventError> {
    take_text(members, attribute)?.ok_or(CloudEventError::Missing { attribute })
}

/// A JSON object that gives no member twice: which of two ids would it be?
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.contains_key(&name) {
                        let name = shorten(&name);
                        return Err(de::Error::custom(format_args!("'{name}' is given twice")));
                    }
                    members.insert(name, value);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for CloudEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_object(Object::deserialize(deserializer)?.0).map_err(de::Error::custom)
    }
}

impl Serialize for CloudEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", Self::SPEC_VERSION)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("type", &self.event_type)?;
        for (attribute, text) in [
            ("subject", self.subject()),
            ("time", self.time_text()),
            ("datacontenttype", self.data_content_type()),
            ("dataschema", self.data_schema()),
        ] {
            if let Some(text) = text {
                map.serialize_entry(attribute, text)?;
            }
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        match &self.data {
            None => {}
            Some(EventData::Json(value)) => map.serialize_entry("data", value)?,
            Some(EventData::Binary(data)) => {
                map.serialize_entry("data_base64", &format_args!("{}", Base64Display::new(data, &STANDARD)))?;
            }
        }
        map.end()
    }
}
