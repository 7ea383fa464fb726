use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::spec::DispatcherSpec;
use crate::error::{ErrorCode, Problem};
use crate::ids::{DispatcherId, RouteId};
use crate::topic::{Category, Topic, TopicPattern};

/// Sends what is published on matching topics to one dispatcher.
///
/// A route is plain data: it is validated when the table it belongs to is frozen, together with all others.
///
/// ```
/// use dispatch_core::{Category, Route};
///
/// let route = Route::new("audit-orders", "shop.order.**", Category::Event, "audit").with_priority(10);
/// let json = serde_json::to_string(&route)?;
/// assert_eq!(serde_json::from_str::<Route>(&json)?, route);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Unique id, 1 to 200 characters, no white space, no control characters.
    pub route_id: RouteId,
    /// Pattern of the topics, 1 to 500 characters.
    pub topic_pattern: String,
    /// Category of the messages; it must be the dispatcher's.
    pub message_category: Category,
    /// The dispatcher that gets them.
    pub dispatcher_id: DispatcherId,
    /// The one message type to take; `None` takes all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// Higher runs first; -1000 to 1000.
    #[serde(default)]
    pub priority: i32,
    /// A disabled route never matches, but is validated like the others.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// For people, at most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people: what this route belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// For people and tools.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

const fn enabled() -> bool {
    true
}

impl Route {
    /// Longest id, in characters.
    pub const MAX_ID: usize = 200;
    /// Longest pattern, in characters.
    pub const MAX_PATTERN: usize = 500;
    /// Longest description, in characters.
    pub const MAX_DESCRIPTION: usize = 1000;
    /// Largest priority; the smallest is its negative.
    pub const MAX_PRIORITY: i32 = 1000;

    /// An enabled route of priority 0 for all message types.
    pub fn new(
        route_id: impl Into<RouteId>,
        topic_pattern: impl Into<String>,
        message_category: Category,
        dispatcher_id: impl Into<DispatcherId>,
    ) -> Self {
        Self {
            route_id: route_id.into(),
            topic_pattern: topic_pattern.into(),
            message_category,
            dispatcher_id: dispatcher_id.into(),
            message_type: None,
            priority: 0,
            enabled: true,
            description: None,
            correlation_id: None,
            metadata: Map::new(),
        }
    }

    /// Sets the priority; higher runs first.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Takes one message type only.
    #[must_use]
    pub fn with_message_type(mut self, message_type: impl Into<String>) -> Self {
        self.message_type = Some(message_type.into());
        self
    }

    /// Switches the route off.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// Says what the route is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Whether the pattern matches a topic; false if either is invalid. For one-off questions: a frozen table
    /// answers for all routes at once.
    #[must_use]
    pub fn matches_topic(&self, topic: &str) -> bool {
        match (TopicPattern::new(&self.topic_pattern), Topic::new(topic)) {
            (Ok(pattern), Ok(topic)) => pattern.matches(&topic),
            _ => false,
        }
    }

    /// Whether the route is enabled and pattern, category and type match.
    #[must_use]
    pub fn matches(&self, topic: &str, category: Category, message_type: &str) -> bool {
        self.enabled
            && self.message_category == category
            && self.message_type.as_deref().is_none_or(|wanted| wanted == message_type)
            && self.matches_topic(topic)
    }

    /// Checks every field and parses the pattern.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) -> Option<TopicPattern> {
        let before = problems.len();
        let id = shown(self.route_id.as_str());
        let mut bad = |message: String| problems.push(Problem::new(ErrorCode::InvalidParameter, message));
        check_id("route", self.route_id.as_str(), &mut bad);
        check_dispatcher_id(self.dispatcher_id.as_str(), &mut |problem| {
            bad(format!("route '{id}': {problem}"));
        });
        if self.route_id.as_str().chars().count() > Self::MAX_ID {
            bad(format!("route id '{id}' is too long: use at most {} characters", Self::MAX_ID));
        }
        let length = self.topic_pattern.chars().count();
        if length > Self::MAX_PATTERN {
            bad(format!(
                "route '{id}': a topic pattern of {length} characters is too long: use at most {}",
                Self::MAX_PATTERN
            ));
        }
        if !(-Self::MAX_PRIORITY..=Self::MAX_PRIORITY).contains(&self.priority) {
            bad(format!("route '{id}': priority {} is out of range: use -1000 to 1000", self.priority));
        }
        if self.message_type.as_ref().is_some_and(|name| name.trim().is_empty()) {
            bad(format!("route '{id}': the message type is blank: leave it out to take all types"));
        }
        if self.message_type.as_ref().is_some_and(|name| has_outer_space(name)) {
            bad(format!(
                "route '{id}': the message type has white space around it, so nothing would match: remove it"
            ));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > Self::MAX_DESCRIPTION) {
            bad(format!(
                "route '{id}': the description is too long: use at most {} characters",
                Self::MAX_DESCRIPTION
            ));
        }
        let pattern = match TopicPattern::new(&self.topic_pattern) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                bad(format!("route '{id}': topic pattern '{}': {error}", shown(&self.topic_pattern)));
                None
            }
        };
        pattern.filter(|_| problems.len() == before)
    }
}

/// Whether a message type is not blank and has white space around it. The type of an envelope never has.
pub(super) fn has_outer_space(name: &str) -> bool {
    let trimmed = name.trim();
    !trimmed.is_empty() && trimmed.len() < name.len()
}

/// Refuses blank ids and ids with white space or control characters.
pub(super) fn check_id(what: &str, id: &str, bad: &mut impl FnMut(String)) {
    if id.trim().is_empty() {
        bad(format!("the {what} id is blank: give every {what} an id"));
    } else if id.contains(char::is_whitespace) {
        bad(format!("the {what} id '{}' has white space: leave it out", shown(id)));
    } else if id.contains(char::is_control) {
        bad(format!("the {what} id '{}' has a control character: leave it out", shown(id)));
    }
}

/// Refuses what [`check_id`] refuses and ids that are too long: they stand in every log, metric and result.
pub(super) fn check_dispatcher_id(id: &str, bad: &mut impl FnMut(String)) {
    check_id("dispatcher", id, bad);
    let most = DispatcherSpec::MAX_ID;
    if id.len() > most {
        bad(format!("the dispatcher id '{}' is too long: use at most {most} bytes", shown(id)));
    }
}

/// A text as errors show it: not more than is needed to find it, and control characters in words.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown = String::new();
    for char in text.chars().take(MOST) {
        if char.is_control() {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused() {
        let json = r#"{"route_id":"r","topic_pattern":"**","message_category":"event","dispatcher_id":"d","prio":1}"#;
        let error = serde_json::from_str::<Route>(json).unwrap_err().to_string();
        assert!(error.contains("unknown field `prio`"), "{error}");
    }

    #[test]
    fn type_equality_is_case_sensitive_and_disabled_never_matches() {
        let route = Route::new("r", "a.**", Category::Event, "d").with_message_type("T");
        assert!(route.matches("a.events", Category::Event, "T"));
        assert!(!route.matches("a.events", Category::Event, "t"));
        assert!(!route.matches("a.events", Category::Command, "T"));
        assert!(!route.disabled().matches("a.events", Category::Event, "T"));
    }
}
