use crate::envelope::PayloadNotJson;

/// An event is not a valid CloudEvent, or an envelope cannot be made into one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudEventError {
    /// The text is not JSON, not an object, or gives a member twice.
    #[error("not a CloudEvent in JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// A required attribute is not there.
    #[error("the event has no '{attribute}': CloudEvents 1.0 requires id, source, type and specversion")]
    Missing {
        /// Name of the attribute.
        attribute: &'static str,
    },
    /// An attribute is empty; a required one is also refused if it is white space only.
    #[error("attribute '{attribute}' must not be blank: give it a value or leave out an optional one")]
    Blank {
        /// Name of the attribute.
        attribute: &'static str,
    },
    /// The event follows another version of the specification.
    #[error("CloudEvents version '{found}' is not supported: send version 1.0")]
    SpecVersion {
        /// The version given, shortened.
        found: String,
    },
    /// A member has another JSON type than it must have.
    #[error("attribute '{attribute}' must be {expected}")]
    WrongType {
        /// Name of the attribute, shortened.
        attribute: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The value of an attribute is longer than [`CloudEvent::MAX_ATTRIBUTE_BYTES`](super::CloudEvent::MAX_ATTRIBUTE_BYTES).
    #[error("attribute '{attribute}' has {bytes} bytes: use at most 65536, or put the content into the data")]
    TooLong {
        /// Name of the attribute.
        attribute: String,
        /// Length of its value.
        bytes: usize,
    },
    /// A name is not that of an extension: see the limits of the module, or it is an attribute of the
    /// specification itself.
    #[error(
        "'{name}' is not the name of an extension: use 1 to 20 lower-case letters and digits, and no name of CloudEvents itself"
    )]
    ExtensionName {
        /// The name given, shortened.
        name: String,
    },
    /// The event has both `data` and `data_base64`.
    #[error("data and data_base64 exclude each other: give one of them")]
    DataTwice,
    /// The content of `data_base64` is not Base64.
    #[error("data_base64 is not Base64: {0}")]
    Base64(#[source] base64::DecodeError),
    /// A `time` is not RFC 3339.
    #[error("'{text}' is not a time: give RFC 3339, as in 2030-01-31T12:00:00Z")]
    Time {
        /// The text given, shortened.
        text: String,
    },
    /// The time of an envelope cannot be written as RFC 3339.
    #[error("the time of the envelope is outside the years 0000 to 9999, which RFC 3339 cannot write")]
    TimeRange,
    /// An extension that an envelope has a field for does not hold what it must.
    #[error("extension '{name}' is not valid: {reason}")]
    Extension {
        /// Name of the extension.
        name: &'static str,
        /// What it must hold.
        reason: String,
    },
    /// The metadata in an event claims to keep what the event itself says.
    #[error("metadata '{key}' in extension 'dispatchmetadata' is reserved: set the attribute itself")]
    Reserved {
        /// The metadata key, shortened.
        key: String,
    },
    /// A typed payload refuses to be serialised.
    #[error(transparent)]
    Payload(#[from] PayloadNotJson),
}

/// The first 40 characters of a text that came from outside.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}
