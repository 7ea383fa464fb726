use std::time::Duration;

use dispatch_core::RegistrationError;
use dispatch_core::error::{ErrorCode, Problem};
use url::Url;

use super::ServerUrl;
#[cfg(feature = "_tls")]
use crate::tls::TlsOptions;

/// Collects every problem of the options of an adapter.
#[derive(Debug)]
pub(crate) struct Checks {
    adapter: &'static str,
    problems: Vec<Problem>,
}

impl Checks {
    pub(crate) const fn of(adapter: &'static str) -> Self {
        Self { adapter, problems: Vec::new() }
    }

    /// The error of an adapter that could not be made although nothing was wrong with its options.
    pub(crate) fn nothing_left(adapter: &'static str) -> RegistrationError {
        Problem::new(ErrorCode::InvalidParameter, format!("{adapter}: url: there is no server in it")).into()
    }

    pub(crate) fn add(&mut self, text: impl std::fmt::Display) {
        let text = format!("{}: {text}", self.adapter);
        self.problems.push(Problem::new(ErrorCode::InvalidParameter, text));
    }

    pub(crate) fn timeout(&mut self, timeout: Duration) {
        if timeout < Duration::from_millis(1) || timeout > Duration::from_secs(60) {
            self.add(format_args!("timeout is {timeout:?}: use 1 ms to 60 s"));
        }
    }

    pub(crate) fn max_bytes(&mut self, max_bytes: usize, most: usize) {
        if !(1..=most).contains(&max_bytes) {
            self.add(format_args!("max_bytes is {max_bytes}: use 1 to {most}"));
        }
    }

    pub(crate) fn url(&mut self, url: &ServerUrl, schemes: &[&str]) -> Option<Url> {
        url.resolve(schemes).map_err(|problem| self.add(format_args!("url: {problem}"))).ok()
    }

    /// What a URL and the options say about TLS; `secure` is the URL's beginning that asks for it.
    #[cfg(feature = "_tls")]
    pub(crate) fn tls(&mut self, wanted: bool, options: &TlsOptions, secure: &str) {
        if wanted {
            options
                .problems()
                .iter()
                .for_each(|problem| self.add(format_args!("tls: {}", problem.message())));
        } else if *options != TlsOptions::default() {
            // Whoever sets this believes that the connection is safe.
            self.add(format_args!(
                "tls is given, but not asked for: write the url as {secure}, or leave it out"
            ));
        }
    }

    /// What a client is given; the problems of the options themselves have been named by [`tls`](Self::tls).
    #[cfg(feature = "_tls")]
    pub(crate) fn tls_client(&mut self, options: &TlsOptions) -> Option<rustls::ClientConfig> {
        match options.client() {
            Ok(config) => Some(config),
            Err(problems) => {
                problems.iter().for_each(|problem| self.add(format_args!("tls: {}", problem.message())));
                None
            }
        }
    }

    /// The problems, sorted.
    pub(crate) fn problems(self) -> Vec<Problem> {
        RegistrationError::check(self.problems)
            .map_or_else(|error| error.problems().to_vec(), |()| Vec::new())
    }
}
