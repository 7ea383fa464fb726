use dispatch_core::dispatch::TopicText;
use dispatch_core::{Topic, TopicError};

/// A topic as a caller gave it.
#[derive(Debug, Clone)]
pub enum TopicArg {
    /// A topic.
    Valid(Topic),
    /// Not a topic: the dispatch will be answered `INVALID_MESSAGE`.
    Refused(Box<RefusedTopic>),
}

/// A text that is not a topic.
#[derive(Debug, Clone)]
pub struct RefusedTopic {
    /// What was given, shortened.
    pub text: TopicText,
    /// What is wrong with it.
    pub error: TopicError,
}

/// What can name the topic of a dispatch: a [`Topic`], which costs nothing, or a text, which is validated by
/// every call.
pub trait IntoTopic {
    /// Converts; an invalid text is kept, because it becomes the result of the dispatch.
    fn into_topic(self) -> TopicArg;
}

impl IntoTopic for Topic {
    fn into_topic(self) -> TopicArg {
        TopicArg::Valid(self)
    }
}

impl IntoTopic for &Topic {
    fn into_topic(self) -> TopicArg {
        TopicArg::Valid(self.clone())
    }
}

impl IntoTopic for TopicArg {
    fn into_topic(self) -> TopicArg {
        self
    }
}

impl IntoTopic for &str {
    fn into_topic(self) -> TopicArg {
        match Topic::new(self) {
            Ok(topic) => TopicArg::Valid(topic),
            Err(error) => TopicArg::Refused(Box::new(RefusedTopic { text: TopicText::refused(self), error })),
        }
    }
}

impl IntoTopic for String {
    fn into_topic(self) -> TopicArg {
        self.as_str().into_topic()
    }
}

impl IntoTopic for &String {
    fn into_topic(self) -> TopicArg {
        self.as_str().into_topic()
    }
}
