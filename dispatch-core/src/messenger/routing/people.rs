//! Routes as texts for people.

use std::fmt::Write as _;

use super::super::tiers::Tier;
use super::{Placement, Routing};
use crate::messenger::{DispatchOptions, MessageType, MessengerError, Name, Priority};
use crate::policy::RetryPolicy;

impl Routing {
    /// Where every type goes, as a table for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let header = ["type", "transport", "queue", "priority", "retries", "rate"].map(str::to_owned);
        let mut rows = vec![header];
        let routes =
            self.routes.iter().map(|(message_type, route)| (message_type.to_string(), route.as_slice()));
        for (message_type, route) in routes.chain(self.others()) {
            let policy = self.retry.get(message_type.as_str()).or_else(|| self.retry.get(Self::DEFAULT));
            let retries = policy.map_or(RetryPolicy::default().max_retries, |policy| policy.max_retries);
            let places = route.iter().filter_map(|name| Some((name, self.transports.get(name)?)));
            rows.extend(places.map(|(name, settings)| {
                [
                    message_type.clone(),
                    name.to_string(),
                    settings.queue.to_string(),
                    settings.priority.to_string(),
                    retries.to_string(),
                    settings.rates.to_string(),
                ]
            }));
        }
        table(&rows)
    }

    /// Where types without a route go.
    fn others(&self) -> Vec<(String, &[Name])> {
        let default = std::slice::from_ref(&self.default_transport);
        let Some(tiers) = &self.tiers else { return vec![("(any other)".to_owned(), default)] };
        let of_tier = |(tier, first, last): (Tier, u8, u8)| {
            let priorities = if first == last { first.to_string() } else { format!("{first} to {last}") };
            (format!("(any other, priority {priorities})"), tiers.transport(tier).unwrap_or(default))
        };
        tiers.ranges().map(of_tier).collect()
    }

    /// Where a message would go, and why, for people.
    ///
    /// # Errors
    /// Like [`place`](Self::place).
    pub fn explain(
        &self,
        message_type: &MessageType,
        options: &DispatchOptions,
    ) -> Result<String, MessengerError> {
        let why = match (&options.transports, self.routes.contains_key(message_type)) {
            (Some(_), _) => "the options name the transports".to_owned(),
            (None, true) => format!("'{message_type}' has a route"),
            (None, false) => {
                let priority = options.priority.map_or(Ok(self.default_priority), Priority::try_from);
                let tier = self.tiers.as_ref().zip(priority.ok());
                let (tier, whose) = match tier {
                    Some((tiers, priority)) if tiers.transport(tiers.tier(priority)).is_some() => {
                        (format!(" and {}", tiers.why(priority)), "transport of that tier")
                    }
                    Some((tiers, priority)) => {
                        (format!(" and {}, which has no transport", tiers.why(priority)), "default transport")
                    }
                    None => (String::new(), "default transport"),
                };
                format!("'{message_type}' has no route{tier}, so it goes to the {whose}")
            }
        };
        let of = |given: bool| if given { "the options" } else { "the transport" };
        let mut text = why;
        for Placement { transport, queue, priority } in self.place(message_type, options)? {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "\n  {transport}: queue {queue} (of {}), priority {priority} (of {})",
                of(options.queue.is_some()),
                of(options.priority.is_some())
            );
        }
        Ok(text)
    }
}

/// Columns side by side.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:<width$}  ", width = width(column).unwrap_or(0));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
