use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::draft::Draft;
use super::error::shorten;
use super::event::{CloudEvent, EventData};
use super::meaning::{self, Exact};
use super::{CloudEventError, KEPT_PREFIX, NO_SOURCE, kept, name};
use crate::envelope::model::Inner;
use crate::envelope::payload::is_json;
use crate::envelope::{Envelope, Metadata, Payload};
use crate::ids::MessageType;

impl Envelope {
    /// Makes an envelope of an event, so that [`Envelope::to_cloud_event`] gives the same event back.
    ///
    /// See [`cloudevents`](super) for what becomes of each attribute.
    ///
    /// # Errors
    /// [`CloudEventError::Extension`] if an extension that an envelope has a field for does not hold what it
    /// must, and [`CloudEventError::Reserved`] if the metadata in it contradicts the event.
    ///
    /// # Examples
    /// An event without a time, read with the time of its arrival:
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use dispatch_core::{CloudEvent, Envelope};
    ///
    /// let event = CloudEvent::new("A-1", "/erp", "com.example.ping")?;
    /// let arrival = SystemTime::now();
    /// let envelope = Envelope::from_cloud_event(event.or_time(arrival)?)?;
    /// assert_eq!(envelope.created_at(), arrival);
    /// assert_eq!(envelope.source(), Some("/erp"));
    /// # Ok::<(), dispatch_core::CloudEventError>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "the event becomes the envelope, as the name says")]
    pub fn from_cloud_event(event: CloudEvent) -> Result<Self, CloudEventError> {
        let exact = meaning::exact(event.extension(name::EXACT))?;
        let mut inner = fields(&event, &exact)?;
        let draft = Draft::of(&inner)?;
        agree(&event, &exact, &draft)?;

        let mut metadata = meaning::metadata(event.extension(name::METADATA))?;
        let claim = metadata.keys().find(|key| key.starts_with(KEPT_PREFIX)).cloned();
        for (name, value) in kept::difference(draft, &event, &metadata)? {
            let key = format!("{KEPT_PREFIX}{name}");
            if metadata.contains_key(&key) {
                return Err(CloudEventError::Reserved { key: shorten(&key) });
            }
            metadata.insert(key, value);
        }
        inner.metadata = Metadata::from_iter(metadata);
        let envelope = Self::from_inner(inner);
        match claim {
            // Metadata that looks like a kept value and is none must not become one on the way out.
            Some(key) if envelope.to_cloud_event()? != event => {
                Err(CloudEventError::Reserved { key: shorten(&key) })
            }
            _ => Ok(envelope),
        }
    }
}

/// The envelope of an event, without metadata.
fn fields(event: &CloudEvent, exact: &Exact) -> Result<Inner, CloudEventError> {
    let shared = |text: &str| Arc::<str>::from(text);
    let source = (event.source != NO_SOURCE).then(|| shared(&event.source));
    let key = meaning::key(event.extension(name::KEY))?.map(shared);
    Ok(Inner {
        id: meaning::identify(&event.source, &event.id),
        message_type: MessageType::new(&event.event_type),
        category: meaning::category(event.extension(name::CATEGORY))?,
        payload: payload(event.data_content_type(), exact.content_type.as_ref(), event.data()),
        headers: meaning::headers(event.extension(name::HEADERS))?.into_iter().collect(),
        metadata: Metadata::default(),
        correlation_id: meaning::id(name::CORRELATION, event.extension(name::CORRELATION))?,
        causation_id: meaning::id(name::CAUSATION, event.extension(name::CAUSATION))?,
        trace: meaning::trace(event.extension(name::TRACE)),
        source: exact.source.clone().or(source),
        subject: exact.subject.clone().or(event.subject().map(shared)),
        key: exact.key.clone().or(key),
        topic: meaning::topic(event.extension(name::TOPIC))?,
        created_at: event.time().unwrap_or(UNIX_EPOCH),
        hops: meaning::hops(event.extension(name::HOPS))?,
    })
}

/// Checks that each exact text is the one that the attributes stand for.
fn agree(event: &CloudEvent, exact: &Exact, draft: &Draft) -> Result<(), CloudEventError> {
    let own = &draft.event;
    let agrees = |given: &Option<Arc<str>>, written: &Option<Arc<str>>, same_attribute: bool| {
        given.is_none() || (given == written && same_attribute)
    };
    let all = agrees(&exact.source, &draft.exact.source, event.source == own.source)
        && agrees(&exact.subject, &draft.exact.subject, event.subject == own.subject)
        && agrees(&exact.key, &draft.exact.key, event.extension(name::KEY) == own.extension(name::KEY))
        && agrees(
            &exact.content_type,
            &draft.exact.content_type,
            event.data_content_type == own.data_content_type,
        );
    if all { Ok(()) } else { Err(meaning::contradiction()) }
}

/// The payload that data of a media type makes. Text that is not JSON by its media type is bytes; data without
/// a media type is JSON.
pub(super) fn payload(
    content_type: Option<&str>,
    exact: Option<&Arc<str>>,
    data: Option<&EventData>,
) -> Payload {
    let media_type = || match exact {
        Some(exact) => Arc::clone(exact),
        None => content_type.unwrap_or(Payload::JSON).into(),
    };
    match data {
        None => Payload::Empty,
        Some(EventData::Binary(bytes)) => Payload::bytes(bytes.clone(), media_type()),
        Some(EventData::Json(value)) => match value.as_str() {
            Some(text) if content_type.is_some_and(|media_type| !is_json(media_type)) => {
                Payload::bytes(text.to_owned(), media_type())
            }
            _ => Payload::Json(Arc::clone(value)),
        },
    }
}
