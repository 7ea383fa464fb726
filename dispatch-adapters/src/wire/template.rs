use std::fmt;
use std::str::FromStr;

use dispatch_core::delivery::DeliveryError;
use dispatch_core::{Envelope, Topic};
use serde::{Deserialize, Serialize};

/// How a subject, channel, stream or routing key is made from an envelope: a text with fields in braces.
///
/// | field | what stands there |
/// |---|---|
/// | `{topic}` | the topic |
/// | `{topic_path}` | the topic with `/` in place of `.` |
/// | `{category}` | `event`, `command` or `intent`: the envelope's, or else that of its topic |
/// | `{type}` | the message type |
/// | `{key}`, `{source}`, `{subject}` | these fields of the envelope |
///
/// An envelope that does not have a field cannot be delivered.
///
/// ```
/// use dispatch_adapters::wire::Template;
///
/// assert_eq!(Template::default().to_string(), "{topic}");
/// assert!("orders.{type}".parse::<Template>().is_ok());
/// assert!("orders.{color}".parse::<Template>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Topic,
    TopicPath,
    Category,
    Type,
    Key,
    Source,
    Subject,
}

impl Field {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Topic, "topic"),
        (Self::TopicPath, "topic_path"),
        (Self::Category, "category"),
        (Self::Type, "type"),
        (Self::Key, "key"),
        (Self::Source, "source"),
        (Self::Subject, "subject"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(field, _)| *field == self).map_or("", |(_, name)| name)
    }

    fn of(self, envelope: &Envelope) -> Option<String> {
        let category = envelope.category().or_else(|| envelope.topic().and_then(Topic::category));
        let topic = envelope.topic().map(Topic::as_str);
        match self {
            Self::Topic => topic.map(str::to_owned),
            Self::TopicPath => topic.map(|topic| topic.replace('.', "/")),
            Self::Category => category.map(|category| category.as_str().to_owned()),
            Self::Type => Some(envelope.message_type_str().to_owned()),
            Self::Key => envelope.key().map(str::to_owned),
            Self::Source => envelope.source().map(str::to_owned),
            Self::Subject => envelope.subject().map(str::to_owned),
        }
    }
}

/// A text is not a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// There is nothing.
    Empty,
    /// A brace is not closed, or closes nothing.
    Brace,
    /// There is no such field.
    Unknown {
        /// The name given, shortened.
        name: String,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a template is empty: write a text, or {topic}"),
            Self::Brace => f.write_str("a brace in a template has no other: write fields as {topic}"),
            Self::Unknown { name } => {
                write!(f, "'{{{name}}}' is not a field of an envelope: use ")?;
                let names: Vec<_> = Field::ALL.iter().map(|(_, name)| format!("{{{name}}}")).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// The topic, with slashes.
    pub(crate) fn topic_path() -> Self {
        Self { text: "{topic_path}".to_owned(), parts: vec![Part::Field(Field::TopicPath)] }
    }

    /// The fields of an envelope put in; `what` is what the result is, for the error.
    pub(crate) fn render(&self, envelope: &Envelope, what: &str) -> Result<String, DeliveryError> {
        let mut text = String::with_capacity(64);
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Field(field) => match field.of(envelope) {
                    Some(value) => text.push_str(&value),
                    None => {
                        let name = field.name();
                        return Err(DeliveryError::permanent(format!(
                            "the envelope has no {name}, which the {what} '{self}' needs"
                        )));
                    }
                },
            }
        }
        Ok(text)
    }
}

impl Default for Template {
    /// The topic.
    fn default() -> Self {
        Self { text: "{topic}".to_owned(), parts: vec![Part::Field(Field::Topic)] }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (literal, field) = match rest.split_once('{') {
                Some((literal, after)) => {
                    let (name, after) = after.split_once('}').ok_or(TemplateError::Brace)?;
                    rest = after;
                    (literal, Some(name))
                }
                None => (std::mem::take(&mut rest), None),
            };
            if literal.contains('}') {
                return Err(TemplateError::Brace);
            }
            if !literal.is_empty() {
                parts.push(Part::Text(literal.to_owned()));
            }
            if let Some(name) = field {
                let found = Field::ALL.iter().find(|(_, known)| *known == name);
                let (field, _) =
                    found.ok_or_else(|| TemplateError::Unknown { name: name.chars().take(40).collect() })?;
                parts.push(Part::Field(*field));
            }
        }
        if parts.is_empty() { Err(TemplateError::Empty) } else { Ok(Self { text: text.to_owned(), parts }) }
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

impl fmt::Display for Template {
    /// The text it was made from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_put_in() {
        let envelope =
            Envelope::empty("Placed").with_topic(&"shop.order.events".parse().unwrap()).with_key("k");
        for (template, text) in [
            ("{topic}", "shop.order.events"),
            ("a/{topic_path}/b", "a/shop/order/events/b"),
            ("{category}.{type}.{key}", "event.Placed.k"),
            ("fixed", "fixed"),
        ] {
            assert_eq!(template.parse::<Template>().unwrap().render(&envelope, "subject").unwrap(), text);
        }
        let error = Template::default().render(&Envelope::empty("X"), "subject").unwrap_err();
        assert_eq!(error.to_string(), "the envelope has no topic, which the subject '{topic}' needs");
        assert!(!error.is_retryable());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "{", "}", "{topic", "a}b", "{}", "{Topic}"] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }
}
