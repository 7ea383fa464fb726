use std::collections::HashMap;

use actix::prelude::{Actor, Context, Handler};
use dispatch_adapters::prelude::{Deliver, DispatcherError, Outputs};
use serde_json::Value;

use super::notify::Notify;

/// Counts the events of each repository and celebrates the 10th, 100th, 1000th …
#[derive(Debug, Default)]
pub(crate) struct Activity {
    seen: HashMap<String, u64>,
}

impl Activity {
    /// Repositories that are counted; more are not.
    const MOST: usize = 10_000;

    /// Counts an event and returns the new number of its repository.
    fn count(&mut self, repository: &str) -> u64 {
        if let Some(seen) = self.seen.get_mut(repository) {
            *seen += 1;
            return *seen;
        }
        if self.seen.len() < Self::MOST {
            self.seen.insert(repository.to_owned(), 1);
        }
        1
    }
}

impl Actor for Activity {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Activity {
    type Result = Result<Outputs, DispatcherError>;

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) -> Self::Result {
        let payload = deliver.envelope.raw_payload().to_json()?;
        let mut outputs = Outputs::none();
        if let Some(repository) = payload.pointer("/repository/full_name").and_then(Value::as_str) {
            let seen = self.count(repository);
            if is_milestone(seen) {
                let text = format!("event number {seen}");
                outputs.push(Notify { repository: repository.to_owned(), text }.into_output()?)?;
            }
        }
        Ok(outputs)
    }
}

/// Whether this is 10, 100, 1000 …
fn is_milestone(count: u64) -> bool {
    count >= 10 && 10_u64.pow(count.ilog10()) == count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_are_powers_of_ten() {
        let milestones: Vec<_> = (0..=10_000).filter(|count| is_milestone(*count)).collect();
        assert_eq!(milestones, [10, 100, 1000, 10_000]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut activity = Activity::default();
        for repository in 0..2 * Activity::MOST {
            activity.count(&repository.to_string());
        }
        assert_eq!(activity.seen.len(), Activity::MOST);
        assert_eq!(activity.count("0"), 2);
    }
}
