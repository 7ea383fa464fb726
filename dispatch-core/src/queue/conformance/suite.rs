use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use super::talk::{Talk, checked};
use super::{
    Check, Features, Report, Verdict, claims, end, keys, lanes, leases, outcomes, people, store, wake,
};
use crate::conformance::Findings;
use crate::queue::{MessageQueue, QueueError};
use crate::time::Clock;

/// A queue that was just opened.
type Opened = Pin<Box<dyn Future<Output = Result<Arc<dyn MessageQueue>, QueueError>> + Send>>;
/// Opens the queue again.
pub(super) type Reopen = Box<dyn Fn() -> Opened + Send + Sync>;

/// The checks, and all they need to know.
#[must_use = "a suite does nothing until it is run"]
pub struct Suite {
    queue: Arc<dyn MessageQueue>,
    features: Features,
    prefix: String,
    passing: Option<Box<dyn Fn(Duration) + Send + Sync>>,
    started: SystemTime,
    reopen: Option<Reopen>,
}

impl Suite {
    /// What queues of the suite begin with, unless another prefix is given.
    pub const PREFIX: &str = "conformance";

    /// A suite for a queue that works, that was made for one message of an ordering key at a time, and whose clock is a
    /// [`SuiteClock`](super::SuiteClock) that nobody has moved, unless [another time](Self::with_start) is given.
    pub fn new(queue: Arc<dyn MessageQueue>) -> Self {
        Self {
            queue,
            features: Features::default(),
            prefix: Self::PREFIX.to_owned(),
            passing: None,
            started: super::SuiteClock::new().now(),
            reopen: None,
        }
    }

    /// Sets what the queue promises.
    pub const fn with_features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }

    /// Begins names with this: letters, digits, `_` and `-`, new for each run on the same store.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Lets time pass on the clock of the queue.
    pub fn with_passing(mut self, passing: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.passing = Some(Box::new(passing));
        self
    }

    /// The time by the clock of the queue now. It may go on by itself, as long as the suite does not take an hour.
    pub fn with_start(mut self, now: SystemTime) -> Self {
        // Stores keep whole milliseconds.
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.started = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        self
    }

    /// Opens a queue on the same store. It is called after the first one was closed.
    pub fn with_reopen<F>(mut self, reopen: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Arc<dyn MessageQueue>, QueueError>> + Send + 'static,
    {
        self.reopen = Some(Box::new(move || Box::pin(reopen())));
        self
    }

    /// Runs every check.
    pub async fn run(self) -> Report {
        let Self { queue, features, prefix, passing, started, reopen } = self;
        let name = queue.name().to_owned();
        let passes = passing.is_some();
        let mut checks = Vec::new();
        let routing = match Talk::routing(&name) {
            Ok(routing) => routing,
            Err(error) => {
                let finding = format!("its name is not that of a transport: {error}");
                let verdict = Verdict::Failed(vec![finding]);
                checks.push(Check { name: "its name is that of a transport", verdict });
                return Report { kind: "queue", name, checks, not_proven: &[] };
            }
        };
        let talk = Talk {
            queue,
            named: name.clone(),
            prefix,
            passing: passing.unwrap_or_else(|| Box::new(|_| ())),
            routing,
            passed: AtomicU64::new(0),
            started,
            sequence: AtomicU64::new(1),
            first_id: Talk::first_id(started),
        };

        /// Adds a check, or that it is skipped.
        macro_rules! check {
            ($text:literal, $check:path) => {
                check!($text, $check, true, "")
            };
            ($text:literal, $check:path, $promised:expr, $reason:literal) => {
                let verdict = if $promised {
                    checked(async {
                        let mut findings = Findings::default();
                        let done = $check(&talk, &mut findings).await;
                        (findings, done)
                    })
                    .await
                } else {
                    Verdict::Skipped($reason)
                };
                checks.push(Check { name: $text, verdict });
            };
            (timed: $text:literal, $check:path) => {
                check!($text, $check, passes, "there is no way to let time pass")
            };
        }

        check!("messages are answered in order", store::answered);
        check!("a message comes back whole", store::whole);
        check!("a message that is nested too deep to be read back is refused", store::nested);
        check!("a message that is sent again with its id is stored once", store::again);
        check!("a thousand messages are stored at once", store::many);
        check!("it works on after a dropped call", store::dropped);
        check!("of two messages with one key the first is kept, and the second is told so", keys::first);
        check!("a second message with a key is refused if that was asked for", keys::rejected);
        check!("a second message with a key takes the place of one that has not begun", keys::replaced);
        check!("a second message with a key does not take the place of one that has begun", keys::begun);
        check!("of a hundred messages with one key at the same time one is stored", keys::race);
        check!("messages with one key in one call are one", keys::in_one_call);
        check!("a key is remembered after its message was done", keys::after_done);
        check!(timed: "a key is forgotten when its time is over", keys::over);
        check!("a cancelled message takes its key with it", keys::cancelled);
        check!("messages are claimed by priority, then by time, then by id", claims::ordered);
        check!(timed: "a message is not claimed before it is due", claims::due);
        check!("a claim keeps to its queues and its number", claims::bounded);
        check!("a paused queue gives nothing, and goes on afterwards", claims::paused);
        check!("no message is claimed twice, however many claim at the same time", claims::race);
        check!(timed: "a message that has expired is not begun", claims::expired);
        check!("of one ordering key one message at a time is handled, in order", lanes::one_by_one);
        check!("messages of other keys do not wait", lanes::apart);
        check!("a retry keeps its place before the others of its key", lanes::retried);
        check!(
            "what is handed back until a time keeps its place before the others of its key",
            lanes::held_back
        );
        check!("what is due first of a key comes first", lanes::earlier);
        check!("a failed or cancelled message lets the next of its key go on", lanes::failed);
        check!(timed: "a message whose lease ran out is claimed again, and the attempt counts", leases::ran_out);
        check!(timed: "an extended lease does not run out", leases::extended);
        check!(timed: "a worker whose message was given to another changes nothing", leases::fenced);
        check!(timed: "a lease that ran out is valid until somebody else claims", leases::late);
        check!("a settled message cannot be settled again", leases::twice);
        check!("a worker cannot settle what another has claimed", leases::foreign);
        check!("a message that is done is not handled again", outcomes::done);
        check!(
            "a message that is done can be found",
            outcomes::kept,
            features.keeps_done,
            "it does not keep them"
        );
        check!("a retry is the same message, with what has happened so far", outcomes::retried);
        check!(timed: "a retry waits for its time", outcomes::retried_later);
        check!("a failed message is kept with its history, and not handled", outcomes::failed);
        check!("a released message has lost no attempt", outcomes::released);
        check!("settlements of one call are answered in order", outcomes::many);
        check!(timed: "depth tells states apart", people::depth);
        check!("messages are listed in order, page by page, by what they are", people::listed);
        check!("failed messages are found by their error and their time", people::failures);
        check!("a replayed message has a new series of attempts, and its id", people::replayed);
        check!("a replayed message may be changed", people::edited);
        check!("a replayed message cannot be made one that is nested too deep", people::edited_too_deep);
        check!("a replay does not look at keys", people::replayed_key);
        check!("what is cancelled or purged is gone, unless somebody works on it", people::removed);
        check!("queues are listed", people::queues);
        check!(
            "what came before the wait is seen at once",
            wake::before,
            features.wakes,
            "wake-ups are not promised"
        );
        check!("whoever waits is woken", wake::woken, features.wakes, "wake-ups are not promised");
        check!("its name does not change", end::name);

        let before = end::remember(&talk).await;
        check!("a closed queue refuses everything", end::closed);
        let survived = match (&reopen, features.survives) {
            (_, false) => Verdict::Skipped("nothing is promised to survive"),
            (None, _) => Verdict::Skipped("there is no way to open it again"),
            (Some(reopen), true) => {
                checked(async {
                    let mut findings = Findings::default();
                    let done = end::survived(&talk, before, reopen, &mut findings).await;
                    (findings, done)
                })
                .await
            }
        };
        checks.push(Check { name: "everything is there when it is opened again", verdict: survived });
        Report { kind: "queue", name, checks, not_proven: &[] }
    }
}
