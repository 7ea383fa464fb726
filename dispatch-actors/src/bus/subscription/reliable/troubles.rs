//! What a subscription could not do.

use std::time::Duration;

/// How long the same trouble is not told again.
const QUIET: Duration = Duration::from_secs(60);

/// What a subscription could not do, of each kind the last: each is told once in a while and not each time it is tried.
#[derive(Default)]
pub(super) struct Troubles(Vec<Trouble>);

struct Trouble {
    what: &'static str,
    error: String,
    told: Duration,
}

impl Troubles {
    /// Takes up what has failed; `true` if it is to be told, since it is new or was told long ago.
    pub(super) fn add(&mut self, what: &'static str, error: String, now: Duration) -> bool {
        let known = self.0.iter().position(|trouble| trouble.what == what);
        let known = known.map(|place| self.0.remove(place));
        let is_known = |known: &Trouble| known.error == error && now.saturating_sub(known.told) < QUIET;
        let told = known.filter(is_known).map(|known| known.told);
        self.0.push(Trouble { what, error, told: told.unwrap_or(now) });
        told.is_none()
    }

    /// What has failed last.
    pub(super) fn last(&self) -> Option<&str> {
        self.0.last().map(|trouble| trouble.error.as_str())
    }
}
