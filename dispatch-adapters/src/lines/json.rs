use dispatch_core::Envelope;
use dispatch_core::delivery::DeliveryError;

/// An envelope as one line of JSON, the form that reads back as an envelope.
pub(crate) fn json_line(envelope: &Envelope) -> Result<Vec<u8>, DeliveryError> {
    let mut line = serde_json::to_vec(envelope).map_err(|error| {
        DeliveryError::permanent("the envelope cannot be written as JSON: its payload or its time refuses")
            .with_source(error)
    })?;
    line.push(b'\n');
    Ok(line)
}
