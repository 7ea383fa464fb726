use dispatch_core::{Category, Envelope, ErrorCode, Problem, Topic};

use super::LoggerAdapter;
use crate::tame::Tame;

/// A text with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Id,
    Type,
    Topic,
    Source,
    Subject,
    Category,
    CorrelationId,
    Metadata(String),
    /// As it was written.
    Unknown(String),
}

const VARIABLES: &str = "$id, $type, $topic, $source, $subject, $category, $correlation_id or $metadata.KEY";

impl Template {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            parts.push(Part::Text(before.to_owned()));
            if let Some(after) = after.strip_prefix('$') {
                parts.push(Part::Text("$".to_owned()));
                rest = after;
                continue;
            }
            let (name, after) = split(after, |c| c.is_ascii_alphanumeric() || c == '_');
            let (part, after) = match (name, after.strip_prefix('.')) {
                ("metadata", Some(key)) => {
                    let (key, after) = split(key, |c| c.is_alphanumeric() || c == '_' || c == '-');
                    (
                        if key.is_empty() {
                            Part::Unknown("metadata.".to_owned())
                        } else {
                            Part::Metadata(key.to_owned())
                        },
                        after,
                    )
                }
                _ => (Part::variable(name), after),
            };
            parts.push(part);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Self(parts)
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let unknown = self.0.iter().filter_map(|part| match part {
            Part::Unknown(name) => Some(name),
            _ => None,
        });
        unknown
            .map(|name| {
                let text = format!(
                    "template has the unknown variable '${name}': use {VARIABLES}, or $$ for a dollar"
                );
                Problem::new(ErrorCode::InvalidParameter, text)
            })
            .collect()
    }

    pub(super) fn fill(&self, envelope: &Envelope, logger: &LoggerAdapter) -> String {
        const NOTHING: &str = "-";
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Id => text.push_str(&envelope.id().to_string()),
                // Names: an event may well be called `PasswordChanged`.
                Part::Type => text.push_str(&Tame(envelope.message_type_str()).to_string()),
                Part::Topic => text.push_str(envelope.topic().map_or(NOTHING, Topic::as_str)),
                Part::Source => text.push_str(&logger.tame(envelope.source().unwrap_or(NOTHING))),
                Part::Subject => text.push_str(&logger.tame(envelope.subject().unwrap_or(NOTHING))),
                Part::Category => {
                    let category = envelope.category().or_else(|| envelope.topic()?.category());
                    text.push_str(category.map_or(NOTHING, word));
                }
                Part::CorrelationId => match envelope.correlation_id() {
                    Some(id) => text.push_str(&id.to_string()),
                    None => text.push_str(NOTHING),
                },
                Part::Metadata(key) => match envelope.metadata().get(key) {
                    Some(value) => text.push_str(&logger.metadata_value(key, value)),
                    None => text.push_str(NOTHING),
                },
                Part::Unknown(name) => {
                    text.push('$');
                    text.push_str(name);
                }
            }
        }
        text
    }
}

impl Part {
    fn variable(name: &str) -> Self {
        match name {
            "id" => Self::Id,
            "type" => Self::Type,
            "topic" => Self::Topic,
            "source" => Self::Source,
            "subject" => Self::Subject,
            "category" => Self::Category,
            "correlation_id" => Self::CorrelationId,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

fn word(category: Category) -> &'static str {
    match category {
        Category::Event => "event",
        Category::Command => "command",
        Category::Intent => "intent",
    }
}

/// The longest beginning of such characters, and what follows.
fn split(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logger::LoggerOptions;

    fn fill(template: &str, envelope: &Envelope) -> String {
        let logger =
            LoggerAdapter::new(LoggerOptions { template: template.into(), ..LoggerOptions::default() });
        logger.template.fill(envelope, &logger)
    }

    #[test]
    fn variables_are_filled_in_and_absent_ones_are_a_dash() {
        let envelope = Envelope::empty("OrderPlaced")
            .with_source("shop")
            .with_topic(&Topic::new("shop.events").unwrap())
            .with_metadata("tenant", "acme")
            .with_metadata("amount", 7);
        assert_eq!(
            fill("$type from $source. $topic/$category: $$$metadata.amount, $metadata.tenant.", &envelope),
            "OrderPlaced from shop. shop.events/event: $7, acme."
        );
        assert_eq!(fill("$subject $correlation_id $metadata.x", &envelope), "- - -");
        assert_eq!(fill("$id", &envelope), envelope.id().to_string());
    }

    #[test]
    fn every_unknown_variable_is_a_problem() {
        let problems = Template::parse("$typo $id $ $metadata. $metadata").problems();
        let texts: Vec<_> = problems.iter().map(Problem::message).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(texts[0].starts_with("template has the unknown variable '$typo': use $id, $type"));
    }

    #[test]
    fn what_looks_sensitive_is_hidden() {
        let envelope = Envelope::empty("PasswordChanged")
            .with_source("https://joe:pw@example.org")
            .with_subject("line\nbreak")
            .with_metadata("password", "x1")
            .with_metadata("note", "bearer abc");
        let text = fill("$type $source $metadata.password $metadata.note", &envelope);
        assert!(text.starts_with("PasswordChanged [REDACTED"), "{text}");
        assert!(!text.contains("joe") && !text.contains("x1") && !text.contains("abc"), "{text}");
        assert_eq!(fill("$subject", &envelope), "line\\nbreak");
    }
}
