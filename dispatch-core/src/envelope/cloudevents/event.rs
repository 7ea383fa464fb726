use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::Value;

use super::extension::{check_length, check_name};
use super::time::EventTime;
use super::{CloudEventError, ExtensionValue};

/// An event of CloudEvents 1.0. Every value of this type is a valid event.
///
/// `Serialize` and `Deserialize` are the structured JSON format, whose media type is [`CloudEvent::MEDIA_TYPE`].
/// Optional attributes that are `null` count as absent.
///
/// ```
/// use dispatch_core::CloudEvent;
/// use serde_json::json;
///
/// let event = CloudEvent::new("A-1", "/erp", "com.example.invoice")?
///     .with_json(json!({"total": 12}))
///     .with_extension("comexampleattempt", 2)?;
/// assert_eq!(
///     serde_json::to_value(&event)?,
///     json!({
///         "specversion": "1.0", "id": "A-1", "source": "/erp", "type": "com.example.invoice",
///         "datacontenttype": "application/json", "comexampleattempt": 2, "data": {"total": 12},
///     }),
/// );
/// assert!(CloudEvent::new("A-1", "", "com.example.invoice").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct CloudEvent {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) event_type: String,
    pub(super) subject: Option<String>,
    pub(super) time: Option<EventTime>,
    pub(super) data_content_type: Option<String>,
    pub(super) data_schema: Option<String>,
    pub(super) extensions: BTreeMap<String, ExtensionValue>,
    pub(super) data: Option<EventData>,
}

/// The data of an event. A clone never copies the content.
#[derive(Clone, PartialEq)]
pub enum EventData {
    /// A JSON value, the member `data`.
    Json(Arc<Value>),
    /// Bytes, the member `data_base64`.
    Binary(Bytes),
}

impl CloudEvent {
    /// The version of the specification.
    pub const SPEC_VERSION: &'static str = "1.0";
    /// The media type of the structured JSON format.
    pub const MEDIA_TYPE: &'static str = "application/cloudevents+json";
    /// The longest value of an attribute, in bytes of UTF-8. Intermediaries need not forward longer events.
    pub const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

    /// An event with what is required.
    ///
    /// # Errors
    /// [`CloudEventError::Blank`] or [`CloudEventError::TooLong`].
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        event_type: impl Into<String>,
    ) -> Result<Self, CloudEventError> {
        let event = Self {
            id: id.into(),
            source: source.into(),
            event_type: event_type.into(),
            subject: None,
            time: None,
            data_content_type: None,
            data_schema: None,
            extensions: BTreeMap::new(),
            data: None,
        };
        event.check()?;
        Ok(event)
    }

    /// Checks every attribute; the names of extensions and the time are checked where they are set.
    pub(super) fn check(&self) -> Result<(), CloudEventError> {
        for (attribute, text) in [("id", &self.id), ("source", &self.source), ("type", &self.event_type)] {
            if text.trim().is_empty() {
                return Err(CloudEventError::Blank { attribute });
            }
            check_length(attribute, text)?;
        }
        check_optional("subject", self.subject.as_deref())?;
        check_optional("time", self.time_text())?;
        check_optional("datacontenttype", self.data_content_type.as_deref())?;
        check_optional("dataschema", self.data_schema.as_deref())?;
        self.extensions.iter().try_for_each(|(name, value)| value.check(name))
    }

    /// Sets the subject.
    ///
    /// # Errors
    /// [`CloudEventError::Blank`] or [`CloudEventError::TooLong`].
    pub fn with_subject(mut self, subject: impl Into<String>) -> Result<Self, CloudEventError> {
        let subject = subject.into();
        check_optional("subject", Some(&subject))?;
        self.subject = Some(subject);
        Ok(self)
    }

    /// Sets the time.
    ///
    /// # Errors
    /// [`CloudEventError::TimeRange`] outside the years 0000 to 9999.
    pub fn with_time(mut self, time: SystemTime) -> Result<Self, CloudEventError> {
        self.time = Some(EventTime::of(time).ok_or(CloudEventError::TimeRange)?);
        Ok(self)
    }

    /// Sets the time if there is none, such as that of the arrival of an event.
    ///
    /// # Errors
    /// [`CloudEventError::TimeRange`] outside the years 0000 to 9999.
    pub fn or_time(self, time: SystemTime) -> Result<Self, CloudEventError> {
        if self.time.is_some() { Ok(self) } else { self.with_time(time) }
    }

    /// Sets the URI of the schema of the data.
    ///
    /// # Errors
    /// [`CloudEventError::Blank`] or [`CloudEventError::TooLong`].
    pub fn with_data_schema(mut self, uri: impl Into<String>) -> Result<Self, CloudEventError> {
        let uri = uri.into();
        check_optional("dataschema", Some(&uri))?;
        self.data_schema = Some(uri);
        Ok(self)
    }

    /// Sets the data to a JSON value, of the media type `application/json`.
    #[must_use]
    pub fn with_json(mut self, value: impl Into<Arc<Value>>) -> Self {
        self.data_content_type = Some(crate::Payload::JSON.to_owned());
        self.data = Some(EventData::Json(value.into()));
        self
    }

    /// Sets the data to bytes of a media type.
    ///
    /// # Errors
    /// [`CloudEventError::Blank`] or [`CloudEventError::TooLong`], about the media type.
    pub fn with_binary(
        mut self,
        data: impl Into<Bytes>,
        content_type: impl Into<String>,
    ) -> Result<Self, CloudEventError> {
        let content_type = content_type.into();
        check_optional("datacontenttype", Some(&content_type))?;
        self.data_content_type = Some(content_type);
        self.data = Some(EventData::Binary(data.into()));
        Ok(self)
    }

    /// Sets an extension attribute.
    ///
    /// # Errors
    /// [`CloudEventError::ExtensionName`] or [`CloudEventError::TooLong`].
    pub fn with_extension(
        mut self,
        name: impl Into<String>,
        value: impl Into<ExtensionValue>,
    ) -> Result<Self, CloudEventError> {
        let (name, value) = (name.into(), value.into());
        check_name(&name)?;
        value.check(&name)?;
        self.extensions.insert(name, value);
        Ok(self)
    }

    /// Identifies the event together with its source.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it happened.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What kind of event it is: the attribute `type`.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        self.time.as_ref().map(EventTime::instant)
    }

    /// When it happened, in the very text that the event was read from.
    #[must_use]
    pub fn time_text(&self) -> Option<&str> {
        self.time.as_ref().map(EventTime::text)
    }

    /// Media type of the data; absent means JSON.
    #[must_use]
    pub fn data_content_type(&self) -> Option<&str> {
        self.data_content_type.as_deref()
    }

    /// URI of the schema of the data.
    #[must_use]
    pub fn data_schema(&self) -> Option<&str> {
        self.data_schema.as_deref()
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> Option<&EventData> {
        self.data.as_ref()
    }

    /// The value of an extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&ExtensionValue> {
        self.extensions.get(name)
    }

    /// Extension attributes in the order of their names.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &ExtensionValue)> {
        self.extensions.iter().map(|(name, value)| (name.as_str(), value))
    }
}

fn check_optional(attribute: &'static str, text: Option<&str>) -> Result<(), CloudEventError> {
    match text {
        None => Ok(()),
        Some("") => Err(CloudEventError::Blank { attribute }),
        Some(text) => check_length(attribute, text),
    }
}

impl fmt::Debug for CloudEvent {
    /// Shows what identifies the event and the names of its extensions, never their values or the data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudEvent")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("type", &self.event_type)
            .field("extensions", &self.extensions.keys())
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventData {
    /// Shows the kind and the size, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("Json"),
            Self::Binary(data) => write!(f, "Binary({} bytes)", data.len()),
        }
    }
}
