use std::fmt;

use serde::Serialize;

use super::model::Route;
use super::spec::DispatcherSpec;
use super::table::RouteTable;
use crate::ids::{DispatcherId, RouteId};
use crate::topic::{Category, Topic};

/// Why each route of a table would or would not take an envelope, in running order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The topic that was asked about.
    pub topic: String,
    /// The category that was decided on: the one asked for, else the topic's.
    pub category: Option<Category>,
    /// The message type that was asked about.
    pub message_type: String,
    /// One entry per route, and per dispatcher that takes its whole category. Enabled ones come first, by
    /// rank; disabled ones follow in the order of registration.
    pub routes: Vec<ExplainedRoute>,
}

/// What became of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRoute {
    /// The route; `None` for a dispatcher that takes its whole category.
    pub route_id: Option<RouteId>,
    /// Its dispatcher.
    pub dispatcher_id: DispatcherId,
    /// Why it matches or not.
    #[serde(flatten)]
    pub verdict: RouteVerdict,
}

/// Why a route matches or not; the first reason that applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RouteVerdict {
    /// It runs, at this place (from 1).
    Matched {
        /// Place in the running order.
        place: usize,
    },
    /// Its dispatcher runs already, because of an earlier route.
    AlreadyChosen,
    /// The route is disabled.
    Disabled,
    /// The route is for another category.
    OtherCategory {
        /// The route's category.
        category: Category,
    },
    /// The pattern does not match the topic.
    OtherTopic {
        /// The route's pattern.
        pattern: String,
    },
    /// The route is for another message type.
    OtherType {
        /// The type it wants.
        wanted: String,
    },
    /// The dispatcher does not take the message type.
    RefusedType,
    /// The topic is not valid, so nothing can match.
    InvalidTopic,
    /// The topic names no category, so nothing can match.
    NoCategory,
    /// The category asked about is not the topic's, so a dispatch is refused.
    Contradiction {
        /// The topic's category.
        topic: Category,
    },
}

pub(super) fn explain(
    table: &RouteTable,
    topic: &str,
    category: Option<Category>,
    message_type: &str,
) -> Explanation {
    let parsed = Topic::new(topic).ok();
    let category = category.or_else(|| parsed.as_ref().and_then(Topic::category));
    let mut chosen: Vec<&DispatcherId> = Vec::new();
    let routes = table
        .legs()
        .map(|(spec, route)| {
            let verdict =
                mismatch(spec, route, parsed.as_ref(), category, message_type).unwrap_or_else(|| {
                    if chosen.contains(&&spec.id) {
                        RouteVerdict::AlreadyChosen
                    } else {
                        chosen.push(&spec.id);
                        RouteVerdict::Matched { place: chosen.len() }
                    }
                });
            ExplainedRoute {
                route_id: route.map(|route| route.route_id.clone()),
                dispatcher_id: spec.id.clone(),
                verdict,
            }
        })
        .collect();
    Explanation { topic: topic.to_owned(), category, message_type: message_type.to_owned(), routes }
}

fn mismatch(
    spec: &DispatcherSpec,
    route: Option<&Route>,
    topic: Option<&Topic>,
    category: Option<Category>,
    message_type: &str,
) -> Option<RouteVerdict> {
    let Some(topic) = topic else { return Some(RouteVerdict::InvalidTopic) };
    if route.is_some_and(|route| !route.enabled) {
        return Some(RouteVerdict::Disabled);
    }
    match topic.category() {
        None => return Some(RouteVerdict::NoCategory),
        Some(own) if Some(own) != category => return Some(RouteVerdict::Contradiction { topic: own }),
        Some(_) => {}
    }
    if category != Some(spec.category) {
        return Some(RouteVerdict::OtherCategory { category: spec.category });
    }
    if let Some(route) = route {
        if !route.matches_topic(topic.as_str()) {
            return Some(RouteVerdict::OtherTopic { pattern: route.topic_pattern.clone() });
        }
        if let Some(wanted) = route.message_type.as_deref().filter(|wanted| *wanted != message_type) {
            return Some(RouteVerdict::OtherType { wanted: wanted.to_owned() });
        }
    }
    (!spec.accepts(message_type)).then_some(RouteVerdict::RefusedType)
}

impl fmt::Display for RouteVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched { place } => write!(f, "runs as number {place}"),
            Self::AlreadyChosen => f.write_str("its dispatcher runs already"),
            Self::Disabled => f.write_str("disabled"),
            Self::OtherCategory { category } => write!(f, "is for {category} messages"),
            Self::OtherTopic { pattern } => write!(f, "pattern '{pattern}' does not match"),
            Self::OtherType { wanted } => write!(f, "is for message type '{wanted}'"),
            Self::RefusedType => f.write_str("the dispatcher does not take this message type"),
            Self::InvalidTopic => f.write_str("the topic is not valid"),
            Self::NoCategory => f.write_str("the topic has no category"),
            Self::Contradiction { topic } => write!(f, "the topic is for {topic} messages"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic '{}', message type '{}': ", self.topic, self.message_type)?;
        match self.category {
            Some(category) => write!(f, "category {category}")?,
            None => return f.write_str("no category, so nothing runs"),
        }
        for entry in &self.routes {
            let route = entry.route_id.as_ref().map_or("(whole category)", RouteId::as_str);
            write!(f, "\n  {route} -> {}: {}", entry.dispatcher_id, entry.verdict)?;
        }
        Ok(())
    }
}
