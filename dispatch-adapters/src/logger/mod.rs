//! `logger`: a line in the program's log for each envelope, through `tracing`.
//!
//! - A log is not a destination: what the [`Sanitizer`] recognises as sensitive is
//!   hidden, texts are cut to 500 characters, and control characters are escaped.
//! - Delivered means handed to `tracing`, whether anybody listens or not.

mod options;
mod template;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::{Envelope, Problem, Sanitizer, Topic};
use serde_json::{Map, Value};
use tracing::Level;

use crate::tame::Tame;
use template::Template;

pub use options::{LogLevel, LoggerOptions};

/// Logs envelopes, with the target `dispatch::delivery`.
///
/// Each event has the fields `id`, `topic`, `type`, and `metadata` and `data` if the options ask for them.
///
/// ```
/// use dispatch_adapters::logger::{LogLevel, LoggerAdapter, LoggerOptions};
/// use dispatch_adapters::model::Adapter;
///
/// let options = LoggerOptions {
///     level: LogLevel::Debug,
///     template: "$type for $metadata.tenant".into(),
///     ..LoggerOptions::default()
/// };
/// assert!(LoggerAdapter::new(options).validate().is_ok());
///
/// let options = LoggerOptions { template: "$typo".into(), ..LoggerOptions::default() };
/// let problems = LoggerAdapter::new(options).validate().unwrap_err();
/// assert!(problems[0].message().contains("unknown variable '$typo'"));
/// ```
#[derive(Debug, Clone)]
pub struct LoggerAdapter {
    options: LoggerOptions,
    template: Template,
    sanitizer: Sanitizer,
}

impl LoggerAdapter {
    /// Logs as the options say. An unknown variable of the template is a problem that `validate` reports.
    #[must_use]
    pub fn new(options: LoggerOptions) -> Self {
        let template = Template::parse(&options.template);
        Self { options, template, sanitizer: Sanitizer::new() }
    }

    /// Hides sensitive texts with another sanitizer.
    #[must_use]
    pub fn with_sanitizer(mut self, sanitizer: Sanitizer) -> Self {
        self.sanitizer = sanitizer;
        self
    }

    fn metadata(&self, envelope: &Envelope) -> Option<String> {
        if self.options.metadata.is_empty() {
            return None;
        }
        let chosen = self.options.metadata.iter().filter_map(|key| {
            let value = envelope.metadata().get(key)?;
            Some((key.clone(), Value::String(self.metadata_value(key, value))))
        });
        Some(Value::Object(chosen.collect::<Map<_, _>>()).to_string())
    }

    /// A value of the metadata; its key may give it away.
    fn metadata_value(&self, key: &str, value: &Value) -> String {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if self.sanitizer.is_sensitive(key) {
            dispatch_core::redact::REDACTED.to_owned()
        } else {
            self.tame(&text)
        }
    }

    fn data(&self, envelope: &Envelope) -> Option<String> {
        if !self.options.include_data {
            return None;
        }
        Some(match envelope.raw_payload().to_json() {
            Ok(json) => self.tame(&json.to_string()),
            Err(_) => format!("{:?}", envelope.raw_payload()),
        })
    }

    /// A text that may be logged.
    fn tame(&self, text: &str) -> String {
        Tame(&self.sanitizer.sanitize_text(text)).to_string()
    }

    fn log(&self, envelope: &Envelope) {
        // The level of an event is part of its code.
        macro_rules! event {
            ($level:expr) => {
                // What nobody listens to is not put into words.
                if tracing::enabled!(target: "dispatch::delivery", $level) {
                    tracing::event!(
                        target: "dispatch::delivery",
                        $level,
                        id = %envelope.id(),
                        topic = envelope.topic().map(Topic::as_str),
                        r#type = %Tame(envelope.message_type_str()),
                        metadata = self.metadata(envelope),
                        data = self.data(envelope),
                        "{}",
                        self.template.fill(envelope, self)
                    );
                }
            };
        }
        match self.options.level {
            LogLevel::Trace => event!(Level::TRACE),
            LogLevel::Debug => event!(Level::DEBUG),
            LogLevel::Info => event!(Level::INFO),
            LogLevel::Warn => event!(Level::WARN),
            LogLevel::Error => event!(Level::ERROR),
        }
    }
}

#[async_trait]
impl Adapter for LoggerAdapter {
    fn name(&self) -> &str {
        "logger"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let problems = self.options.problems();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.log(envelope);
        Ok(Receipt::taken())
    }

    async fn health(&self) -> Health {
        Health { status: HealthStatus::Healthy, ..Health::default() }
    }
}
