use std::fmt::Write as _;

use dispatch_core::delivery::DeliveryError;
use dispatch_core::{Envelope, Payload, Topic};

use crate::tame::Tame;

/// Escape sequences, or nothing.
struct Paint {
    dim: &'static str,
    bold: &'static str,
    topic: &'static str,
    off: &'static str,
}

const PAINTED: Paint = Paint { dim: "\x1b[2m", bold: "\x1b[1m", topic: "\x1b[36m", off: "\x1b[0m" };
const PLAIN: Paint = Paint { dim: "", bold: "", topic: "", off: "" };

const fn paint(colours: bool) -> Paint {
    if colours { PAINTED } else { PLAIN }
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> DeliveryError {
    DeliveryError::permanent("the envelope cannot be written: its payload or its time refuses")
        .with_source(error)
}

fn heading(envelope: &Envelope, colours: bool) -> Result<String, DeliveryError> {
    let paint = paint(colours);
    let time = jiff::Timestamp::try_from(envelope.created_at()).map_err(unwritable)?;
    let topic = envelope.topic().map_or("-", Topic::as_str);
    Ok(format!(
        "{}{time:.3}{} {}{}{} {}{}{} {}{}{}",
        paint.dim,
        paint.off,
        paint.topic,
        Tame(topic),
        paint.off,
        paint.bold,
        Tame(envelope.message_type_str()),
        paint.off,
        paint.dim,
        envelope.id(),
        paint.off,
    ))
}

/// One line: when, where, what, which, and the payload.
pub(super) fn compact(envelope: &Envelope, colours: bool) -> Result<Vec<u8>, DeliveryError> {
    let mut line = heading(envelope, colours)?;
    match envelope.raw_payload() {
        Payload::Empty => {}
        Payload::Bytes { data, content_type } => {
            // Writing to a text cannot fail.
            let _ = write!(line, " {} bytes of {}", data.len(), Tame(content_type));
        }
        payload => {
            let json = payload.to_json().map_err(unwritable)?;
            let _ = write!(line, " {json}");
        }
    }
    line.push('\n');
    Ok(line.into_bytes())
}

/// A heading and the envelope as indented JSON.
pub(super) fn pretty(envelope: &Envelope, colours: bool) -> Result<Vec<u8>, DeliveryError> {
    let json = serde_json::to_string_pretty(envelope).map_err(unwritable)?;
    Ok(format!("{}\n{json}\n", heading(envelope, colours)?).into_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use dispatch_core::uuid::Uuid;
    use serde_json::json;

    use super::*;

    fn envelope(payload: impl Into<Payload>) -> Envelope {
        Envelope::new(payload)
            .with_message_type("OrderPlaced")
            .with_id(Uuid::from_u128(7))
            .with_topic(&Topic::new("shop.events").unwrap())
            .with_created_at(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250))
    }

    fn text(line: Result<Vec<u8>, DeliveryError>) -> String {
        String::from_utf8(line.unwrap()).unwrap()
    }

    #[test]
    fn compact_is_one_line() {
        assert_eq!(
            text(compact(&envelope(json!({ "id": 7, "note": "a\nb" })), false)),
            "2023-11-14T22:13:20.250Z shop.events OrderPlaced 00000000-0000-0000-0000-000000000007 \
             {\"id\":7,\"note\":\"a\\nb\"}\n"
        );
        let bytes = envelope(Payload::bytes(vec![0; 9], "image/png"));
        assert!(text(compact(&bytes, false)).ends_with(" 9 bytes of image/png\n"));
    }

    #[test]
    fn pretty_is_a_heading_and_json() {
        let shown = text(pretty(&envelope(json!({ "id": 7 })), false));
        let (heading, json) = shown.split_once('\n').unwrap();
        assert!(heading.contains("OrderPlaced"));
        assert!(serde_json::from_str::<Envelope>(json).is_ok());
    }

    #[test]
    fn colours_are_there_when_wanted() {
        assert!(text(compact(&envelope(json!(1)), true)).contains("\x1b[36mshop.events\x1b[0m"));
        assert!(!text(compact(&envelope(json!(1)), false)).contains('\x1b'));
    }

    #[test]
    fn an_envelope_cannot_steer_the_terminal() {
        let shown = text(compact(&envelope(json!(1)).with_message_type("a\x1b[2Jb\nc"), false));
        assert!(shown.contains("a\\u{1b}[2Jb\\nc") && shown.matches('\n').count() == 1, "{shown}");
    }
}
