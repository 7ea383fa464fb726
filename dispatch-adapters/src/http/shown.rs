//! Options as they are written: without what may be a secret.

use std::collections::BTreeMap;

use serde::Serializer;
use url::Url;

/// What stands in place of the value of a header.
pub(super) const HIDDEN: &str = "[hidden]";

/// A reference as it is; a URL without user information, query and fragment.
fn bare(url: &str) -> String {
    if let Some(("env" | "file", _)) = url.split_once(':') {
        return url.to_owned();
    }
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // These fail for URLs without a host only, which have neither.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.into()
        }
        Err(_) if url.is_empty() => String::new(),
        Err(_) => "[not a URL]".to_owned(),
    }
}

pub(super) fn url<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&bare(url))
}

#[cfg(feature = "webhook")]
pub(crate) fn urls<S: Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(urls.iter().map(|url| bare(url)))
}

pub(crate) fn headers<S: Serializer>(
    headers: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| (name, HIDDEN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_written_without_what_may_be_a_secret() {
        for (url, shown) in [
            ("https://h.example/a", "https://h.example/a"),
            ("https://u:s3cret@h.example:1/a?k=s3cret#s3cret", "https://h.example:1/a"),
            ("env:HOOK_URL", "env:HOOK_URL"),
            ("file:/run/hook", "file:/run/hook"),
            ("s3cret", "[not a URL]"),
            ("", ""),
        ] {
            assert_eq!(bare(url), shown);
        }
    }
}
