use serde::{Serialize, Serializer};

use super::DispatcherError;
use crate::dispatch::DispatchResult;
use crate::envelope::Envelope;
use crate::topic::{Topic, TopicError};

/// One thing a dispatcher wants published: a topic, or a whole envelope.
///
/// A bare topic is published with the input's payload, type, headers and correlation; an envelope with its
/// own. In JSON an output is its topic.
#[derive(Debug, Clone)]
pub struct Output {
    topic: Topic,
    envelope: Option<Envelope>,
}

impl Output {
    /// The topic to publish on.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The envelope, if it is not the input's.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// An output on a topic of at least two segments.
    ///
    /// # Errors
    /// [`InvalidOutput`] for a topic of one segment.
    pub fn on(topic: Topic) -> Result<Self, InvalidOutput> {
        if topic.as_str().contains('.') {
            Ok(Self { topic, envelope: None })
        } else {
            Err(InvalidOutput { topic: topic.to_string(), reason: Reason::OneSegment })
        }
    }

    /// An envelope of its own, on a topic given as text.
    ///
    /// # Errors
    /// [`InvalidOutput`] if the topic is not valid or has a single segment.
    pub fn to(topic: impl AsRef<str>, envelope: Envelope) -> Result<Self, InvalidOutput> {
        let Self { topic, .. } = Self::parse(topic.as_ref())?;
        Ok(Self { envelope: Some(envelope.with_topic(&topic)), topic })
    }

    /// An envelope of its own, on its topic.
    ///
    /// # Errors
    /// [`InvalidOutput`] if the envelope has no topic or one of a single segment.
    pub fn envelope_of(envelope: Envelope) -> Result<Self, InvalidOutput> {
        let Some(topic) = envelope.topic().cloned() else {
            return Err(InvalidOutput { topic: String::new(), reason: Reason::NoTopic });
        };
        Ok(Self { envelope: Some(envelope), ..Self::on(topic)? })
    }

    fn parse(topic: &str) -> Result<Self, InvalidOutput> {
        match Topic::new(topic) {
            Ok(topic) => Self::on(topic),
            Err(error) => Err(InvalidOutput {
                topic: topic.chars().take(InvalidOutput::SHOWN).collect(),
                reason: Reason::Topic(error),
            }),
        }
    }
}

impl Serialize for Output {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.topic.serialize(serializer)
    }
}

/// What one dispatcher emits, in order; duplicates are kept.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    list: Vec<Output>,
    fallback: bool,
}

impl Outputs {
    /// No output.
    #[must_use]
    pub const fn none() -> Self {
        Self { list: Vec::new(), fallback: false }
    }

    /// The same outputs, from a fallback: the outcome of the dispatcher says so.
    #[must_use]
    pub const fn from_fallback(mut self) -> Self {
        self.fallback = true;
        self
    }

    /// Whether a fallback took the envelope, because what the dispatcher is for did not.
    #[must_use]
    pub const fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// Adds one more.
    ///
    /// # Errors
    /// [`InvalidOutput`] if it cannot be published.
    pub fn push(&mut self, output: impl IntoOutput) -> Result<(), InvalidOutput> {
        self.list.push(output.into_output()?);
        Ok(())
    }

    /// The outputs in order.
    #[must_use]
    pub fn into_vec(self) -> Vec<Output> {
        self.list
    }

    /// Number of outputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl From<Vec<Output>> for Outputs {
    fn from(outputs: Vec<Output>) -> Self {
        Self { list: outputs, fallback: false }
    }
}

/// An output that cannot be published: it makes the outcome of its dispatcher an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid output topic '{topic}': {reason}")]
pub struct InvalidOutput {
    topic: String,
    #[source]
    reason: Reason,
}

impl InvalidOutput {
    /// How many characters of the topic an error shows at most.
    const SHOWN: usize = 100;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("it needs at least two segments, as in 'shop.events'")]
    OneSegment,
    #[error("the envelope has no topic, set one with with_topic()")]
    NoTopic,
    #[error("{0}")]
    Topic(TopicError),
}

/// What can be one output: a topic as text or [`Topic`], or an [`Envelope`] with its topic.
pub trait IntoOutput {
    /// Validates and converts.
    ///
    /// # Errors
    /// [`InvalidOutput`] if it cannot be published.
    fn into_output(self) -> Result<Output, InvalidOutput>;
}

impl IntoOutput for Output {
    fn into_output(self) -> Result<Output, InvalidOutput> {
        Ok(self)
    }
}

impl IntoOutput for Topic {
    fn into_output(self) -> Result<Output, InvalidOutput> {
        Output::on(self)
    }
}

impl IntoOutput for &Topic {
    fn into_output(self) -> Result<Output, InvalidOutput> {
        Output::on(self.clone())
    }
}

impl IntoOutput for &str {
    fn into_output(self) -> Result<Output, InvalidOutput> {
        Output::parse(self)
    }
}

impl IntoOutput for String {
    fn into_output(self) -> Result<Output, InvalidOutput> {
        Output::parse(&self)
    }
}

impl IntoOutput for Envelope {
    fn into_output(self) -> Result<Output, InvalidOutput> {
        Output::envelope_of(self)
    }
}

/// What a handler may return: nothing, one output, many, an `Option` or a `Result` of these, or the
/// [`DispatchResult`] of an inner dispatch.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be emitted by a dispatcher",
    note = "a handler returns `()`, a topic as text, an `Envelope` with a topic, a `Vec` or `Option` of these, or a `Result` of these",
    note = "the error of a `Result` is a `std::error::Error` or a `DispatcherError`; for a text use `DispatcherError::msg`, for a boxed error `DispatcherError::from_boxed`"
)]
pub trait IntoOutputs {
    /// Validates and converts.
    ///
    /// # Errors
    /// The handler's own error, or an output that cannot be published; either way the dispatcher's outcome.
    fn into_outputs(self) -> Result<Outputs, DispatcherError>;
}

impl IntoOutputs for () {
    fn into_outputs(self) -> Result<Outputs, DispatcherError> {
        Ok(Outputs::none())
    }
}

impl IntoOutputs for Outputs {
    fn into_outputs(self) -> Result<Outputs, DispatcherError> {
        Ok(self)
    }
}

macro_rules! one_output {
    ($($type:ty),*) => {$(
        impl IntoOutputs for $type {
            fn into_outputs(self) -> Result<Outputs, DispatcherError> {
                Ok(Outputs::from(vec![self.into_output()?]))
            }
        }
    )*};
}

one_output!(Output, Topic, &Topic, &str, String, Envelope);

impl<T: IntoOutput> IntoOutputs for Vec<T> {
    fn into_outputs(self) -> Result<Outputs, DispatcherError> {
        Ok(Outputs::from(self.into_iter().map(T::into_output).collect::<Result<Vec<_>, _>>()?))
    }
}

impl<T: IntoOutput, const N: usize> IntoOutputs for [T; N] {
    fn into_outputs(self) -> Result<Outputs, DispatcherError> {
        Ok(Outputs::from(self.into_iter().map(T::into_output).collect::<Result<Vec<_>, _>>()?))
    }
}

impl<T: IntoOutputs> IntoOutputs for Option<T> {
    fn into_outputs(self) -> Result<Outputs, DispatcherError> {
        self.map_or_else(|| Ok(Outputs::none()), T::into_outputs)
    }
}

impl<T: IntoOutputs, E: Into<DispatcherError>> IntoOutputs for Result<T, E> {
    fn into_outputs(self) -> Result<Outputs, DispatcherError> {
        self.map_err(Into::into)?.into_outputs()
    }
}

impl IntoOutputs for DispatchResult {
    /// The outputs of a result that is no error; an error status is this dispatcher's error too.
    fn into_outputs(self) -> Result<Outputs, DispatcherError> {
        if self.status().is_error() {
            let code = self.error_code().map_or("DISPATCH_FAILED", |code| code.as_str());
            let message = self.error_message().unwrap_or_else(|| self.status().as_str());
            return Err(DispatcherError::new(code, message));
        }
        let fallback = self.outcomes().any(|outcome| outcome.is_fallback());
        Ok(Outputs { list: self.into_outputs_vec(), fallback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Payload;

    fn topics(outputs: impl IntoOutputs) -> Vec<String> {
        let outputs = outputs.into_outputs().unwrap().into_vec();
        outputs.iter().map(|output| output.topic().to_string()).collect()
    }

    #[test]
    fn every_form_converts() {
        assert_eq!(topics(()), [""; 0]);
        assert_eq!(topics(None::<&str>), [""; 0]);
        assert_eq!(topics("a.b"), ["a.b"]);
        assert_eq!(
            topics(Ok::<_, DispatcherError>(vec!["a.b".to_owned(), "a.b".to_owned()])),
            ["a.b", "a.b"]
        );
        let envelope = Envelope::new(Payload::Empty).with_topic(&Topic::new("x.y").unwrap());
        assert_eq!(topics(envelope), ["x.y"]);
    }

    #[test]
    fn an_invalid_output_is_named() {
        let error = |outputs: Result<Outputs, DispatcherError>| outputs.unwrap_err().message().to_owned();
        insta::assert_snapshot!(error("nodot".into_outputs()), @"invalid output topic 'nodot': it needs at least two segments, as in 'shop.events'");
        insta::assert_snapshot!(error("x..y".into_outputs()), @"invalid output topic 'x..y': segment 2 of the topic is empty: remove the doubled, leading or trailing dot");
        insta::assert_snapshot!(error(Envelope::new(Payload::Empty).into_outputs()), @"invalid output topic '': the envelope has no topic, set one with with_topic()");
    }
}
