//! What an event holds and an envelope has no field for: told apart on the way in, restored on the way out.
//!
//! Invariants:
//! - A value is kept exactly where the event differs from what the envelope alone would write.
//! - A kept value is restored only if reading it back gives the envelope the same fields, and keeps it again.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};

use super::draft::Draft;
use super::event::{CloudEvent, EventData};
use super::extension::is_extension_name;
use super::time::EventTime;
use super::{CloudEventError, ExtensionValue, NO_SOURCE, meaning, read, write};
use crate::envelope::Payload;
use crate::envelope::model::Inner;
use crate::ids::MessageType;

/// Kept values by the name of their attribute.
pub(super) type Kept<'a> = BTreeMap<&'a str, &'a Value>;

/// Removes a value that may be restored.
fn take<'a>(kept: &mut Kept<'a>, name: &str, may: impl FnOnce(&Value) -> bool) -> Option<&'a Value> {
    let value = *kept.get(name)?;
    may(value).then(|| {
        kept.remove(name);
        value
    })
}

fn take_text(kept: &mut Kept<'_>, name: &str, may: impl FnOnce(&str) -> bool) -> Option<String> {
    let text = take(kept, name, |value| value.as_str().is_some_and(|text| !text.is_empty() && may(text)))?;
    text.as_str().map(str::to_owned)
}

/// Moves into the draft what still means what the envelope says, all but extensions.
///
/// # Errors
/// [`CloudEventError::TimeRange`] if neither the envelope nor a kept text can write the time.
pub(super) fn restore(
    draft: &mut Draft,
    envelope: &Inner,
    kept: &mut Kept<'_>,
) -> Result<(), CloudEventError> {
    let is_new = |text: &str, old: &str| text != old && !text.trim().is_empty();
    let source = take_text(kept, "source", |text| {
        is_new(text, &draft.event.source) && text != NO_SOURCE && envelope.source.as_deref() == Some(text)
    });
    if let Some(source) = source {
        draft.write_source_as_it_is(&source);
    }
    let event = &mut draft.event;
    let id = take_text(kept, "id", |text| {
        is_new(text, &event.id) && meaning::identify(&event.source, text) == envelope.id
    });
    let message_type = take_text(kept, "type", |text| {
        is_new(text, &event.event_type)
            && MessageType::new(text).is_some_and(|new| new.as_str() == event.event_type)
    });
    event.id = id.unwrap_or_else(|| std::mem::take(&mut event.id));
    event.event_type = message_type.unwrap_or_else(|| std::mem::take(&mut event.event_type));
    event.data_schema = take_text(kept, "dataschema", |_| true);
    let no_time = |value: &Value| value.is_null() && envelope.created_at == UNIX_EPOCH;
    if take(kept, "time", no_time).is_some() {
        event.time = None;
    } else if let Some(Value::String(text)) = kept.get("time")
        && event.time_text() != Some(text)
        && let Ok(time) = EventTime::parse(text.clone())
        && time.instant() == envelope.created_at
    {
        event.time = Some(time);
        kept.remove("time");
    } else if event.time.is_none() {
        return Err(CloudEventError::TimeRange);
    }
    restore_data(draft, kept);
    Ok(())
}

/// Data as text instead of bytes, and a media type in other words or none: together or not at all.
fn restore_data(draft: &mut Draft, kept: &mut Kept<'_>) {
    let event = &draft.event;
    let (mut data, mut content_type) = (event.data.clone(), event.data_content_type.clone());
    if let Some(Value::String(form)) = kept.get("data")
        && form == "text"
        && let Some(EventData::Binary(bytes)) = &data
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        data = Some(EventData::Json(std::sync::Arc::new(text.into())));
    }
    let exact = draft.exact.content_type.as_ref();
    match kept.get("datacontenttype") {
        // An exact media type stands beside the attribute that the engine writes for it, and no other.
        _ if exact.is_some() => {}
        Some(Value::Null) => content_type = None,
        Some(Value::String(text)) if !text.is_empty() => content_type = Some(text.clone()),
        _ => {}
    }
    let meant = read::payload(event.data_content_type.as_deref(), exact, event.data.as_ref());
    let restored = read::payload(content_type.as_deref(), exact, data.as_ref());
    if !same_payload(&meant, &restored) {
        return;
    }
    if content_type != event.data_content_type {
        kept.remove("datacontenttype");
    }
    if data != event.data {
        kept.remove("data");
    }
    (draft.event.data, draft.event.data_content_type) = (data, content_type);
}

fn same_payload(a: &Payload, b: &Payload) -> bool {
    match (a, b) {
        (Payload::Empty, Payload::Empty) => true,
        (Payload::Json(a), Payload::Json(b)) => a == b,
        (
            Payload::Bytes { data: a, content_type: a_type },
            Payload::Bytes { data: b, content_type: b_type },
        ) => a == b && a_type == b_type,
        _ => false,
    }
}

/// Moves an extension into the event if it says nothing else than the event does.
pub(super) fn restore_extension(event: &mut CloudEvent, name: &str, value: &Value) -> bool {
    if !is_extension_name(name) {
        return false;
    }
    let Ok(value) = ExtensionValue::from_json(name, value.clone()) else { return false };
    let present = event.extension(name);
    if present == Some(&value) || !meaning::same(name, Some(&value), present) {
        return false;
    }
    event.extensions.insert(name.to_owned(), value);
    true
}

/// What is to be kept of an event: where it differs from the draft of the envelope that was read from it.
pub(super) fn difference(
    mut draft: Draft,
    event: &CloudEvent,
    metadata: &Map<String, Value>,
) -> Result<Vec<(String, Value)>, CloudEventError> {
    let mut kept = Vec::new();
    let mut keep = |name: &str, value: Value| kept.push((name.to_owned(), value));
    if event.source != draft.event.source {
        keep("source", event.source.as_str().into());
        draft.write_source_as_it_is(&event.source);
    }
    let mut own = draft.finish()?;
    write::set_metadata(&mut own, metadata)?;
    for (name, ours, theirs) in [
        ("id", Some(own.id()), Some(event.id())),
        ("type", Some(own.event_type()), Some(event.event_type())),
        ("time", own.time_text(), event.time_text()),
        ("datacontenttype", own.data_content_type(), event.data_content_type()),
        ("dataschema", own.data_schema(), event.data_schema()),
    ] {
        if ours != theirs {
            keep(name, theirs.into());
        }
    }
    if let (Some(EventData::Binary(_)), Some(EventData::Json(_))) = (own.data(), event.data()) {
        keep("data", "text".into());
    }
    for (name, value) in event.extensions() {
        if own.extension(name) != Some(value) {
            keep(name, value.clone().into());
        }
    }
    Ok(kept)
}
