use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::talk::{Talk, checked};
use super::{Check, Features, Report, Verdict, append, cursors, end, park, read, tail, trim, whole};
use crate::conformance::Findings;
use crate::log::{LogError, TopicLog};

/// A log that was just opened.
type Opened = Pin<Box<dyn Future<Output = Result<Arc<dyn TopicLog>, LogError>> + Send>>;
/// Opens the log again.
pub(super) type Reopen = Box<dyn Fn() -> Opened + Send + Sync>;

/// The checks, and all they need to know.
#[must_use = "a suite does nothing until it is run"]
pub struct Suite {
    log: Arc<dyn TopicLog>,
    features: Features,
    prefix: String,
    reopen: Option<Reopen>,
}

impl Suite {
    /// What topics and subscriptions of the suite begin with, unless another prefix is given.
    pub const PREFIX: &str = "conformance";

    /// A suite for a log that works.
    pub fn new(log: Arc<dyn TopicLog>) -> Self {
        Self { log, features: Features::default(), prefix: Self::PREFIX.to_owned(), reopen: None }
    }

    /// Sets what the log promises.
    pub const fn with_features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }

    /// Begins topics and subscriptions with this: one segment of a topic, new for each run on the same store.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Opens a log on the same store. It is called after the first one was closed.
    pub fn with_reopen<F>(mut self, reopen: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Arc<dyn TopicLog>, LogError>> + Send + 'static,
    {
        self.reopen = Some(Box::new(move || Box::pin(reopen())));
        self
    }

    /// Runs every check.
    pub async fn run(self) -> Report {
        let Self { log, features, prefix, reopen } = self;
        let name = log.name().to_owned();
        let talk = Talk { log, features, prefix };
        let mut checks = Vec::new();

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
        }

        check!("offsets of a topic are 0, 1, 2 and so on", append::dense);
        check!("topics are apart", append::apart);
        check!("records come back in the order of their appends", append::ordered);
        check!("topics are listed in order", append::listed);
        check!("appends side by side get an offset each", append::side_by_side);
        check!("it works on after a dropped append", append::dropped);
        check!(
            "an envelope that cannot be written is refused by name",
            append::unwritable,
            features.serialises,
            "it writes no envelopes"
        );
        check!(
            "a batch is stored whole or not at all",
            append::atomic,
            features.atomic_batches && features.serialises,
            "atomic batches are not promised"
        );
        check!("an envelope that is too large is refused by name", append::too_large);
        check!("an envelope comes back whole", whole::envelope);
        check!("what travels with an envelope comes back whole", whole::entry);
        check!("a read keeps its limit of records", read::records);
        check!("a read keeps its limit of bytes, and has one record at least", read::bytes);
        check!("a read past the end finds nothing", read::past_the_end);
        check!("an unknown topic is empty", read::unknown);
        check!(
            "records are found by the time of their append",
            read::by_time,
            features.timestamps,
            "times are not promised"
        );
        check!("a trim removes what is below it, and a late reader begins at the oldest", trim::late_reader);
        check!("offsets go on after everything was trimmed", trim::goes_on);
        check!("a trim goes neither back nor past the head", trim::clamped);
        check!("usage counts what is kept", trim::usage);
        check!(
            "the newest records that fit into so many bytes are found",
            trim::keeping,
            features.exact_bytes,
            "exact bytes are not promised"
        );
        check!("retention keeps what a cursor has not passed, unless it is forced", trim::retention);
        check!("an append that came first is seen at once", tail::first);
        check!(
            "an append wakes whoever waits for it",
            tail::wakes,
            features.exact_tail,
            "exact wake-ups are not promised"
        );
        check!("a subscription is stored and loaded", cursors::stored);
        check!("cursors of other topics stay when some are saved", cursors::merged);
        check!("a cursor is replaced, and goes where it is told", cursors::replaced);
        check!(
            "what is settled above a cursor is kept",
            cursors::settled,
            features.settled_ranges,
            "settled ranges are not promised"
        );
        check!("cursors of a subscription that is not there leave nothing", cursors::unknown);
        check!("the floor is the lowest cursor of a topic", cursors::floor);
        check!("a removed subscription is gone", cursors::removed);
        check!(
            "what is parked is listed in order, page by page",
            park::pages,
            features.parks,
            "it does not park"
        );
        check!(
            "a parked message replaces the one with its id",
            park::replaced,
            features.parks,
            "it does not park"
        );
        check!("what is unparked is gone, and counted", park::unparked, features.parks, "it does not park");
        check!(
            "a removed subscription has parked nothing",
            park::removed,
            features.parks,
            "it does not park"
        );
        check!("its name is not blank and does not change", end::name);

        let before = end::remember(&talk).await;
        check!("a closed log refuses everything", end::closed);
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
        Report { kind: "log", name, checks, not_proven: &[] }
    }
}
