use dispatch_core::{ErrorCode, Problem};
use serde::{Deserialize, Serialize};

use super::template::Template;
use crate::config::Fields;

/// The options of a [`LoggerAdapter`](super::LoggerAdapter).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggerOptions {
    /// The level of the events; info.
    pub level: LogLevel,
    /// The message, with variables; `$type from $source`.
    ///
    /// The variables are `$id`, `$type`, `$topic`, `$source`, `$subject`, `$category`, `$correlation_id` and
    /// `$metadata.KEY`, where a key is letters, digits, `_` and `-`. What an envelope does not have is a `-`.
    /// `$$` is a dollar.
    pub template: String,
    /// Keys of metadata that go into a field of the event; none.
    pub metadata: Vec<String>,
    /// Whether the payload goes into a field of the event; no.
    pub include_data: bool,
}

/// A level of `tracing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// `TRACE`.
    Trace,
    /// `DEBUG`.
    Debug,
    /// `INFO`.
    #[default]
    Info,
    /// `WARN`.
    Warn,
    /// `ERROR`.
    Error,
}

impl Default for LoggerOptions {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            template: "$type from $source".to_owned(),
            metadata: Vec::new(),
            include_data: false,
        }
    }
}

impl LoggerOptions {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Template::parse(&self.template).problems();
        if self.template.trim().is_empty() {
            let text = "template is blank: leave it out or say what to log";
            problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        }
        if self.metadata.iter().any(|key| key.trim().is_empty()) {
            let text = "metadata holds a blank key: remove it";
            problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        }
        problems
    }

    /// Reads it from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let standard = Self::default();
        Self {
            level: fields.choice("level", &["trace", "debug", "info", "warn", "error"]),
            template: fields.or("template", standard.template),
            metadata: fields.or("metadata", standard.metadata),
            include_data: fields.or("include_data", standard.include_data),
        }
    }
}
