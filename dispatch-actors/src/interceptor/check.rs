use std::collections::HashMap;

use dispatch_core::Envelope;

use super::{Interceptor, Verdict};

type Check = Box<dyn Fn(&Envelope) -> Result<(), String> + Send>;

/// Rejects envelopes whose payload a function of the message type does not accept. Types without a function
/// pass.
///
/// ```
/// use dispatch_actors::PayloadCheck;
///
/// let check = PayloadCheck::new().on("OrderPlaced", |envelope| {
///     let json = envelope.raw_payload().to_json().map_err(|error| error.to_string())?;
///     if json["id"].is_u64() { Ok(()) } else { Err("an order needs an id".to_owned()) }
/// });
/// # let _ = check;
/// ```
#[derive(Default)]
pub struct PayloadCheck(HashMap<String, Check>);

impl PayloadCheck {
    /// Checks nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks a message type; a later function for the same type replaces the former.
    #[must_use]
    pub fn on(
        mut self,
        message_type: impl Into<String>,
        check: impl Fn(&Envelope) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.0.insert(message_type.into(), Box::new(check));
        self
    }
}

impl std::fmt::Debug for PayloadCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Interceptor for PayloadCheck {
    fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        match self.0.get(envelope.message_type().as_str()).map(|check| check(envelope)) {
            Some(Err(why)) => Verdict::Reject(why),
            _ => Verdict::Continue,
        }
    }
}
