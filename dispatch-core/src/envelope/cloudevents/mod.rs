//! CloudEvents 1.0: the form in which envelopes meet other systems.
//!
//! [`Envelope::to_cloud_event`](super::Envelope::to_cloud_event) and
//! [`Envelope::from_cloud_event`](super::Envelope::from_cloud_event) are exact inverses of each other: an
//! envelope comes back as it was, and so does an event that somebody else made. [`CloudEvent`] reads and writes
//! the structured JSON format.
//!
//! # Mapping
//!
//! | CloudEvent | envelope |
//! |---|---|
//! | `id` | id |
//! | `source` | source; none is `urn:dispatch:none`, and characters that no URI has are percent-encoded |
//! | `type` | message type: the explicit one, or else the payload's type name |
//! | `subject` | subject |
//! | `time` | created_at |
//! | `data` | a JSON payload; a typed one is serialised; no payload is no `data`, `null` is `null` |
//! | `data_base64` and `datacontenttype` | a bytes payload and its media type, also if that is JSON |
//! | `partitionkey` (official extension) | key |
//! | `traceparent` (official extension) | trace |
//! | `correlationid`, `causationid` | correlation_id, causation_id |
//! | `dispatchtopic`, `dispatchcategory` | topic, category |
//! | `dispatchhops` | hops; left out at 0 |
//! | `dispatchheaders`, `dispatchmetadata` | headers and metadata as the text of a JSON object; left out if empty |
//! | `dispatchexact` | texts that the attributes above cannot hold as they are (empty ones, and a source that is not a URI), as the text of a JSON object |
//!
//! # Events of others
//!
//! What an event holds and an envelope has no field for is kept in the metadata under `cloudevents.` and the
//! attribute's name, and restored on the way out:
//!
//! - `dataschema`, and extensions that are not in the table: `cloudevents.dataschema`, `cloudevents.tracestate`.
//!   A handler that sets such metadata sets the attribute.
//! - An id that is no UUID becomes the UUID v5 of source and id: the same event has the same id everywhere. So
//!   do correlation and causation ids, of their text alone.
//! - A value that is written in another way than the engine would: a time with an offset, a media type with
//!   parameters, an upper-case UUID, a `traceparent` that nobody can read (which is no error).
//! - Text in `data` under a media type that is not JSON becomes bytes, and text again.
//!
//! A kept value is restored only while it still means what the envelope says: an envelope that got a new id
//! goes out under the new id, and the old one stays in the metadata.
//!
//! An event without `time` gets the Unix epoch, so that reading it twice gives equal envelopes. Where age matters,
//! give it the time of its arrival first: [`CloudEvent::or_time`].
//!
//! # Limits
//!
//! Attribute names are 1 to 20 lower-case letters and digits. The value of an attribute has at most 64 KiB
//! ([`CloudEvent::MAX_ATTRIBUTE_BYTES`]): all headers count as one attribute, and so does all metadata. Data
//! has no limit of its own. JSON is read to a depth of 127. Times have the years 0000 to 9999.
//!
//! # Examples
//!
//! ```
//! use dispatch_core::{CloudEvent, Envelope};
//! use serde_json::json;
//!
//! let envelope = Envelope::json("OrderPlaced", json!({"order": 7})).with_source("/shop").with_key("customer-1");
//! let event = envelope.to_cloud_event()?;
//! assert_eq!(event.event_type(), "OrderPlaced");
//! assert_eq!(event.extension("partitionkey").and_then(|key| key.as_str()), Some("customer-1"));
//!
//! let text = serde_json::to_vec(&event)?;
//! let back = Envelope::from_cloud_event(CloudEvent::from_json(&text)?)?;
//! assert_eq!(serde_json::to_value(&back)?, serde_json::to_value(&envelope)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An event that somebody else made:
//!
//! ```
//! use dispatch_core::{CloudEvent, Envelope};
//! use serde_json::json;
//!
//! let event: CloudEvent = serde_json::from_value(json!({
//!     "specversion": "1.0", "id": "A-1", "source": "/erp", "type": "com.example.invoice",
//!     "dataschema": "https://example.com/invoice.json", "data": {"total": 12.5},
//! }))?;
//! let envelope = Envelope::from_cloud_event(event.clone())?;
//! assert_eq!(envelope.metadata().get("cloudevents.id"), Some(&json!("A-1")));
//! assert_eq!(envelope.to_cloud_event()?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod draft;
mod error;
mod event;
mod extension;
mod json;
mod kept;
mod meaning;
mod read;
mod time;
mod write;

pub use error::CloudEventError;
pub use event::{CloudEvent, EventData};
pub use extension::ExtensionValue;

/// The source of an envelope that has none: CloudEvents requires one.
pub const NO_SOURCE: &str = "urn:dispatch:none";

/// What the metadata keys begin with that hold what an envelope has no field for.
pub const KEPT_PREFIX: &str = "cloudevents.";

/// Names of the extensions that an envelope has a field for.
mod name {
    pub(super) const KEY: &str = "partitionkey";
    pub(super) const TRACE: &str = "traceparent";
    pub(super) const CORRELATION: &str = "correlationid";
    pub(super) const CAUSATION: &str = "causationid";
    pub(super) const TOPIC: &str = "dispatchtopic";
    pub(super) const CATEGORY: &str = "dispatchcategory";
    pub(super) const HOPS: &str = "dispatchhops";
    pub(super) const HEADERS: &str = "dispatchheaders";
    pub(super) const METADATA: &str = "dispatchmetadata";
    pub(super) const EXACT: &str = "dispatchexact";
}
