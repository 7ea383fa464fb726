use std::time::Duration;

use dispatch_adapters::prelude::*;
use serde::Deserialize;

use super::notify::Notify;

/// The message types of a pull request that wants to be looked at.
pub(crate) const TYPES: [&str; 3] =
    ["PullRequestOpened", "PullRequestReadyForReview", "PullRequestReviewRequested"];

/// As much of a `pull_request` event as is needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct PullRequestEvent {
    pull_request: PullRequest,
    repository: Repository,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    number: u64,
    title: String,
}

#[derive(Debug, Deserialize)]
struct Repository {
    full_name: String,
}

/// Asks for a review. The pause stands for a call to another service; the actor works on other envelopes
/// meanwhile.
pub(crate) async fn request(envelope: Envelope<PullRequestEvent>) -> Result<Output, DispatcherError> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    let PullRequestEvent { pull_request, repository } = envelope.payload();
    let text = format!("please review #{}: {}", pull_request.number, pull_request.title);
    Notify { repository: repository.full_name.clone(), text }.into_output()
}
