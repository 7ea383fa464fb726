//! What the pipeline says of what it does, one JSON object a line.

use std::io::{self, Write};
use std::process;

use serde::{Deserialize, Serialize};

/// The topic of every order: one topic, so that there is one order of all of them.
pub(crate) const TOPIC: &str = "github.orders.events";

/// Who handles orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    Billing,
    Workers,
    Customers,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Billing, Self::Workers, Self::Customers];

    /// The name of the subscription.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Workers => "workers",
            Self::Customers => "customers",
        }
    }
}

/// What has happened.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// Publishing these offsets was acknowledged; the events have numbers from `first` on.
    Published { first: u64, offsets: Vec<u64> },
    /// A consumer has handled an order, and is about to acknowledge it.
    Handled { by: Who, offset: u64, number: u64, customer: String },
    /// How many orders each has before it.
    Lag([u64; 3]),
}

impl Said {
    /// Says it. A line is one write, so that a kill leaves none half written. If nobody listens, the pipeline ends: what it
    /// would do then is in nobody's record.
    pub(crate) fn say(&self) {
        let line = serde_json::to_string(self).unwrap_or_default() + "\n";
        if io::stdout().lock().write_all(line.as_bytes()).is_err() {
            process::exit(2);
        }
    }
}
