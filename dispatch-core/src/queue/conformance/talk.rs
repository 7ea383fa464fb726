use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::conformance::Findings;
use crate::messenger::{
    DispatchOptions, Duplicates, Message, MessengerConfig, MessengerError, Name, QueuedMessage, Routing,
};
use crate::queue::{
    Attempt, Claim, Claimed, Depth, Enqueued, LeaseToken, Leased, MessageQueue, Outcome, QueueError,
    Remember, Settlement, StoredMessage, Submission, WorkerId,
};

/// In payloads, keys and headers: no error may repeat it.
pub(super) const PLANTED: &str = "planted-7c2e-conformance";

/// What a check that needs no verdict of its own answers with.
pub(super) type Checked = Result<(), QueueError>;

/// A lease that nothing in the suite outlasts, unless it means to.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// The queue, and what the checks have to say to it.
pub(super) struct Talk {
    pub(super) queue: Arc<dyn MessageQueue>,
    /// Its name when the suite began.
    pub(super) named: String,
    pub(super) prefix: String,
    pub(super) passing: Box<dyn Fn(Duration) + Send + Sync>,
    pub(super) routing: Routing,
    pub(super) passed: AtomicU64,
    pub(super) started: SystemTime,
    pub(super) sequence: AtomicU64,
    /// Below the ids of the suite, which are counted from it.
    pub(super) first_id: Uuid,
}

impl Talk {
    /// An id of this time that no other suite begins with, with room to count.
    pub(super) fn first_id(started: SystemTime) -> Uuid {
        const COUNTED: u128 = 0xffff_ffff;
        let seconds = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let first = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
        Uuid::from_u128(first.as_u128() & !COUNTED)
    }

    /// The routing of the suite: one transport.
    ///
    /// # Errors
    /// None that are known.
    pub(super) fn routing(transport: &str) -> Result<Routing, MessengerError> {
        let text = format!("default_transport = \"{transport}\"\n[transports.{transport}]\ntype = \"any\"\n");
        MessengerConfig::from_toml(&text)?.check()
    }

    /// Lets time pass.
    pub(super) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.passed.fetch_add(millis, Ordering::Relaxed);
        (self.passing)(time);
    }

    /// About the time of the queue; it is never late, and early by no more than the suite has taken to run.
    pub(super) fn now(&self) -> SystemTime {
        self.started + Duration::from_millis(self.passed.load(Ordering::Relaxed))
    }

    /// The name of a queue of the suite's.
    pub(super) fn name(&self, name: &str) -> Result<Name, QueueError> {
        Name::new(format!("{}-{name}", self.prefix))
            .map_err(|error| QueueError::failed("the prefix of the suite makes no name", error))
    }

    pub(super) fn key(&self, key: &str) -> String {
        format!("{}-{key}-{PLANTED}", self.prefix)
    }

    pub(super) fn worker(&self, worker: &str) -> WorkerId {
        WorkerId::new(format!("{}-{worker}", self.prefix))
    }

    /// A message for a queue of the suite's.
    pub(super) fn message(&self, queue: &str, options: DispatchOptions) -> Result<QueuedMessage, QueueError> {
        let refused = |error| QueueError::failed("the suite makes no message", error);
        let payload = json!({ "planted": PLANTED, "number": self.sequence.fetch_add(1, Ordering::Relaxed) });
        let message = Message::new("ConformanceCheck", &payload).map_err(refused)?;
        let options = DispatchOptions { queue: Some(self.name(queue)?.as_str().to_owned()), ..options };
        let planned = self.routing.plan(&message, &options, self.now(), || self.id()).map_err(refused)?;
        planned.into_iter().next().ok_or_else(|| QueueError::NotStorable { what: "no plan".to_owned() })
    }

    /// An id that is greater than those before.
    pub(super) fn id(&self) -> Uuid {
        let number = u128::from(self.sequence.fetch_add(1, Ordering::Relaxed));
        Uuid::from_u128(self.first_id.as_u128() + number)
    }

    /// Stores one message.
    pub(super) async fn put(&self, queue: &str, options: DispatchOptions) -> Result<Uuid, QueueError> {
        let message = self.message(queue, options)?;
        let id = message.id;
        self.submit(Submission::new(message)).await?;
        Ok(id)
    }

    /// Stores one message with a key.
    pub(super) async fn put_keyed(
        &self,
        queue: &str,
        key: &str,
        duplicates: Duplicates,
        until: Option<SystemTime>,
    ) -> Result<(Uuid, Result<Enqueued, QueueError>), QueueError> {
        let options = DispatchOptions::default().with_idempotency_key(self.key(key));
        let message = self.message(queue, options)?;
        let id = message.id;
        let submission = Submission::new(message).remembered(Remember { until, duplicates });
        Ok((id, self.submit(submission).await))
    }

    /// Stores one message, and answers what became of it.
    pub(super) async fn submit(&self, submission: Submission) -> Result<Enqueued, QueueError> {
        let mut answers = self.queue.enqueue(vec![submission]).await?;
        match (answers.pop(), answers.len()) {
            (Some(answer), 0) => answer,
            (_, count) => Err(wrong_count(count, 1)),
        }
    }

    /// Stores so many messages one after the other; their ids.
    pub(super) async fn fill(&self, queue: &str, count: usize) -> Result<Vec<Uuid>, QueueError> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.put(queue, DispatchOptions::default()).await?);
        }
        Ok(ids)
    }

    pub(super) async fn claim(&self, worker: &str, queue: &str, max: usize) -> Result<Claimed, QueueError> {
        let (worker, queues) = (self.worker(worker), vec![self.name(queue)?]);
        self.queue.claim(&Claim { worker, queues, max, lease: LEASE }).await
    }

    /// Claims one message, which has to be there.
    pub(super) async fn claim_one(&self, worker: &str, queue: &str) -> Result<Leased, QueueError> {
        let found = self.claim(worker, queue, 1).await?.messages.pop();
        found.ok_or_else(|| QueueError::NotStorable { what: "there was nothing to claim".to_owned() })
    }

    pub(super) async fn settle(&self, token: &LeaseToken, outcome: Outcome) -> Checked {
        let settlement = Settlement { token: token.clone(), outcome };
        let mut answers = self.queue.settle(vec![settlement]).await?;
        match (answers.pop(), answers.len()) {
            (Some(answer), 0) => answer,
            (_, count) => Err(wrong_count(count, 1)),
        }
    }

    pub(super) async fn done(&self, leased: &Leased) -> Checked {
        self.settle(&leased.token, Outcome::Done).await
    }

    pub(super) async fn fail(&self, leased: &Leased, error: &str) -> Checked {
        let attempt = Attempt { unrecoverable: true, ..self.attempt(leased, error) };
        let outcome = Outcome::Failed { attempt, succeeded: Vec::new() };
        self.settle(&leased.token, outcome).await
    }

    pub(super) async fn retry(&self, leased: &Leased, at: SystemTime) -> Checked {
        let succeeded = vec!["first".to_owned()];
        let outcome = Outcome::Retry { at, attempt: self.attempt(leased, "it broke"), succeeded };
        self.settle(&leased.token, outcome).await
    }

    pub(super) fn attempt(&self, leased: &Leased, error: &str) -> Attempt {
        Attempt {
            series: leased.series,
            number: leased.attempt,
            worker: leased.token.worker.clone(),
            started_at: self.now(),
            waited: Duration::from_millis(3),
            ran: Some(Duration::from_millis(7)),
            error: error.to_owned(),
            unrecoverable: false,
        }
    }

    pub(super) async fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        self.queue.depth(Some(&self.name(queue)?)).await
    }

    pub(super) async fn find(&self, id: Uuid) -> Result<StoredMessage, QueueError> {
        let found = self.queue.find(id).await?;
        found.ok_or_else(|| QueueError::NotStorable { what: "a message is not found".to_owned() })
    }
}

/// The ids of what was claimed, in order.
pub(super) fn ids(claimed: &Claimed) -> Vec<Uuid> {
    claimed.messages.iter().map(|leased| leased.token.id).collect()
}

/// A payload.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Objects and arrays in each other, so many levels of them.
pub(super) fn nest(levels: usize) -> Map<String, Value> {
    let deepest = (1..levels).fold(Value::Null, |inner, level| match level % 2 {
        0 => Value::Object(Map::from_iter([("in".to_owned(), inner)])),
        _ => Value::Array(vec![inner]),
    });
    Map::from_iter([("in".to_owned(), deepest)])
}

fn wrong_count(count: usize, wanted: usize) -> QueueError {
    QueueError::NotStorable { what: format!("it answered {count} times beside one, not {wanted} times") }
}

/// Runs a check; an error that it did not expect is a finding.
pub(super) async fn checked(check: impl Future<Output = (Findings, Checked)>) -> super::Verdict {
    let (mut findings, checked) = check.await;
    if let Err(error) = checked {
        findings.add(format!("it answered with: {error}"));
    }
    findings.into()
}

/// Expects a call to be told that it has no valid lease, without a value of the message.
pub(super) fn expect_lost<T>(answer: Result<T, QueueError>, what: &str, found: &mut Findings) {
    match answer {
        Err(error @ QueueError::LeaseLost { .. }) => expect_discreet(&error, found),
        Err(error) => found.add(format!("{what} is refused with something else: {error}")),
        Ok(_) => found.add(format!("{what} is taken")),
    }
}

/// Expects an error not to repeat what the suite has planted.
pub(super) fn expect_discreet(error: &QueueError, found: &mut Findings) {
    let mut texts = vec![error.to_string(), format!("{error:?}")];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    let shows = texts.iter().any(|text| text.contains(PLANTED));
    found.expect(!shows, || "the error shows a key or a payload".to_owned());
}
