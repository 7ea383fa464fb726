use std::collections::BTreeSet;

use super::model::{check_dispatcher_id, has_outer_space, shown};
use crate::dispatcher::NodeKind;
use crate::error::{ErrorCode, Problem};
use crate::ids::DispatcherId;
use crate::topic::Category;

/// What the route table knows of a dispatcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatcherSpec {
    /// Unique id, 1 to 256 bytes, no white space, no control characters.
    pub id: DispatcherId,
    /// The category it takes.
    pub category: Category,
    /// The message types it takes; `None` takes all, an empty set is refused.
    pub message_types: Option<BTreeSet<String>>,
    /// Its role; if given, it must fit the category.
    pub node_kind: Option<NodeKind>,
    /// Whether it takes everything of its category and types, without a route.
    pub route_all: bool,
}

impl DispatcherSpec {
    /// Longest id, in bytes.
    pub const MAX_ID: usize = 256;

    /// A dispatcher that takes all types of a category.
    pub fn new(id: impl Into<DispatcherId>, category: Category) -> Self {
        Self { id: id.into(), category, message_types: None, node_kind: None, route_all: false }
    }

    /// Whether it takes a message type.
    #[must_use]
    pub fn accepts(&self, message_type: &str) -> bool {
        self.message_types.as_ref().is_none_or(|types| types.contains(message_type))
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let id = shown(self.id.as_str());
        let mut bad = |message: String| problems.push(Problem::new(ErrorCode::InvalidParameter, message));
        check_dispatcher_id(self.id.as_str(), &mut bad);
        if let Some(types) = &self.message_types {
            if types.is_empty() {
                bad(format!(
                    "dispatcher '{id}' has an empty set of message types: name at least one, or leave the set out to take all"
                ));
            }
            if types.iter().any(|name| name.trim().is_empty()) {
                bad(format!("dispatcher '{id}' has a blank message type: remove it"));
            }
            if types.iter().any(|name| has_outer_space(name)) {
                bad(format!(
                    "dispatcher '{id}' has a message type with white space around it, so nothing would match: remove it"
                ));
            }
        }
        if let Some(kind) = self.node_kind
            && !kind.accepts(self.category)
        {
            problems.push(Problem::new(
                ErrorCode::ValidationFailed,
                format!(
                    "dispatcher '{id}' of kind {kind} cannot take {} messages: {}",
                    self.category,
                    hint(kind)
                ),
            ));
        }
    }
}

fn hint(kind: NodeKind) -> String {
    let allowed: Vec<_> =
        Category::ALL.into_iter().filter(|category| kind.accepts(*category)).map(Category::as_str).collect();
    if allowed.is_empty() {
        "this kind is never a dispatcher".to_owned()
    } else {
        format!("register it for {}", allowed.join(" or "))
    }
}
