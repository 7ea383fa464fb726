//! A queue that breaks one promise at a time.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::log::SyncPolicy;
use dispatch_core::messenger::{Duplicates, Name, Priority, QueuedMessage};
use dispatch_core::queue::conformance::SuiteClock;
use dispatch_core::queue::{
    Attempt, AttemptHistory, Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, Leased, MessageQueue,
    MessageState, Outcome, Page, QueueError, QueueLimits, QueueState, Settlement, StoredMessage, Submission,
    Wakeup, Wakeups,
};
use dispatch_core::time::Clock;
use serde_json::{Map, Value};
use uuid::Uuid;

/// What is wrong with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    AnswersBackwards,
    LosesHeaders,
    TakesAnyDepth,
    StoresTwice,
    StoresFewer,
    BreaksWhenDropped,
    ForgetsKeys,
    NeverRejects,
    NeverReplaces,
    ForgetsKeysOfDone,
    RemembersForGood,
    KeepsKeysOfCancelled,
    IgnoresPriority,
    ClaimsEarly,
    ClaimsMore,
    IgnoresPauses,
    ClaimsTwice,
    NeverExpires,
    IgnoresOrder,
    OneLane,
    RetriesLosePlace,
    ReleasesLosePlace,
    FirstComesFirst,
    FailuresBlock,
    LeasesForGood,
    NeverExtends,
    NoFencing,
    StrictLeases,
    TakesAnyWord,
    DoneComesAgain,
    KeepsNothing,
    ForgetsHistory,
    RetriesAtOnce,
    FailedComesAgain,
    CountsReleases,
    SettlesBackwards,
    CountsWrong,
    ListsBackwards,
    IgnoresErrors,
    NeverReplays,
    IgnoresEdits,
    EditsAnyDepth,
    ReplaysNoKeys,
    CancelsWork,
    QueuesBackwards,
    WaitsForNothing,
    CannotWait,
    RenamesItself,
    NeverCloses,
    ForgetsAll,
}

use Fault as F;

impl Fault {
    /// Every fault, and the check that it is to fail.
    pub(crate) const ALL: &[(Self, &str)] = &[
        (F::AnswersBackwards, "messages are answered in order"),
        (F::LosesHeaders, "a message comes back whole"),
        (F::TakesAnyDepth, "a message that is nested too deep to be read back is refused"),
        (F::StoresTwice, "a message that is sent again with its id is stored once"),
        (F::StoresFewer, "a thousand messages are stored at once"),
        (F::BreaksWhenDropped, "it works on after a dropped call"),
        (F::ForgetsKeys, "of two messages with one key the first is kept, and the second is told so"),
        (F::NeverRejects, "a second message with a key is refused if that was asked for"),
        (F::NeverReplaces, "a second message with a key takes the place of one that has not begun"),
        (F::ForgetsKeys, "a second message with a key does not take the place of one that has begun"),
        (F::ForgetsKeys, "of a hundred messages with one key at the same time one is stored"),
        (F::ForgetsKeys, "messages with one key in one call are one"),
        (F::ForgetsKeysOfDone, "a key is remembered after its message was done"),
        (F::RemembersForGood, "a key is forgotten when its time is over"),
        (F::KeepsKeysOfCancelled, "a cancelled message takes its key with it"),
        (F::IgnoresPriority, "messages are claimed by priority, then by time, then by id"),
        (F::ClaimsEarly, "a message is not claimed before it is due"),
        (F::ClaimsMore, "a claim keeps to its queues and its number"),
        (F::IgnoresPauses, "a paused queue gives nothing, and goes on afterwards"),
        (F::ClaimsTwice, "no message is claimed twice, however many claim at the same time"),
        (F::NeverExpires, "a message that has expired is not begun"),
        (F::IgnoresOrder, "of one ordering key one message at a time is handled, in order"),
        (F::OneLane, "messages of other keys do not wait"),
        (F::RetriesLosePlace, "a retry keeps its place before the others of its key"),
        (
            F::ReleasesLosePlace,
            "what is handed back until a time keeps its place before the others of its key",
        ),
        (F::FirstComesFirst, "what is due first of a key comes first"),
        (F::FailuresBlock, "a failed or cancelled message lets the next of its key go on"),
        (F::LeasesForGood, "a message whose lease ran out is claimed again, and the attempt counts"),
        (F::NeverExtends, "an extended lease does not run out"),
        (F::NoFencing, "a worker whose message was given to another changes nothing"),
        (F::StrictLeases, "a lease that ran out is valid until somebody else claims"),
        (F::TakesAnyWord, "a settled message cannot be settled again"),
        (F::NoFencing, "a worker cannot settle what another has claimed"),
        (F::DoneComesAgain, "a message that is done is not handled again"),
        (F::KeepsNothing, "a message that is done can be found"),
        (F::ForgetsHistory, "a retry is the same message, with what has happened so far"),
        (F::RetriesAtOnce, "a retry waits for its time"),
        (F::FailedComesAgain, "a failed message is kept with its history, and not handled"),
        (F::CountsReleases, "a released message has lost no attempt"),
        (F::SettlesBackwards, "settlements of one call are answered in order"),
        (F::CountsWrong, "depth tells states apart"),
        (F::ListsBackwards, "messages are listed in order, page by page, by what they are"),
        (F::IgnoresErrors, "failed messages are found by their error and their time"),
        (F::NeverReplays, "a replayed message has a new series of attempts, and its id"),
        (F::IgnoresEdits, "a replayed message may be changed"),
        (F::EditsAnyDepth, "a replayed message cannot be made one that is nested too deep"),
        (F::ReplaysNoKeys, "a replay does not look at keys"),
        (F::CancelsWork, "what is cancelled or purged is gone, unless somebody works on it"),
        (F::QueuesBackwards, "queues are listed"),
        (F::WaitsForNothing, "what came before the wait is seen at once"),
        (F::CannotWait, "whoever waits is woken"),
        (F::RenamesItself, "its name does not change"),
        (F::NeverCloses, "a closed queue refuses everything"),
        (F::ForgetsAll, "everything is there when it is opened again"),
    ];
}

/// What outlives a queue that is closed.
#[derive(Default)]
pub(crate) struct Store {
    state: QueueState,
    last: Vec<Leased>,
    keys: HashMap<String, Uuid>,
    broken: bool,
}

pub(crate) struct Flawed {
    store: Arc<Mutex<Store>>,
    fault: Option<Fault>,
    clock: SuiteClock,
    wakeups: Wakeups,
    closed: AtomicBool,
    renamed: AtomicBool,
}

impl Flawed {
    pub(crate) fn new(fault: Option<Fault>, clock: SuiteClock) -> Self {
        let store = Store { state: QueueState::new(Self::limits(fault)), ..Store::default() };
        Self::on(Arc::new(Mutex::new(store)), fault, clock)
    }

    /// What it is made for.
    pub(crate) fn limits(fault: Option<Fault>) -> QueueLimits {
        let keeps = if fault == Some(F::KeepsNothing) { 0 } else { 7_200 };
        QueueLimits { keep_done: Duration::from_secs(keeps), ..QueueLimits::default() }
    }

    pub(crate) fn on(store: Arc<Mutex<Store>>, fault: Option<Fault>, clock: SuiteClock) -> Self {
        Self {
            store,
            fault,
            clock,
            wakeups: Wakeups::default(),
            closed: AtomicBool::new(false),
            renamed: AtomicBool::new(false),
        }
    }

    pub(crate) fn store(&self) -> Arc<Mutex<Store>> {
        Arc::clone(&self.store)
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn open(&self) -> Result<(MutexGuard<'_, Store>, SystemTime), QueueError> {
        if self.closed.load(Ordering::Relaxed) && !self.has(F::NeverCloses) {
            return Err(QueueError::Closed);
        }
        let store = self.store.lock().unwrap();
        if store.broken {
            return Err(QueueError::Failed { what: "somebody gave up".to_owned(), source: None });
        }
        Ok((store, self.clock.now()))
    }

    fn store_one(
        &self,
        store: &mut Store,
        mut submission: Submission,
        now: SystemTime,
    ) -> Result<Enqueued, QueueError> {
        let message = &mut submission.message;
        let key = message.idempotency_key.as_ref().map(|key| key.as_str().to_owned());
        match self.fault {
            Some(F::LosesHeaders) => message.headers.clear(),
            Some(F::StoresTwice) if store.state.find(message.id).is_some() => message.id = Uuid::new_v4(),
            Some(F::ForgetsKeys) => message.idempotency_key = None,
            Some(F::NeverRejects | F::NeverReplaces) => {
                submission.remember.duplicates = Duplicates::ReturnExisting;
            }
            Some(F::ForgetsKeysOfDone) => {
                let holder =
                    key.as_ref().and_then(|key| store.keys.get(key)).and_then(|id| store.state.find(*id));
                if holder.is_some_and(|stored| !stored.state.is_open()) {
                    message.idempotency_key = None;
                }
            }
            Some(F::RemembersForGood) => submission.remember.until = None,
            Some(F::KeepsKeysOfCancelled) => {
                if let Some(of) = key.as_ref().and_then(|key| store.keys.get(key)) {
                    return Ok(Enqueued::duplicate_of(*of));
                }
            }
            Some(F::IgnoresPriority) => message.priority = Priority::DEFAULT,
            Some(F::NeverExpires) => message.expires_at = None,
            Some(F::IgnoresOrder) => message.ordering_key = None,
            Some(F::OneLane) => message.ordering_key = Some("one".to_owned()),
            Some(F::FirstComesFirst) if message.ordering_key.is_some() => {
                message.available_at = SystemTime::UNIX_EPOCH;
            }
            _ => {}
        }
        store.keys.extend(key.map(|key| (key, submission.message.id)));
        store.state.enqueue(submission, now)
    }

    fn settle_one(
        &self,
        store: &mut Store,
        mut settlement: Settlement,
        now: SystemTime,
    ) -> Result<(), QueueError> {
        let id = settlement.token.id;
        let stored = store.state.find(id).cloned();
        let lease = stored.as_ref().and_then(|stored| stored.lease.clone());
        if self.has(F::StrictLeases) && lease.as_ref().is_some_and(|lease| lease.until <= now) {
            return Err(QueueError::LeaseLost { id });
        }
        if let (true, Some(stored), Some(lease)) = (self.has(F::NoFencing), stored, lease) {
            settlement.token = LeaseToken { id, worker: lease.worker, claim: stored.claim };
        }
        let far = now + Duration::from_secs(1_000_000);
        let attempt = Attempt {
            series: 0,
            number: 1,
            worker: settlement.token.worker.clone(),
            started_at: now,
            waited: Duration::ZERO,
            ran: None,
            error: String::new(),
            unrecoverable: false,
        };
        let loses_place = match (self.fault, &settlement.outcome) {
            (Some(F::RetriesLosePlace), Outcome::Retry { at, .. }) => Some(*at),
            (Some(F::ReleasesLosePlace), Outcome::Release { at }) => *at,
            _ => None,
        };
        if let Some(at) = loses_place {
            // As if it were a new message.
            settlement.outcome = Outcome::Failed { attempt, succeeded: Vec::new() };
            store.state.settle(settlement, now)?;
            store.state.replay(id, None, Some(at), now);
            return Ok(());
        }
        settlement.outcome = match (self.fault, settlement.outcome) {
            (Some(F::DoneComesAgain), Outcome::Done) => Outcome::Release { at: None },
            (Some(F::RetriesAtOnce), Outcome::Retry { attempt, succeeded, .. }) => {
                Outcome::Retry { at: now, attempt, succeeded }
            }
            (Some(F::FailuresBlock), Outcome::Failed { attempt, succeeded }) => {
                Outcome::Retry { at: far, attempt, succeeded }
            }
            (Some(F::FailedComesAgain), Outcome::Failed { attempt, succeeded }) => {
                Outcome::Retry { at: now, attempt, succeeded }
            }
            (Some(F::CountsReleases), Outcome::Release { at }) => {
                Outcome::Retry { at: at.unwrap_or(now), attempt, succeeded: Vec::new() }
            }
            (_, outcome) => outcome,
        };
        let settled = store.state.settle(settlement, now);
        if self.has(F::TakesAnyWord) { Ok(()) } else { settled }
    }
}

#[async_trait]
impl MessageQueue for Flawed {
    fn name(&self) -> &str {
        if self.has(F::RenamesItself) && self.renamed.load(Ordering::Relaxed) { "renamed" } else { "flawed" }
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Memory
    }

    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        if self.has(F::BreaksWhenDropped) {
            self.open()?.0.broken = true;
            let mut polled = false;
            poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending })
                .await;
            self.store.lock().unwrap().broken = false;
        }
        let (mut store, now) = self.open()?;
        let most = if self.has(F::StoresFewer) { 500 } else { usize::MAX };
        let mut answers: Vec<_> = submissions
            .into_iter()
            .enumerate()
            .map(|(place, submission)| match place < most {
                true if !self.has(F::TakesAnyDepth) => submission
                    .message
                    .check_nesting()
                    .and_then(|()| self.store_one(&mut store, submission, now)),
                true => self.store_one(&mut store, submission, now),
                false => Ok(Enqueued::stored(submission.message.id)),
            })
            .collect();
        if self.has(F::AnswersBackwards) {
            answers.reverse();
        }
        self.wakeups.wake();
        Ok(answers)
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError> {
        let (mut store, now) = self.open()?;
        let mut claim = claim.clone();
        let mut now = now;
        match self.fault {
            Some(F::ClaimsEarly) => now += Duration::from_secs(3_600),
            Some(F::ClaimsMore) => claim.max += 1,
            Some(F::IgnoresPauses) => {
                claim.queues.iter().for_each(|queue| store.state.set_paused(queue, false));
            }
            Some(F::LeasesForGood) => claim.lease = Duration::from_secs(1_000_000),
            _ => {}
        }
        let mut claimed = store.state.claim(&claim, now);
        if self.has(F::ClaimsTwice) {
            let last = std::mem::replace(&mut store.last, claimed.messages.clone());
            claimed.messages.extend(last);
        }
        if self.has(F::ForgetsHistory) {
            claimed.messages.iter_mut().for_each(|leased| leased.history = AttemptHistory::default());
        }
        claimed.seen = self.wakeups.seen();
        Ok(claimed)
    }

    async fn extend(
        &self,
        tokens: &[LeaseToken],
        lease: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError> {
        let (mut store, now) = self.open()?;
        let mut extend = |token: &LeaseToken| {
            let until = store.state.find(token.id).and_then(|stored| Some(stored.lease.as_ref()?.until));
            match self.fault {
                Some(F::NeverExtends) => Ok(now + lease),
                Some(F::StrictLeases) if until.is_some_and(|until| until <= now) => {
                    Err(QueueError::LeaseLost { id: token.id })
                }
                _ => store.state.extend(token, lease, now),
            }
        };
        Ok(tokens.iter().map(&mut extend).collect())
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let (mut store, now) = self.open()?;
        let mut answers: Vec<_> =
            settlements.into_iter().map(|settlement| self.settle_one(&mut store, settlement, now)).collect();
        if self.has(F::SettlesBackwards) && !answers.is_empty() {
            answers.rotate_left(1);
        }
        self.wakeups.wake();
        Ok(answers)
    }

    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError> {
        match self.fault {
            Some(F::WaitsForNothing) => Ok(seen),
            Some(F::CannotWait) => Err(QueueError::Failed { what: "no".to_owned(), source: None }),
            _ => self.wakeups.wait(seen).await.ok_or(QueueError::Closed),
        }
    }

    async fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError> {
        let (store, now) = self.open()?;
        self.renamed.store(true, Ordering::Relaxed);
        let mut depth = store.state.depth(queue, now);
        if self.has(F::CountsWrong) {
            depth.ready += std::mem::take(&mut depth.scheduled);
        }
        Ok(depth)
    }

    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError> {
        let (store, _) = self.open()?;
        let mut queues: Vec<_> = store.state.queues().map(|(name, paused)| (name.clone(), paused)).collect();
        if self.has(F::QueuesBackwards) {
            queues.reverse();
        }
        Ok(queues)
    }

    async fn set_paused(&self, queue: &Name, paused: bool) -> Result<(), QueueError> {
        self.open()?.0.state.set_paused(queue, paused);
        self.wakeups.wake();
        Ok(())
    }

    async fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        Ok(self.open()?.0.state.find(id).cloned())
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<StoredMessage>, QueueError> {
        let (store, _) = self.open()?;
        let mut filter = filter.clone();
        if self.has(F::IgnoresErrors) {
            filter.error_group = None;
        }
        let mut listed: Vec<_> = store.state.list(&filter, page).cloned().collect();
        if self.has(F::ListsBackwards) {
            listed.reverse();
        }
        Ok(listed)
    }

    async fn replay(
        &self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
    ) -> Result<bool, QueueError> {
        let (mut store, now) = self.open()?;
        let has_key = store
            .state
            .find(id)
            .and_then(StoredMessage::message)
            .is_some_and(|it| it.idempotency_key.is_some());
        let failed = store.state.find(id).is_some_and(|it| it.state == MessageState::Failed);
        if let Some(payload) = payload.as_ref().filter(|_| failed && !self.has(F::EditsAnyDepth)) {
            QueuedMessage::check_payload(payload)?;
        }
        match self.fault {
            Some(F::NeverReplays) => Ok(true),
            Some(F::ReplaysNoKeys) if has_key => Ok(false),
            Some(F::IgnoresEdits) => Ok(store.state.replay(id, None, at, now)),
            _ => Ok(store.state.replay(id, payload, at, now)),
        }
    }

    async fn cancel(&self, ids: &[Uuid]) -> Result<u64, QueueError> {
        let (mut store, now) = self.open()?;
        let mut count = 0;
        if self.has(F::CancelsWork) {
            for id in ids {
                let stored = store.state.find(*id).cloned();
                let lease = stored.as_ref().and_then(|stored| stored.lease.clone());
                if let (Some(stored), Some(lease)) = (stored, lease) {
                    let token = LeaseToken { id: *id, worker: lease.worker, claim: stored.claim };
                    store.state.settle(Settlement::done(token), now).unwrap();
                    count += 1;
                }
            }
        }
        Ok(count + store.state.cancel(ids.iter().copied()))
    }

    async fn purge(&self, filter: &Filter) -> Result<u64, QueueError> {
        Ok(self.open()?.0.state.purge(filter))
    }

    async fn sweep(&self) -> Result<(), QueueError> {
        let (mut store, now) = self.open()?;
        store.state.sweep(now);
        Ok(())
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.closed.store(true, Ordering::Relaxed);
        self.wakeups.close();
        Ok(())
    }
}
