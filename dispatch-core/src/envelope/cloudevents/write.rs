use std::collections::BTreeMap;

use super::draft::{Draft, json_text};
use super::event::CloudEvent;
use super::{CloudEventError, KEPT_PREFIX, kept, name};
use crate::envelope::Envelope;

impl<T> Envelope<T> {
    /// Makes an event of the envelope, so that [`Envelope::from_cloud_event`] gives the same envelope back; a
    /// typed payload comes back as JSON.
    ///
    /// See [`cloudevents`](super) for where each field goes.
    ///
    /// # Errors
    /// [`CloudEventError::TooLong`] if a text, or all headers, or all metadata are too long for an attribute,
    /// [`CloudEventError::TimeRange`], and [`CloudEventError::Payload`] if a typed payload refuses to be
    /// serialised.
    ///
    /// # Examples
    /// ```
    /// use dispatch_core::Envelope;
    ///
    /// let envelope = Envelope::bytes("Signed", "{ \"a\": 1 }", "application/json");
    /// let back = Envelope::from_cloud_event(envelope.to_cloud_event()?)?;
    /// assert_eq!(back.raw_payload().to_bytes()?.0, "{ \"a\": 1 }");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_cloud_event(&self) -> Result<CloudEvent, CloudEventError> {
        let envelope = self.inner();
        let mut draft = Draft::of(envelope)?;
        let (mut plain, mut kept) = (BTreeMap::new(), kept::Kept::new());
        for (key, value) in envelope.metadata.iter() {
            match key.strip_prefix(KEPT_PREFIX) {
                Some(name) => kept.insert(name, value),
                None => plain.insert(key.to_owned(), value),
            };
        }
        kept::restore(&mut draft, envelope, &mut kept)?;
        let mut event = draft.finish()?;
        let metadata_text = kept.remove(name::METADATA);
        kept.retain(|name, value| !kept::restore_extension(&mut event, name, value));

        // What is not restored is metadata like any other.
        plain.extend(kept.into_iter().map(|(name, value)| (format!("{KEPT_PREFIX}{name}"), value)));
        set_metadata(&mut event, &plain)?;
        if let Some(text) = metadata_text
            && !kept::restore_extension(&mut event, name::METADATA, text)
        {
            plain.insert(format!("{KEPT_PREFIX}{}", name::METADATA), text);
            set_metadata(&mut event, &plain)?;
        }
        event.check()?;
        Ok(event)
    }
}

/// Writes metadata into its extension, if there is any.
pub(super) fn set_metadata<'a, M>(event: &mut CloudEvent, metadata: &'a M) -> Result<(), CloudEventError>
where
    M: serde::Serialize,
    &'a M: IntoIterator,
{
    if metadata.into_iter().next().is_some() {
        event.extensions.insert(name::METADATA.to_owned(), json_text(metadata)?.into());
    }
    Ok(())
}
