use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::Event;

/// What happens, and how often among a hundred events.
const KINDS: [(u32, &str, Option<&str>); 14] = [
    (24, "push", None),
    (10, "pull_request", Some("opened")),
    (14, "pull_request", Some("synchronize")),
    (8, "pull_request", Some("closed")),
    (5, "pull_request", Some("review_requested")),
    (8, "issues", Some("opened")),
    (10, "issue_comment", Some("created")),
    (11, "workflow_run", Some("completed")),
    (3, "star", Some("created")),
    (3, "release", Some("published")),
    (1, "repository", Some("publicized")),
    (1, "repository", Some("renamed")),
    (1, "branch_protection_rule", Some("deleted")),
    (1, "ping", None),
];

const REPOSITORIES: [&str; 8] = ["api", "web", "mobile", "docs", "infra", "search", "billing", "sdk"];

/// An endless row of events like those of a busy organisation; the same seed gives the same row.
pub(crate) struct Workload(StdRng);

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn payload(&mut self, event: &str, action: Option<&str>) -> Value {
        let random = &mut self.0;
        // Some repositories are busier than others.
        let busy = random.random_range(0..REPOSITORIES.len()).min(random.random_range(0..REPOSITORIES.len()));
        let repository = REPOSITORIES[busy];
        let number = random.random_range(1..5000);
        let mut payload = json!({
            "action": action,
            "repository": { "full_name": format!("acme/{repository}"), "private": random.random_bool(0.7) },
            "sender": { "login": format!("dev-{}", random.random_range(1..40)) },
        });
        let subject = match event {
            "push" => {
                let commits: Vec<_> = (0..random.random_range(1..6))
                    .map(|_| json!({ "id": format!("{:016x}", random.random::<u64>()), "message": "Change" }))
                    .collect();
                ("commits", json!(commits))
            }
            "pull_request" => {
                ("pull_request", json!({ "number": number, "title": format!("Change {number}") }))
            }
            "issues" | "issue_comment" => ("issue", json!({ "number": number, "title": "Broken" })),
            "workflow_run" => {
                ("workflow_run", json!({ "id": number, "name": "ci", "conclusion": "success" }))
            }
            "release" => ("release", json!({ "tag_name": format!("v1.{number}") })),
            "branch_protection_rule" => ("rule", json!({ "name": "main" })),
            _ => return payload,
        };
        payload[subject.0] = subject.1;
        payload
    }
}

impl Iterator for Workload {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let all = KINDS.iter().map(|(weight, ..)| weight).sum();
        let mut point = self.0.random_range(0..all);
        let (_, event, action) = KINDS.into_iter().find(|(weight, ..)| {
            let here = point < *weight;
            point = point.saturating_sub(*weight);
            here
        })?;
        let payload = self.payload(event, action);
        Some(Event { event: event.to_owned(), action: action.map(str::to_owned), delivery: None, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_events() {
        let events = |seed| Workload::new(seed).take(500).collect::<Vec<_>>();
        assert_eq!(events(1), events(1));
        assert_ne!(events(1), events(2));
    }

    #[test]
    fn every_kind_happens() {
        let mut topics: Vec<_> = Workload::new(42).take(5000).map(|event| event.topic()).collect();
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), KINDS.len());
    }
}
