use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryLabels, Health, Progress, Receipt};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::{Clock, Envelope, SystemClock};
use futures_util::{StreamExt, stream};
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::fold::{UrlResult, fold};
use super::{Signer, WebhookOptions};
use crate::http::{
    AddressGuard, CloudEventsMode, HttpError, HttpPool, Message, PoolOptions, Record, Resolver, Target,
    exchange, insert, is_free,
};

/// How many URLs are asked at once.
const PARALLEL: usize = 8;

/// Delivers signed envelopes to one or many URLs. See the [module](super).
///
/// It is made from any options; [`validate`](Adapter::validate) lists everything that is wrong with them, and as long
/// as something is, every delivery fails for good.
///
/// Tried again by a policy around it, it asks only the URLs that have neither taken the envelope nor refused it for good.
/// (Behind a batch it asks all of them again.) Each request has a signature of its own, with the time it leaves.
pub struct Webhook {
    name: Arc<str>,
    options: WebhookOptions,
    pool: HttpPool,
    /// Whether the pool was handed over.
    shared: bool,
    ready: OnceLock<Result<Ready, Vec<Problem>>>,
    clock: Arc<dyn Clock>,
    record: Record,
}

struct Ready {
    targets: Vec<Target>,
    signer: Signer,
}

/// What one envelope is signed with, at each URL anew.
struct Signing<'a> {
    signer: &'a Signer,
    id: &'a str,
    message: &'a Message,
}

impl Signing<'_> {
    fn sign(&self, now: SystemTime, headers: &mut HeaderMap) -> Result<(), DeliveryError> {
        let signed = self.signer.sign(self.id, now, &self.message.body).map_err(HttpError::envelope)?;
        signed.into_iter().try_for_each(|(name, value)| insert(headers, &name, &value))
    }
}

impl Webhook {
    /// An adapter with a pool of its own, whose address guard is on unless the options say otherwise.
    #[must_use]
    pub fn new(options: WebhookOptions) -> Self {
        let pool = HttpPool::new(guarded(&options.pool));
        Self {
            name: "webhook".into(),
            pool,
            options,
            shared: false,
            ready: OnceLock::new(),
            clock: Arc::new(SystemClock),
            record: Record::default(),
        }
    }

    /// Asks a resolver for the addresses of names.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.pool = HttpPool::with_resolver(guarded(&self.options.pool), resolver);
        self.ready = OnceLock::new();
        self
    }

    /// Uses the connections of a pool, and its guard. A pool whose options do not say whether there is a guard is
    /// refused. The options of a pool of its own mean nothing then.
    #[must_use]
    pub fn in_pool(mut self, pool: &HttpPool) -> Self {
        self.pool = pool.clone();
        self.shared = true;
        self.ready = OnceLock::new();
        self
    }

    /// Gives it another name than `webhook`.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Takes wall time from this clock: that of the timestamps, and the one that dates in answers are read by.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The labels for metrics and policies: its name and its first URL, without user information and query.
    #[must_use]
    pub fn labels(&self) -> DeliveryLabels {
        let first = self.checked().as_ref().ok().and_then(|ready| ready.targets.first());
        let destination = first.map_or_else(|| "invalid".into(), |target| Arc::clone(&target.label));
        DeliveryLabels::new(Arc::clone(&self.name), destination)
    }

    /// Delivers one envelope; one result per URL, in the order of the URLs.
    ///
    /// All URLs are asked, whatever becomes of those before them.
    ///
    /// # Errors
    /// If nothing was sent at all: the options are not valid, or the envelope cannot be written.
    pub async fn deliver_each(&self, envelope: &Envelope) -> Result<Vec<UrlResult>, DeliveryError> {
        self.deliver_open(envelope, &Progress::new()).await
    }

    /// Asks the URLs that have no outcome yet.
    async fn deliver_open(
        &self,
        envelope: &Envelope,
        progress: &Progress,
    ) -> Result<Vec<UrlResult>, DeliveryError> {
        let ready = self.checked().as_ref().map_err(|problems| HttpError::options(problems))?;
        let message = self.write(envelope)?;
        let signing = Signing { signer: &ready.signer, id: &envelope.id().to_string(), message: &message };
        let started = Instant::now();
        let open = ready.targets.iter().enumerate().filter(|(part, _)| progress.is_open(*part));
        let results = if self.options.parallel {
            let asked: Vec<_> = open.map(|part| self.ask(part, &signing, progress)).collect();
            stream::iter(asked).buffered(PARALLEL).collect().await
        } else {
            // Without the machinery of streams, which costs more than a signature.
            let mut results = Vec::with_capacity(ready.targets.len());
            for part in open {
                results.push(self.ask(part, &signing, progress).await);
            }
            results
        };
        self.record.note(
            results.iter().map(|each: &UrlResult| &each.result),
            started.elapsed(),
            self.clock.now(),
        );
        Ok(results)
    }

    async fn ask(
        &self,
        (part, target): (usize, &Target),
        signing: &Signing<'_>,
        progress: &Progress,
    ) -> UrlResult {
        // Signed when there is a connection: the time in a signature is that of its request, however long it waited.
        let sign = |headers: &mut HeaderMap| signing.sign(self.clock.now(), headers);
        let result = exchange(&self.pool, target, signing.message, &*self.clock, sign).await;
        match &result {
            Ok(_) => progress.note_taken(part),
            Err(error) if !error.is_retryable() && error.refusal().is_none() => progress.note_refused(part),
            Err(_) => {}
        }
        UrlResult { destination: Arc::clone(&target.label), result }
    }

    /// The message, but for its signature.
    fn write(&self, envelope: &Envelope) -> Result<Message, DeliveryError> {
        let mut message = Message::of(envelope, self.options.mode)?.within(self.options.max_bytes)?;
        if let Some(header) = self.options.event_header() {
            let message_type = envelope.message_type_str();
            let event = self.options.events.get(message_type).map_or(message_type, String::as_str);
            insert(&mut message.headers, header, event)?;
        }
        Ok(message)
    }

    /// The URLs that have refused it for good in earlier attempts.
    fn refused(&self, progress: &Progress) -> Vec<Arc<str>> {
        let targets = self.checked().as_ref().map_or(&[][..], |ready| &ready.targets).iter().enumerate();
        let refused = targets.filter(|(part, _)| progress.is_refused(*part));
        refused.map(|(_, target)| Arc::clone(&target.label)).collect()
    }

    fn checked(&self) -> &Result<Ready, Vec<Problem>> {
        self.ready.get_or_init(|| self.check())
    }

    fn check(&self) -> Result<Ready, Vec<Problem>> {
        let options = &self.options;
        let mut problems = self.pool.problems();
        let mut add = |code, text: String| problems.push(Problem::new(code, text));
        if let Some(wanted) = options.shared_pool.as_deref()
            && !(self.shared && self.pool.name() == wanted)
        {
            let text = format!("shared_pool is '{wanted}': hand over the pool of that name with in_pool()");
            add(ErrorCode::ItemNotRegistered, text);
        }
        if !self.pool.says_whether_guarded() {
            let name = self.pool.name();
            let text = format!("pool '{name}' does not say whether it guards addresses: set its guard");
            add(ErrorCode::InvalidConfiguration, text);
        }
        if options.mode == CloudEventsMode::Batched {
            let text =
                "cloud_events is 'batched', but a webhook has one id and one signature: use another mode";
            add(ErrorCode::InvalidConfiguration, text.to_owned());
        }
        if options.urls.len() > Progress::PARTS {
            let text =
                format!("{} urls: use {} at most, or several webhooks", options.urls.len(), Progress::PARTS);
            add(ErrorCode::InvalidParameter, text);
        }
        if options.urls.is_empty() {
            add(ErrorCode::InvalidParameter, "urls is empty: give at least one".to_owned());
        }
        if options
            .urls
            .iter()
            .enumerate()
            .any(|(n, url)| options.urls.iter().take(n).any(|other| other == url))
        {
            add(ErrorCode::InvalidParameter, "urls holds the same URL twice: leave one out".to_owned());
        }
        let mut secrets = Vec::new();
        for place in &options.secrets {
            match place.resolve() {
                Ok(secret) => secrets.push(secret),
                Err(error) => add(ErrorCode::InvalidParameter, error.to_string()),
            }
        }
        let complete = secrets.len() == options.secrets.len();
        let signer = Signer::new(options.scheme, &secrets);
        let signer = signer.map_err(|error| {
            if complete {
                add(ErrorCode::InvalidParameter, error.to_string());
            }
        });
        let signer = signer.ok().map(|signer| match &options.signature_header {
            Some(name) => signer.with_signature_header(name.clone()),
            None => signer,
        });
        let mut named: Vec<String> = Vec::new();
        for (what, name) in self.own_headers() {
            let text = match is_free(name) {
                Err(text) => text,
                Ok(()) if named.iter().any(|other| other.eq_ignore_ascii_case(name)) => {
                    format!("is a header of the webhook already: give the {what} one of its own")
                }
                Ok(()) => {
                    named.push(name.to_owned());
                    continue;
                }
            };
            let shown = name.chars().take(40).collect::<String>();
            add(ErrorCode::InvalidParameter, format!("{shown:?} {text}"));
        }
        let reserved = self.reserved();
        let targets: Vec<_> = options
            .urls
            .iter()
            .filter_map(|url| Target::read(&options.http(url), &self.pool, &reserved, &mut problems))
            .collect();
        // Every URL has the same headers and the same pool.
        problems.sort();
        problems.dedup();
        match signer {
            Some(signer) if problems.is_empty() => Ok(Ready { targets, signer }),
            _ => Err(problems),
        }
    }

    /// The headers that it sets itself: what each is for, and its name.
    fn own_headers(&self) -> Vec<(&'static str, &str)> {
        let scheme = self.options.scheme;
        let signature = self.options.signature_header.as_deref().unwrap_or(scheme.signature_header());
        // Those that have names of their own stand before those that options name.
        let own = [
            ("timestamp", scheme.timestamp_header()),
            ("id", scheme.id_header()),
            ("signature", Some(signature)),
            ("event", self.options.event_header()),
        ];
        own.into_iter().filter_map(|(what, name)| Some((what, name?))).collect()
    }

    /// The headers that no option may set.
    fn reserved(&self) -> Vec<String> {
        self.own_headers().into_iter().map(|(_, name)| name.to_ascii_lowercase()).collect()
    }
}

/// The options of a pool whose guard is on unless they say otherwise.
fn guarded(options: &PoolOptions) -> PoolOptions {
    let guard = options.guard.clone().unwrap_or(AddressGuard::on());
    PoolOptions { guard: Some(guard), ..options.clone() }
}

#[async_trait]
impl Adapter for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    /// The first URL without user information and query; the adapter's name if the options are not valid.
    fn destination(&self) -> &str {
        let first = self.checked().as_ref().ok().and_then(|ready| ready.targets.first());
        first.map_or(&self.name, |target| &target.label)
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        self.checked().as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// With the wait for a connection of the pool, for each URL that is asked after another.
    fn time_for(&self, limit: Duration) -> Duration {
        let urls = self.options.urls.len().max(1);
        let turns = if self.options.parallel { urls.div_ceil(PARALLEL) } else { urls };
        self.pool.time_for(limit).saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        fold(self.deliver_each(envelope).await?, self.options.urls.len(), &[], self.clock.now())
    }

    /// Asks only the URLs that have neither taken nor refused it in earlier attempts.
    async fn deliver_rest(&self, envelope: &Envelope, progress: &Progress) -> Result<Receipt, DeliveryError> {
        let refused = self.refused(progress);
        let results = self.deliver_open(envelope, progress).await?;
        fold(results, self.options.urls.len(), &refused, self.clock.now())
    }

    async fn health(&self) -> Health {
        self.record.health()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("options", &self.options)
            .field("pool", &self.pool.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Scheme;

    #[test]
    fn its_headers_have_names_of_their_own_and_none_of_the_request() {
        let problems = |scheme: Scheme, signature: &str, event: &str| -> Vec<String> {
            let options = WebhookOptions {
                scheme,
                signature_header: Some(signature.to_owned()),
                event_header: Some(event.to_owned()),
                ..WebhookOptions::default()
            };
            let problems = Webhook::new(options).validate().unwrap_err();
            let about = |text: &&str| text.starts_with('"');
            problems.iter().map(Problem::message).filter(about).map(str::to_owned).collect()
        };
        assert_eq!(problems(Scheme::Hex, "x-signature", "x-event"), [""; 0]);
        assert_eq!(problems(Scheme::Github, "webhook-id", "x-event"), [""; 0], "GitHub sends no id");
        let twice = |name: &str, what: &str| {
            format!("{name:?} is a header of the webhook already: give the {what} one of its own")
        };
        assert_eq!(problems(Scheme::Github, "X-Event", "x-event"), [twice("x-event", "event")]);
        assert_eq!(
            problems(Scheme::Hex, "x-webhook-timestamp", "x-event"),
            [twice("x-webhook-timestamp", "signature")]
        );
        assert_eq!(problems(Scheme::Standard, "x-signature", "webhook-id"), [twice("webhook-id", "event")]);
        for name in ["Host", "content-type", "content-length", "transfer-encoding"] {
            let taken = format!("{name:?} belongs to the request itself: use another name");
            assert_eq!(problems(Scheme::Hex, name, "x-event"), [taken.as_str()]);
            assert_eq!(problems(Scheme::Hex, "x-signature", name), [taken]);
        }
    }
}
