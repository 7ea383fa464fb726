use std::collections::BTreeSet;

use dispatch_core::messenger::Name;
use dispatch_core::queue::{Claim, Claimed, QueueError};

use super::super::work::Work;
use super::{EndLeases, Expire, GiveUp, NextDue, Take};

/// Messages to look at once some have expired, so that many of them do not cost a call each.
const LOOKS: usize = 200;

/// How many messages a claim gives up at most, and some: it does not take for ever, whatever has piled up, while nobody
/// lets the leases run on that it has taken already.
const MOST_GIVEN_UP: usize = 1_000;

impl Work {
    /// Takes messages, and sees to everything that is in their way.
    pub(in super::super) async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError> {
        let queues: BTreeSet<_> = claim.queues.iter().map(Name::as_str).collect();
        let queues: Vec<_> = queues.into_iter().collect();
        let mut claimed = Claimed::default();
        let (mut ended, mut looks) = (false, claim.max);
        loop {
            let max = claim.max.saturating_sub(claimed.messages.len());
            let looks_now = looks.max(max);
            // Leases that ran out are seen to even if nothing is wanted.
            let take = Take { claim, queues: &queues, max, looks: looks_now, ended };
            let taken = self.run(&take).await?;
            if taken.leases_ended {
                while self.run(&EndLeases).await? {}
                // Those that somebody else has in hand are theirs.
                ended = true;
                continue;
            }
            claimed.messages.extend(taken.messages);
            let passed = !taken.expired.is_empty() || !taken.unreadable.is_empty();
            if !taken.expired.is_empty() {
                claimed.expired += self.run(&Expire(&taken.expired)).await?;
            }
            if !taken.unreadable.is_empty() {
                claimed.unreadable += self.run(&GiveUp(&taken.unreadable)).await?;
                claimed.unreadable_ids.extend(taken.unreadable.iter().map(|token| token.id));
            }
            let full = claimed.messages.len() >= claim.max;
            if full || !passed || claimed.expired + claimed.unreadable >= MOST_GIVEN_UP {
                if !full {
                    claimed.next_due = self.run(&NextDue(&queues)).await?;
                }
                return Ok(claimed);
            }
            looks = LOOKS;
        }
    }
}
