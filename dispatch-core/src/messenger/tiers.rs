use std::slice::from_ref;

use serde::{Deserialize, Serialize};

use super::name::shown;
use super::{MessengerError, Name, Priority};

/// Transports by priority, for messages whose type has no route: up to `low` one of them, from `high` another one, and a
/// third between. Where none is named it is the default transport.
///
/// The priority is that of the options, else the default one; that of the transport comes too late to choose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriorityTiers {
    /// The highest priority that is low.
    pub low: i64,
    /// The lowest priority that is high; above `low`.
    pub high: i64,
    /// The transport of low priorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_transport: Option<String>,
    /// The transport of those between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normal_transport: Option<String>,
    /// The transport of high priorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_transport: Option<String>,
}

impl Default for PriorityTiers {
    /// Low up to 3, high from 7, and all of them to the default transport.
    fn default() -> Self {
        Self { low: 3, high: 7, low_transport: None, normal_transport: None, high_transport: None }
    }
}

impl PriorityTiers {
    /// The transports by the member that names them.
    fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [
            ("low_transport", &self.low_transport),
            ("normal_transport", &self.normal_transport),
            ("high_transport", &self.high_transport),
        ];
        named.into_iter().filter_map(|(member, name)| Some((member, name.as_deref()?)))
    }

    pub(super) fn problems(&self, is_transport: impl Fn(&str) -> bool, transports: &str) -> Vec<String> {
        let mut problems = Vec::new();
        for (member, value) in [("low", self.low), ("high", self.high)] {
            problems.extend(Priority::problem(value).map(|text| format!("priority_tiers: {member}: {text}")));
        }
        if self.high <= self.low {
            let (low, high) = (self.low, self.high);
            problems
                .push(format!("priority_tiers: high is {high} and low is {low}: high has to be above low"));
        }
        if self.named().next().is_none() {
            problems
                .push("priority_tiers: no transport is named: name one, or leave the tiers out".to_owned());
        }
        let unknown = self.named().filter(|(_, name)| !is_transport(name));
        problems.extend(unknown.map(|(member, name)| {
            format!("priority_tiers: {member} '{}' is no transport: use one of {transports}", shown(name))
        }));
        problems
    }
}

/// Tiers that were checked.
#[derive(Debug, Clone)]
pub(super) struct Tiers {
    low: Priority,
    high: Priority,
    transports: [Option<Name>; 3],
}

/// Where a priority is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    Low,
    Normal,
    High,
}

impl Tiers {
    pub(super) fn of(tiers: &PriorityTiers) -> Result<Self, MessengerError> {
        let name = |name: &Option<String>| name.as_ref().map(Name::new).transpose();
        Ok(Self {
            low: tiers.low.try_into()?,
            high: tiers.high.try_into()?,
            transports: [
                name(&tiers.low_transport)?,
                name(&tiers.normal_transport)?,
                name(&tiers.high_transport)?,
            ],
        })
    }

    pub(super) fn tier(&self, priority: Priority) -> Tier {
        if priority <= self.low {
            Tier::Low
        } else if priority >= self.high {
            Tier::High
        } else {
            Tier::Normal
        }
    }

    /// The transport of a tier, if it has one of its own.
    pub(super) fn transport(&self, tier: Tier) -> Option<&[Name]> {
        let [low, normal, high] = &self.transports;
        let named = match tier {
            Tier::Low => low,
            Tier::Normal => normal,
            Tier::High => high,
        };
        named.as_ref().map(from_ref)
    }

    /// The tiers that have priorities, and which these are.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (Tier, u8, u8)> {
        let (low, high) = (self.low.get(), self.high.get());
        let ranges = [
            (Tier::Low, Priority::LOWEST.get(), low),
            (Tier::Normal, low + 1, high - 1),
            (Tier::High, high, Priority::HIGHEST.get()),
        ];
        ranges.into_iter().filter(|(_, first, last)| first <= last)
    }

    /// Why a priority is where it is, for people.
    pub(super) fn why(&self, priority: Priority) -> String {
        match self.tier(priority) {
            Tier::Low => format!("priority {priority} is low (up to {})", self.low),
            Tier::Normal => {
                format!(
                    "priority {priority} is neither low (up to {}) nor high (from {})",
                    self.low, self.high
                )
            }
            Tier::High => format!("priority {priority} is high (from {})", self.high),
        }
    }
}
