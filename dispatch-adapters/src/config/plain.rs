//! Options that may hold a secret in the middle of something else: a URL, a header, a setting of a client library.

use dispatch_core::ErrorCode;
use serde_json::Value;
#[cfg(feature = "_tls")]
use url::Url;

use super::Fields;

/// Headers that carry credentials.
#[cfg(feature = "http")]
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

impl Fields<'_> {
    /// Refuses URLs, one or a list, with a password in them, or with anything before the host if that may be a
    /// `token`.
    #[cfg(feature = "_tls")]
    pub(crate) fn urls_without_login(&mut self, name: &str, token: bool) {
        let urls: Vec<&str> = match self.raw(name) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            value => value.and_then(Value::as_str).into_iter().collect(),
        };
        let plain = |text: &&str| {
            let is_reference = matches!(text.split_once(':'), Some(("env" | "file", _)));
            !is_reference
                && Url::parse(text).is_ok_and(|url| {
                    url.password().is_some()
                        || (token && !url.username().is_empty())
                        // PostgreSQL reads it there, too.
                        || url.query_pairs().any(|(key, _)| key == "password")
                })
        };
        if urls.iter().any(plain) {
            let text = ": a login is written plainly into the configuration: put the whole URL into an environment \
                        variable or a file, and write env:NAME or file:PATH";
            self.refuse_plain(name, text);
        }
    }

    /// Refuses headers that carry credentials.
    #[cfg(feature = "http")]
    pub(crate) fn headers_without_credentials(&mut self, name: &str) {
        let table = self.raw(name).and_then(Value::as_object);
        let is_credential =
            |header: &&String| CREDENTIALS.iter().any(|other| other.eq_ignore_ascii_case(header));
        let plain = table.into_iter().flat_map(|table| table.keys()).filter(is_credential);
        for header in plain.collect::<Vec<_>>() {
            let text = format!(
                ": '{header}' is written plainly into the configuration: give it in secret_headers, as env:NAME or \
                 file:PATH"
            );
            self.refuse_plain(name, &text);
        }
    }

    /// Refuses settings of librdkafka that are secrets and no references.
    #[cfg(feature = "kafka")]
    pub(crate) fn properties_without_secrets(&mut self, name: &str) {
        let is_secret = |name: &str| {
            ["password", "passphrase", "secret", "private.key.pem"].iter().any(|part| name.contains(part))
                || name == "ssl.key.pem"
        };
        let table = self.raw(name).and_then(Value::as_object);
        let plain = table.into_iter().flatten().filter(|(name, value)| {
            is_secret(name)
                && !value
                    .as_str()
                    .is_some_and(|text| matches!(text.split_once(':'), Some(("env" | "file", _))))
        });
        for (property, _) in plain.collect::<Vec<_>>() {
            let text = format!(
                ": '{property}' is written plainly into the configuration: write env:NAME or file:PATH instead"
            );
            self.refuse_plain(name, &text);
        }
    }

    /// What else is wrong with the option is said as well.
    fn refuse_plain(&mut self, name: &str, what: &str) {
        self.refuse(ErrorCode::InvalidConfiguration, &format!("option '{name}'{what}"));
    }
}
