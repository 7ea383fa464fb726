use std::collections::HashSet;

use super::{LogError, TopicLog};
use crate::subscription::{Guarantee, Scope, SubscriptionConfig};
use crate::topic::Topic;

/// Topics that belong to stored subscriptions which have no cursor in them yet.
///
/// A topic that comes to be while a subscription to a pattern is stopped, or that it has not saved a cursor of yet, is
/// delivered to it from its first record on. No cursor says so, so [`TopicLog::floor`] does not know of it.
#[derive(Debug, Default)]
pub struct Claims(Vec<Claim>);

#[derive(Debug)]
struct Claim {
    scope: Scope,
    /// Topics that a cursor stands for.
    known: HashSet<Topic>,
}

impl Claims {
    /// What the subscriptions of a log claim now.
    ///
    /// # Errors
    /// [`LogError`] of the log.
    pub async fn of(log: &dyn TopicLog) -> Result<Self, LogError> {
        let mut claims = Vec::new();
        for name in log.subscriptions().await? {
            let Some(stored) = log.load(&name).await? else { continue };
            // What is no definition of ours is not opened, and has no topics that it could claim.
            let Ok(config) = serde_json::from_value::<SubscriptionConfig>(stored.definition) else {
                continue;
            };
            // One topic has its cursor since the subscription was opened.
            if let Ok(scope @ Scope::Pattern(_)) = Scope::of(&config.topic)
                && config.guarantee == Guarantee::AtLeastOnce
            {
                let known = stored.cursors.into_iter().map(|cursor| cursor.topic).collect();
                claims.push(Claim { scope, known });
            }
        }
        Ok(Self(claims))
    }

    /// Whether a topic belongs to a subscription from its first record on.
    #[must_use]
    pub fn has(&self, topic: &Topic) -> bool {
        self.0.iter().any(|claim| claim.scope.has(topic) && !claim.known.contains(topic))
    }
}
