use std::fmt;

use serde::{Deserialize, Serialize};

use crate::topic::Category;

/// The role of a dispatcher in the architecture of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Touches the outside.
    Effect,
    /// Computes, without effects and without a clock.
    Compute,
    /// Folds events into state, without effects and without a clock.
    Reducer,
    /// Decides what happens next.
    Orchestrator,
    /// Hosts a runtime; never a dispatcher.
    RuntimeHost,
}

impl NodeKind {
    /// Whether a dispatcher of this kind may take messages of a category.
    ///
    /// ```
    /// use dispatch_core::{Category, NodeKind};
    ///
    /// assert!(NodeKind::Reducer.accepts(Category::Event));
    /// assert!(!NodeKind::Effect.accepts(Category::Event));
    /// ```
    #[must_use]
    pub const fn accepts(self, category: Category) -> bool {
        matches!(
            (category, self),
            (Category::Event, Self::Reducer | Self::Compute | Self::Orchestrator)
                | (Category::Command | Category::Intent, Self::Effect | Self::Orchestrator)
        )
    }

    /// Whether a dispatcher of this kind must give the same answer whenever it runs, and so sees no clock.
    #[must_use]
    pub const fn is_deterministic(self) -> bool {
        matches!(self, Self::Compute | Self::Reducer)
    }

    /// The name used in JSON and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Effect => "effect",
            Self::Compute => "compute",
            Self::Reducer => "reducer",
            Self::Orchestrator => "orchestrator",
            Self::RuntimeHost => "runtime_host",
        }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
