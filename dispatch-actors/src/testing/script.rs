use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use dispatch_core::{DispatcherError, Envelope, IntoOutputs, Outputs};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// What a scripted dispatcher does with one envelope.
#[derive(Debug, Clone)]
pub struct Step {
    after: Duration,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Emit(Vec<String>),
    Fail(Cow<'static, str>, String),
    Panic(String),
    Hang,
}

impl Step {
    /// Succeeds without outputs.
    #[must_use]
    pub fn ok() -> Self {
        Self::emit::<String>([])
    }

    /// Succeeds with outputs on these topics.
    pub fn emit<T: Into<String>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self::of(Action::Emit(topics.into_iter().map(Into::into).collect()))
    }

    /// Fails with an error of a type.
    pub fn fail(error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::of(Action::Fail(error_type.into(), message.into()))
    }

    /// Panics.
    pub fn panic(message: impl Into<String>) -> Self {
        Self::of(Action::Panic(message.into()))
    }

    /// Never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self::of(Action::Hang)
    }

    /// Does what it does only after a while of the runtime's time.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    fn of(action: Action) -> Self {
        Self { after: Duration::ZERO, action }
    }

    #[expect(clippy::panic, reason = "the script says so")]
    async fn play(self) -> Result<Outputs, DispatcherError> {
        if !self.after.is_zero() {
            tokio::time::sleep(self.after).await;
        }
        match self.action {
            Action::Emit(topics) => topics.into_outputs(),
            Action::Fail(error_type, message) => Err(DispatcherError::new(error_type, message)),
            Action::Panic(message) => panic!("{message}"),
            Action::Hang => std::future::pending().await,
        }
    }
}

/// A handler that does one step per envelope, in the order in which they come. When the script is over, every
/// further envelope succeeds without outputs.
pub fn script(
    steps: impl IntoIterator<Item = Step>,
) -> impl FnMut(Envelope) -> BoxFuture<'static, Result<Outputs, DispatcherError>> + Send {
    let mut steps: VecDeque<Step> = steps.into_iter().collect();
    move |_| {
        let step = steps.pop_front().unwrap_or_else(Step::ok);
        step.play().boxed()
    }
}
