use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Sanitizer;
use dispatch_core::error::{ErrorCode, Problem};
use reqwest::{Client, Method, Request};
use url::{Host, Url};

use super::headers::of_options;
use super::{CloudEventsMode, Compression, HttpOptions, HttpPool};
use crate::secret::SecretRef;

/// One URL, and all that is the same in every request to it.
pub(crate) struct Target {
    pub(crate) label: Arc<str>,
    /// What errors call it: as much of the label as does not make them hidden.
    pub(super) shown: Arc<str>,
    pub(super) client: Client,
    pub(super) timeout: Duration,
    pub(super) compression: Compression,
    /// A request without a body.
    template: Request,
}

impl Target {
    /// Reads the options, or adds what is wrong with them to the problems.
    pub(crate) fn read(
        options: &HttpOptions,
        pool: &HttpPool,
        reserved: &[String],
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        let mut reserved = reserved.to_vec();
        if options.mode != CloudEventsMode::None {
            reserved.push("content-type".to_owned());
        }
        let headers = of_options(options, &reserved, problems);
        let mut add = |text: String| problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        if options.timeout.is_zero() || options.timeout > HttpOptions::MAX_TIMEOUT {
            add(format!("timeout is {:?}: use 1 ms to 60 s", options.timeout));
        }
        if !(1..=HttpOptions::MOST_BYTES).contains(&options.max_bytes) {
            add(format!("max_bytes is {}: use 1 to {}", options.max_bytes, HttpOptions::MOST_BYTES));
        }
        if options.batch_concurrency == 0 {
            add("batch_concurrency is 0: give at least 1".to_owned());
        }
        let method = method(&options.method).map_err(&mut add).ok();
        let (url, hidden) = url(&options.url).map_err(&mut add).ok()?;
        if let Some(refusal) = literal(&url).and_then(|address| pool.guard().check(address).err()) {
            add(format!("url: {refusal}"));
        }
        let client = match pool.client(&url) {
            Ok(client) => client,
            Err(more) => {
                problems.extend(more);
                return None;
            }
        };
        if problems.len() > before {
            return None;
        }
        let label = label(&url, hidden);
        let shown = shown(&label, &url);
        // This also turns user information into a header.
        match client.request(method?, url).headers(headers).build() {
            Ok(template) => Some(Self {
                label: label.into(),
                shown: shown.into(),
                client,
                timeout: options.timeout,
                compression: options.compression,
                template,
            }),
            Err(error) => {
                let text = format!("no request can be made: {}", error.without_url());
                problems.push(Problem::new(ErrorCode::InvalidParameter, text));
                None
            }
        }
    }

    /// A request without a body. A template without a body can always be copied.
    pub(super) fn request(&self) -> Option<Request> {
        self.template.try_clone()
    }
}

fn method(text: &str) -> Result<Method, String> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if method != Method::CONNECT && method != Method::TRACE => Ok(method),
        _ => Err(format!(
            "method {:?} cannot be used: use POST, PUT or PATCH",
            text.chars().take(20).collect::<String>()
        )),
    }
}

/// The URL, and whether it is a secret. No error shows the text.
fn url(text: &str) -> Result<(Url, bool), String> {
    let secret = match text.split_once(':') {
        Some(("env" | "file", _)) => {
            let secret = text.parse::<SecretRef>().and_then(|place| place.resolve());
            Some(secret.map_err(|error| format!("url: {error}"))?)
        }
        _ => None,
    };
    let text = secret.as_ref().map_or(text, |secret| secret.expose());
    if text.is_empty() {
        return Err("url is missing: give one of http or https".to_owned());
    }
    // The parser would drop some of these silently.
    if text.chars().any(char::is_control) {
        return Err("url holds a line break or another control character: remove it".to_owned());
    }
    let mut url = Url::parse(text).map_err(|error| format!("url is not valid: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("url has the scheme '{}': use http or https", url.scheme()));
    }
    url.set_fragment(None);
    Ok((url, secret.is_some()))
}

fn literal(url: &Url) -> Option<std::net::IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// What logs, metrics and errors call the destination. Of a URL that is a secret only the origin is left.
fn label(url: &Url, secret: bool) -> String {
    if secret {
        return url.origin().ascii_serialization();
    }
    let mut label = url.clone();
    label.set_query(None);
    // These fail for URLs without a host only.
    let _ = label.set_username("");
    let _ = label.set_password(None);
    label.into()
}

fn shown(label: &str, url: &Url) -> String {
    let sanitizer = Sanitizer::new();
    let candidates = [label.to_owned(), url.origin().ascii_serialization()];
    let shown = candidates.into_iter().find(|text| !sanitizer.is_sensitive(text));
    shown.unwrap_or_else(|| "the destination".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_holds_neither_user_information_nor_query() {
        let read = |text: &str| url(text).map(|(url, hidden)| label(&url, hidden));
        assert_eq!(read("https://u:p@h.example/a?k=v#f").unwrap(), "https://h.example/a");
        let (url, _) = url("https://hooks.example/T0/s3cret").unwrap();
        assert_eq!(label(&url, true), "https://hooks.example");
    }

    #[test]
    fn an_error_keeps_as_much_of_the_label_as_does_not_hide_it() {
        for (text, expected) in [
            ("https://h.example/hook", "https://h.example/hook"),
            ("https://h.example/oauth/hook", "https://h.example"),
            ("https://auth.example/hook", "the destination"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(shown(&label(&url, false), &url), expected);
        }
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "0177.0x1",
            "127.0.0.1.",
        ] {
            let (url, _) = url(&format!("http://{host}/")).unwrap();
            assert_eq!(literal(&url), Some("127.0.0.1".parse().unwrap()), "{host}");
        }
        let (url, _) = url("http://[::ffff:127.0.0.1]/").unwrap();
        assert_eq!(literal(&url), Some("::ffff:127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_url_that_is_not_one_is_not_shown() {
        for text in
            ["", "hooks.example/s3cret", "http://s3cret:x y@/", "http://h/\ns3cret", "mailto:s3cret", "env:"]
        {
            let error = url(text).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
