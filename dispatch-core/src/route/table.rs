//! The frozen route table.
//!
//! - A table is valid or does not exist: [`RouteTable::build`] reports every problem at once.
//! - The order of the dispatchers for an envelope is fixed when the table is built: priority descending, then
//!   order of registration; dispatchers that take their whole category come after the routes of priority 0.
//!   A dispatcher runs once, at its first place. Nothing depends on the iteration order of a map.
//! - Resolving does not change the table; what it needs to remember lives in the caller's [`Scratch`].

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::explain::{self, Explanation};
use super::model::{Route, shown};
use super::spec::DispatcherSpec;
use crate::dispatch::Leg;
use crate::error::{ErrorCode, Problem, RegistrationError};
use crate::matcher::{self, Matcher, MatcherBuilder};
use crate::topic::{Category, Topic, TopicPattern};

/// Routes and dispatchers, validated and compiled.
pub struct RouteTable {
    dispatchers: Vec<DispatcherSpec>,
    routes: Vec<Route>,
    /// Where each rank leads; the index is the rank.
    ranks: Vec<RankedLeg>,
    matchers: [Matcher; Category::ALL.len()],
}

/// Where a rank leads: a [`Leg`] by positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct RankedLeg {
    pub(super) dispatcher: u32,
    /// Index of the route; `None` for a dispatcher that takes its whole category.
    pub(super) route: Option<u32>,
}

/// The dispatchers chosen for an envelope, in rank order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Ids of the dispatchers and the routes that led to them.
    pub legs: Box<[Leg]>,
    /// Positions of the dispatchers in the list the table was built from.
    pub positions: Box<[u32]>,
}

/// What [`RouteTable::resolve`] reuses from call to call.
#[derive(Debug, Default)]
pub struct Scratch {
    matcher: matcher::Scratch,
    ranks: Vec<u32>,
    /// The call in which a dispatcher was last chosen; the index is its position.
    chosen_in: Vec<u32>,
    call: u32,
}

impl RouteTable {
    /// Validates and compiles.
    ///
    /// # Errors
    /// Every problem of every dispatcher and route, in one error.
    pub fn build(dispatchers: Vec<DispatcherSpec>, routes: Vec<Route>) -> Result<Self, RegistrationError> {
        let mut problems = Vec::new();
        let positions = check_dispatchers(&dispatchers, &mut problems);
        let mut seen = HashSet::with_capacity(routes.len());
        let mut compiled = Vec::with_capacity(routes.len());
        for (index, route) in routes.iter().enumerate() {
            let pattern = route.check(&mut problems);
            if !route.route_id.as_str().trim().is_empty() && !seen.insert(route.route_id.as_str()) {
                problems.push(Problem::new(
                    ErrorCode::DuplicateRegistration,
                    format!(
                        "route '{}' is registered twice: give each route an id of its own",
                        shown(route.route_id.as_str())
                    ),
                ));
            }
            let dispatcher = find_dispatcher(route, &positions, &dispatchers, &mut problems);
            if let (Some(pattern), Some(dispatcher), true) = (pattern, dispatcher, route.enabled) {
                compiled.push(Compiled {
                    priority: route.priority,
                    category: route.message_category,
                    pattern,
                    leg: RankedLeg { dispatcher, route: u32::try_from(index).ok() },
                });
            }
        }
        if routes.len() >= u32::MAX as usize || dispatchers.len() >= u32::MAX as usize {
            problems.push(Problem::new(
                ErrorCode::InvalidParameter,
                "a table holds at most 4,294,967,294 routes and dispatchers: split it",
            ));
        }
        RegistrationError::check(problems)?;
        for (position, dispatcher) in (0..).zip(&dispatchers) {
            if let (true, Ok(pattern)) = (dispatcher.route_all, TopicPattern::new("**")) {
                compiled.push(Compiled {
                    priority: 0,
                    category: dispatcher.category,
                    pattern,
                    leg: RankedLeg { dispatcher: position, route: None },
                });
            }
        }
        compiled.sort_by_key(|entry| std::cmp::Reverse(entry.priority));

        let mut builders: [MatcherBuilder; Category::ALL.len()] =
            std::array::from_fn(|_| MatcherBuilder::new());
        for (rank, entry) in (0..).zip(&compiled) {
            builders[entry.category as usize].insert(&entry.pattern, rank);
        }
        let ranks = compiled.iter().map(|entry| entry.leg).collect();
        drop(compiled);
        Ok(Self { dispatchers, routes, ranks, matchers: builders.map(MatcherBuilder::build) })
    }

    /// The dispatchers for an envelope in running order; an empty plan if nothing matches.
    #[must_use]
    pub fn resolve(
        &self,
        topic: &Topic,
        category: Category,
        message_type: &str,
        scratch: &mut Scratch,
    ) -> Plan {
        scratch.ranks.clear();
        self.matchers[category as usize].find(topic, &mut scratch.matcher, &mut scratch.ranks);
        if scratch.ranks.is_empty() {
            return Plan::default();
        }
        scratch.begin(self.dispatchers.len());
        let Scratch { ranks, chosen_in, call, .. } = scratch;
        let (mut legs, mut positions) = (Vec::with_capacity(ranks.len()), Vec::with_capacity(ranks.len()));
        for &rank in ranks.iter() {
            let RankedLeg { dispatcher, route } = self.ranks[rank as usize];
            let route = route.map(|index| &self.routes[index as usize]);
            let spec = &self.dispatchers[dispatcher as usize];
            let wanted = route.and_then(|route| route.message_type.as_deref());
            let last = &mut chosen_in[dispatcher as usize];
            if *last != *call
                && wanted.is_none_or(|wanted| wanted == message_type)
                && spec.accepts(message_type)
            {
                *last = *call;
                positions.push(dispatcher);
                legs.push(Leg {
                    dispatcher_id: spec.id.clone(),
                    route_id: route.map(|route| route.route_id.clone()),
                });
            }
        }
        Plan { legs: legs.into(), positions: positions.into() }
    }

    /// Says for every route, in the order in which they would run, why it matches or not.
    #[must_use]
    pub fn explain(&self, topic: &str, category: Option<Category>, message_type: &str) -> Explanation {
        explain::explain(self, topic, category, message_type)
    }

    /// The dispatchers in the order of registration.
    #[must_use]
    pub fn dispatchers(&self) -> &[DispatcherSpec] {
        &self.dispatchers
    }

    /// The routes in the order of registration, disabled ones too.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Ids of the dispatchers that no enabled route reaches and that do not take their whole category.
    pub fn unreached(&self) -> impl Iterator<Item = &DispatcherSpec> {
        let mut reached = vec![false; self.dispatchers.len()];
        for leg in &self.ranks {
            reached[leg.dispatcher as usize] = true;
        }
        self.dispatchers.iter().zip(reached).filter(|(_, reached)| !reached).map(|(spec, _)| spec)
    }

    /// Every way to a dispatcher in running order: enabled routes by rank, and behind them the disabled ones
    /// in the order of registration.
    pub(super) fn legs(&self) -> impl Iterator<Item = (&DispatcherSpec, Option<&Route>)> {
        let enabled = self.ranks.iter().map(|leg| {
            let route = leg.route.map(|index| &self.routes[index as usize]);
            (&self.dispatchers[leg.dispatcher as usize], route)
        });
        let disabled = self.routes.iter().filter(|route| !route.enabled).filter_map(|route| {
            let spec = self.dispatchers.iter().find(|spec| spec.id == route.dispatcher_id)?;
            Some((spec, Some(route)))
        });
        enabled.chain(disabled)
    }
}

impl fmt::Debug for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteTable")
            .field("dispatchers", &self.dispatchers.len())
            .field("routes", &self.routes.len())
            .finish_non_exhaustive()
    }
}

impl Scratch {
    fn begin(&mut self, dispatchers: usize) {
        self.chosen_in.resize(dispatchers.max(self.chosen_in.len()), 0);
        self.call = self.call.wrapping_add(1);
        if self.call == 0 {
            // Once in 4 billion calls: marks of the previous round could be taken for this one's.
            self.chosen_in.fill(0);
            self.call = 1;
        }
    }
}

struct Compiled {
    priority: i32,
    category: Category,
    pattern: TopicPattern,
    leg: RankedLeg,
}

/// Checks the dispatchers and maps each id to the position of its first registration.
fn check_dispatchers<'a>(
    dispatchers: &'a [DispatcherSpec],
    problems: &mut Vec<Problem>,
) -> HashMap<&'a str, u32> {
    let mut positions = HashMap::with_capacity(dispatchers.len());
    for (position, spec) in (0..).zip(dispatchers) {
        spec.check(problems);
        let id = spec.id.as_str();
        if positions.contains_key(id) {
            if !id.trim().is_empty() {
                problems.push(Problem::new(
                    ErrorCode::DuplicateRegistration,
                    format!(
                        "dispatcher '{}' is registered twice: give each dispatcher an id of its own",
                        shown(id)
                    ),
                ));
            }
        } else {
            positions.insert(id, position);
        }
    }
    positions
}

/// The position of the dispatcher that a route names; a blank name has been reported already.
fn find_dispatcher(
    route: &Route,
    positions: &HashMap<&str, u32>,
    dispatchers: &[DispatcherSpec],
    problems: &mut Vec<Problem>,
) -> Option<u32> {
    let wanted = route.dispatcher_id.as_str();
    let id = || shown(route.route_id.as_str());
    let Some(&position) = positions.get(wanted) else {
        if !wanted.trim().is_empty() {
            problems.push(Problem::new(
                ErrorCode::ItemNotRegistered,
                format!(
                    "route '{}' names the unknown dispatcher '{}': register it or correct the name",
                    id(),
                    shown(wanted)
                ),
            ));
        }
        return None;
    };
    let category = dispatchers[position as usize].category;
    if category != route.message_category {
        problems.push(Problem::new(
            ErrorCode::InvalidConfiguration,
            format!(
                "route '{}' is for {} messages but its dispatcher '{}' takes {} messages: make them agree",
                id(),
                route.message_category,
                shown(wanted),
                category
            ),
        ));
        return None;
    }
    Some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatcher(id: &str) -> DispatcherSpec {
        DispatcherSpec::new(id, Category::Event)
    }

    fn chosen(table: &RouteTable, topic: &str, message_type: &str) -> Vec<String> {
        let topic = Topic::new(topic).unwrap();
        let plan = table.resolve(&topic, topic.category().unwrap(), message_type, &mut Scratch::default());
        plan.legs.iter().map(|leg| leg.dispatcher_id.to_string()).collect()
    }

    #[test]
    fn whole_category_dispatchers_come_after_routes_of_priority_0() {
        let all = DispatcherSpec { route_all: true, ..dispatcher("all") };
        let route = |id: &str, to: &str| Route::new(id, "**", Category::Event, to);
        let table = RouteTable::build(
            vec![all, dispatcher("low"), dispatcher("zero")],
            vec![route("1", "low").with_priority(-1), route("2", "zero")],
        )
        .unwrap();
        assert_eq!(chosen(&table, "a.events", "T"), ["zero", "all", "low"]);
    }

    #[test]
    fn problems_do_not_cascade() {
        let refused = DispatcherSpec { message_types: Some([].into()), ..dispatcher("d") };
        let error =
            RouteTable::build(vec![refused], vec![Route::new("r", "**", Category::Event, "d")]).unwrap_err();
        assert_eq!(error.problems().len(), 1);
        let error = RouteTable::build(vec![], vec![Route::new("r", "**", Category::Event, " ")]).unwrap_err();
        assert_eq!(error.codes(), [ErrorCode::InvalidParameter]);
    }

    #[test]
    fn a_message_type_that_could_never_match_is_refused() {
        let spaced = DispatcherSpec { message_types: Some([" T".to_owned()].into()), ..dispatcher("d") };
        let route = Route::new("r", "**", Category::Event, "d").with_message_type("T ");
        let error = RouteTable::build(vec![spaced], vec![route]).unwrap_err();
        assert_eq!(error.problems().len(), 2, "{error}");
        assert_eq!(error.codes(), [ErrorCode::InvalidParameter]);
    }

    #[test]
    fn unreached_dispatchers_are_named() {
        let table = RouteTable::build(
            vec![dispatcher("a"), dispatcher("b")],
            vec![
                Route::new("r", "**", Category::Event, "a"),
                Route::new("s", "**", Category::Event, "b").disabled(),
            ],
        )
        .unwrap();
        assert_eq!(table.unreached().map(|spec| spec.id.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn every_problem_is_reported_with_what_to_do() {
        let host = DispatcherSpec { node_kind: Some(crate::NodeKind::RuntimeHost), ..dispatcher("host") };
        let effect = DispatcherSpec { node_kind: Some(crate::NodeKind::Effect), ..dispatcher("effect") };
        let error = RouteTable::build(
            vec![dispatcher("d"), dispatcher("d"), dispatcher("a b"), host, effect],
            vec![
                Route::new("", "a..b", Category::Event, "d"),
                Route::new("far", "**", Category::Event, "d").with_priority(2000),
                Route::new("typo", "**", Category::Event, "dd").disabled(),
                Route::new("wrong", "**", Category::Intent, "d"),
                Route::new("far", "**", Category::Event, "d").with_message_type(" "),
            ],
        )
        .unwrap_err();
        insta::assert_snapshot!(error);
    }

    #[test]
    fn an_explanation_covers_every_route_in_running_order() {
        let typed = DispatcherSpec { message_types: Some(["X".to_owned()].into()), ..dispatcher("typed") };
        let route = |id: &str, pattern: &str, to: &str| Route::new(id, pattern, Category::Event, to);
        let table = RouteTable::build(
            vec![dispatcher("a"), typed, DispatcherSpec::new("c", Category::Command)],
            vec![
                route("off", "**", "a").disabled(),
                route("no", "x.**", "a"),
                route("type", "**", "a").with_message_type("Y"),
                route("typed", "**", "typed"),
                Route::new("command", "**", Category::Command, "c"),
                route("first", "**", "a"),
                route("again", "dev.**", "a"),
                route("top", "**.events", "a").with_priority(9),
            ],
        )
        .unwrap();
        insta::assert_snapshot!(table.explain("dev.user.events.v1", None, "T"));
        insta::assert_snapshot!(table.explain("nonsense", None, "T"), @"topic 'nonsense', message type 'T': no category, so nothing runs");
    }
}
