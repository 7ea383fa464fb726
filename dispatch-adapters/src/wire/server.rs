use std::env;
use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// Where a server is: a URL, or `env:NAME` or `file:PATH` for what holds one.
///
/// The user, the password and the query are shown by nothing: not by `Debug`, not by `Display`, not by `Serialize`. A
/// configuration that is written out again therefore has to name them by `env:` or `file:`.
///
/// ```
/// use dispatch_adapters::wire::ServerUrl;
///
/// let url = ServerUrl::from("nats://app:hunter2@broker.example:4222");
/// assert_eq!(format!("{url} {url:?}"), "nats://broker.example:4222 nats://broker.example:4222");
/// assert_eq!(ServerUrl::from("env:NATS_URL").to_string(), "env:NATS_URL");
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The URL itself, if its scheme is one of `schemes`; otherwise what is wrong, without any of its content.
    pub(crate) fn resolve(&self, schemes: &[&str]) -> Result<Url, String> {
        let text = referred(&self.0)?;
        let like = schemes.first().map_or_else(String::new, |scheme| format!("{scheme}://host:port"));
        let url = Url::parse(&text).map_err(|error| format!("{error}: write it as {like}"))?;
        if !schemes.contains(&url.scheme()) {
            return Err(format!("its scheme must be {}: write it as {like}", schemes.join(" or ")));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("it has no host: write it as {like}"));
        }
        Ok(url)
    }

    /// User and password of a URL, without its percent-encoding.
    pub(crate) fn login(url: &Url) -> (Option<String>, Option<String>) {
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(percent_decode);
        (user, url.password().map(percent_decode))
    }

    /// `host:port` of a URL: what labels and error texts call a server.
    pub(crate) fn label(url: &Url, default_port: u16) -> String {
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(default_port))
    }
}

/// A text, or what `env:NAME` or `file:PATH` leads to.
pub(crate) fn referred(text: &str) -> Result<String, String> {
    let found = match text.split_once(':') {
        Some(("env", name)) => {
            env::var(name).map_err(|_| format!("environment variable '{name}' is not set: set it"))?
        }
        Some(("file", path)) => {
            fs::read_to_string(path).map_err(|error| format!("cannot read '{path}': {error}"))?
        }
        _ => text.to_owned(),
    };
    Ok(found.trim_end_matches(['\r', '\n']).to_owned())
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl<T: Into<String>> From<T> for ServerUrl {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ServerUrl {
    /// Scheme, host and port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with("env:") || self.0.starts_with("file:") {
            return f.write_str(&self.0);
        }
        match Url::parse(&self.0) {
            Ok(url) => {
                write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
                url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Err(_) => f.write_str("[not a URL]"),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_password() {
        for text in
            ["nats://u:hunter2@h:1/db?x=hunter2", "nats://hunter2@h", "hunter2", "nats://u:hunter2@h:99999"]
        {
            let url = ServerUrl::from(text);
            let json = serde_json::to_string(&url).unwrap();
            let shown = format!("{url} {url:?} {json} {:?}", url.resolve(&["amqp"]));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn user_and_password_are_decoded() {
        let login = |text: &str| ServerUrl::login(&Url::parse(text).unwrap());
        assert_eq!(login("nats://a%40b:c%2Fd%25@h"), (Some("a@b".into()), Some("c/d%".into())));
        assert_eq!(login("nats://h"), (None, None));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        let problem = |text: &str| ServerUrl::from(text).resolve(&["nats", "tls"]).unwrap_err();
        insta::assert_snapshot!(
            [problem("h"), problem("http://h"), problem("nats://"), problem("env:DISPATCH_NO_SUCH")].join("\n"),
            @r"
        relative URL without a base: write it as nats://host:port
        its scheme must be nats or tls: write it as nats://host:port
        it has no host: write it as nats://host:port
        environment variable 'DISPATCH_NO_SUCH' is not set: set it
        "
        );
    }
}
