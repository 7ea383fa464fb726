use dispatch_adapters::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// One event as GitHub delivers it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    /// What happened, such as `pull_request`.
    pub event: String,
    /// What was done, such as `opened`.
    #[serde(default)]
    pub action: Option<String>,
    /// The id of the delivery; the same when GitHub delivers it again.
    #[serde(default)]
    pub delivery: Option<String>,
    /// What GitHub says about it.
    #[serde(default)]
    pub payload: Value,
}

impl Event {
    /// Longest segment that an event or an action becomes, in characters.
    const MAX_SEGMENT: usize = 100;

    /// Reads one line.
    ///
    /// # Errors
    /// A short text that says what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line)
            .map_err(|error| format!("not UTF-8: invalid byte at column {}", error.valid_up_to() + 1))?;
        if !text.trim_start().starts_with('{') {
            return Err("not a JSON object".to_owned());
        }
        let event: Self = serde_json::from_str(text).map_err(|error| reason(&error))?;
        if event.event.trim().is_empty() { Err("the event is blank".to_owned()) } else { Ok(event) }
    }

    /// `github.<event>.events.<action or none>`, each a segment of its own.
    #[must_use]
    pub fn topic(&self) -> String {
        format!(
            "github.{}.events.{}",
            segment(&self.event),
            self.action.as_deref().map_or("none".into(), segment)
        )
    }

    /// `<Event><Action>` in camel case: letters and digits only.
    #[must_use]
    pub fn message_type(&self) -> String {
        let mut name = camel_case(&self.event);
        name.push_str(&self.action.as_deref().map(camel_case).unwrap_or_default());
        if name.is_empty() { "Unnamed".to_owned() } else { name }
    }

    /// The topic and the envelope to dispatch.
    #[must_use]
    pub fn into_envelope(self) -> (String, Envelope) {
        let (topic, message_type) = (self.topic(), self.message_type());
        let correlation = self.delivery.as_deref().and_then(|delivery| Uuid::parse_str(delivery).ok());
        let envelope = Envelope::json(message_type, self.payload).with_source("github");
        let envelope = match correlation {
            Some(id) => envelope.with_correlation_id(id),
            None => envelope,
        };
        (topic, envelope)
    }
}

/// Makes one topic segment of any text: dots, white space and control characters become `_`, a blank text is
/// `none`, and what is too long is cut off.
fn segment(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "none".to_owned();
    }
    let odd = |c: char| c == '.' || c.is_whitespace() || c.is_control();
    text.chars().take(Event::MAX_SEGMENT).map(|c| if odd(c) { '_' } else { c }).collect()
}

/// Makes a part of a message type: letters and digits only, the first of each word in upper case.
fn camel_case(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = String::with_capacity(text.len());
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    name.chars().take(Event::MAX_SEGMENT).collect()
}

/// The text of a JSON error without the number of the line, which is always 1 here.
fn reason(error: &serde_json::Error) -> String {
    const MOST: usize = 160;
    let text = error.to_string().replace(" at line 1 column ", " at column ");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: &str, action: Option<&str>) -> Event {
        Event { event: event.into(), action: action.map(Into::into), delivery: None, payload: Value::Null }
    }

    #[test]
    fn topics_and_types_follow_event_and_action() {
        for (name, action, topic, message_type) in [
            (
                "pull_request",
                Some("review_requested"),
                "github.pull_request.events.review_requested",
                "PullRequestReviewRequested",
            ),
            ("push", None, "github.push.events.none", "Push"),
            (
                "repository_dispatch",
                Some("on-demand-test"),
                "github.repository_dispatch.events.on-demand-test",
                "RepositoryDispatchOnDemandTest",
            ),
            (
                "projects_v2_item",
                Some("created"),
                "github.projects_v2_item.events.created",
                "ProjectsV2ItemCreated",
            ),
            ("a.b c", Some("x\ty\0"), "github.a_b_c.events.x_y_", "ABCXY"),
            ("commands", Some(""), "github.commands.events.none", "Commands"),
            ("*.**", Some("."), "github.*_**.events._", "Unnamed"),
        ] {
            let event = event(name, action);
            assert_eq!((event.topic().as_str(), event.message_type().as_str()), (topic, message_type));
        }
    }

    #[test]
    fn any_event_makes_a_valid_event_topic() {
        for name in ["é".repeat(5000), "\u{2028}\u{a0}x".into(), "a..b".into(), "💥".into(), "intents".into()]
        {
            let topic = Topic::new(event(&name, Some(&name)).topic()).unwrap();
            assert_eq!(topic.category(), Some(Category::Event));
        }
    }

    #[test]
    fn what_is_no_event_is_named() {
        for (line, why) in [
            (&b"\xff{}"[..], "not UTF-8: invalid byte at column 1"),
            (b"[\"push\"]", "not a JSON object"),
            (b"{\"event\":", "EOF while parsing a value at column 9"),
            (b"{\"action\":\"x\"}", "missing field `event` at column 14"),
            (b"{\"event\":\" \"}", "the event is blank"),
            (b"{\"event\":7}", "invalid type: integer `7`, expected a string at column 10"),
        ] {
            assert_eq!(Event::parse(line).unwrap_err(), why);
        }
    }
}
