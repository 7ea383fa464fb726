use dispatch_core::{ErrorCode, Problem};
use serde::{Deserialize, Serialize};

use crate::config::Fields;

/// The options of a [`NamedAdapter`](super::NamedAdapter).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamedOptions {
    /// The name to deliver to; required.
    pub to: String,
}

impl NamedOptions {
    /// The options for a name.
    pub fn to(name: impl Into<String>) -> Self {
        Self { to: name.into() }
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let text = "to is blank: give the name to deliver to";
        let blank = || Problem::new(ErrorCode::InvalidConfiguration, text);
        if self.to.trim().is_empty() { vec![blank()] } else { Vec::new() }
    }

    /// Reads it from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        Self { to: fields.required("to") }
    }
}
