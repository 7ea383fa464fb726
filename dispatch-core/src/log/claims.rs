use std::collections::HashSet;

use super::{LogError, TopicLog};
use crate::subscription::{Guarantee, Scope, SubscriptionConfig};
use crate::topic::Topic;

/// Topics that belong to stored subscriptions which have no cursor in them yet.
///
/// A topic that comes to be while a subscription to a pattern is stopped, or that it has not saved a cursor of yet, is
/// delivered to it from its first record on. No cursor says so, so [`TopicLog::floor`] does not know of it.
#[derive(Debug, Default)]
pub struct Claims {
    claims: Vec<Claim>,
    unread: Vec<String>,
}

#[derive(Debug)]
struct Claim {
    /// None if it is not known, so that any topic may be in it.
    scope: Option<Scope>,
    /// Topics that a cursor stands for.
    known: HashSet<Topic>,
}

impl Claims {
    /// What the subscriptions of a log claim now.
    ///
    /// # Errors
    /// [`LogError`] of the log.
    pub async fn of(log: &dyn TopicLog) -> Result<Self, LogError> {
        let mut found = Self::default();
        for name in log.subscriptions().await? {
            let Some(stored) = log.load(&name).await? else { continue };
            let config = serde_json::from_value::<SubscriptionConfig>(stored.definition).ok();
            let scope = match config.map(|config| (Scope::of(&config.topic), config.guarantee)) {
                Some((Ok(scope @ Scope::Pattern(_)), Guarantee::AtLeastOnce)) => Some(scope),
                // One topic has its cursor since the subscription was opened.
                Some((Ok(_), _)) => continue,
                // Whoever has stored that may read it, and come back for any topic.
                Some((Err(_), _)) | None => {
                    found.unread.push(name);
                    None
                }
            };
            let known = stored.cursors.into_iter().map(|cursor| cursor.topic).collect();
            found.claims.push(Claim { scope, known });
        }
        Ok(found)
    }

    /// Names of subscriptions whose definitions cannot be read, such as those of a newer version. They claim every topic
    /// that they have no cursor in.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Whether a topic belongs to a subscription from its first record on.
    #[must_use]
    pub fn has(&self, topic: &Topic) -> bool {
        self.claims.iter().any(|claim| {
            claim.scope.as_ref().is_none_or(|scope| scope.has(topic)) && !claim.known.contains(topic)
        })
    }
}
