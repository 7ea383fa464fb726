use std::future::poll_fn;

use dispatch_core::RegistrationError;
use dispatch_core::delivery::DeliveryError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls};
use url::Url;

use super::secure::SecureConnect;
use super::{PostgresOptions, error};
use crate::tls::{Secure, TlsOptions};
use crate::wire::{Checks, ServerUrl};

/// Where to connect, and as whom.
pub(crate) struct Server {
    pub(crate) label: String,
    config: Config,
    secure: Option<Secure>,
}

impl Server {
    /// The server of the options of an adapter.
    pub(super) fn of(options: &PostgresOptions) -> Result<Self, RegistrationError> {
        RegistrationError::check(options.problems())?;
        Self::at("postgres", &options.url, &options.tls)
    }

    /// The server of a URL; `what` is what problems begin with.
    pub(crate) fn at(
        what: &'static str,
        url: &ServerUrl,
        tls: &TlsOptions,
    ) -> Result<Self, RegistrationError> {
        let mut checks = Checks::of(what);
        let server = checks.url(url, PostgresOptions::SCHEMES).and_then(|url| {
            let (mut config, mode) = settled(&url, &mut checks)?;
            let secure = match mode {
                SslMode::Require => Some(Secure::of(tls, &url, 5432, &mut checks)?),
                _ => None,
            };
            if config.get_application_name().is_none() {
                config.application_name("dispatch");
            }
            Some(Self { label: ServerUrl::label(&url, 5432), config, secure })
        });
        RegistrationError::check(checks.problems())?;
        server.ok_or_else(|| Checks::nothing_left(what))
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Session, DeliveryError> {
        self.listen(|_| ()).await.map_err(|failed| error::not_connected(failed, &self.label))
    }

    /// Connects; `notified` is called whenever somebody notifies a channel that the session listens to, with the
    /// payload.
    pub(crate) async fn listen(&self, notified: impl Fn(&str) + Send + 'static) -> Result<Session, Error> {
        match &self.secure {
            None => self.config.connect(NoTls).await.map(|made| Session::start(made, notified)),
            Some(secure) => {
                let made = self.config.connect(SecureConnect::from(secure)).await;
                made.map(|made| Session::start(made, notified))
            }
        }
    }
}

/// The settings of a URL, and whether there will be TLS: always or never, so that nobody on the way can talk the two
/// out of it.
pub(crate) fn settled(url: &Url, checks: &mut Checks) -> Option<(Config, SslMode)> {
    let mut mode = SslMode::Disable;
    let mut rest = Vec::new();
    for setting in url.query().into_iter().flat_map(|query| query.split('&')) {
        match setting.split_once('=').unwrap_or((setting, "")) {
            ("sslmode", "disable") => mode = SslMode::Disable,
            ("sslmode", "require" | "verify-full") => mode = SslMode::Require,
            ("sslmode", _) => {
                checks.add(
                    "url: sslmode must be require or disable: other modes may end without a safe connection",
                );
                return None;
            }
            ("sslrootcert", _) => {
                checks.add("url: sslrootcert is not read: list the file in tls.roots");
                return None;
            }
            // As it is written: the client has its own way to read it.
            _ => rest.push(setting),
        }
    }
    let mut bare = url.clone();
    bare.set_query(Some(rest.join("&")).as_deref().filter(|query| !query.is_empty()));
    let Ok(mut config) = bare.as_str().parse::<Config>() else {
        checks.add("url: the client refuses it: write it as postgres://user:password@host:port/database");
        return None;
    };
    config.ssl_mode(mode);
    Some((config, mode))
}

/// A connection.
pub(crate) struct Session {
    pub(crate) client: Client,
    running: JoinHandle<()>,
}

impl Session {
    fn start<S, T>(
        (client, mut connection): (Client, tokio_postgres::Connection<S, T>),
        notified: impl Fn(&str) + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let running = tokio::spawn(async move {
            // Whoever uses the client is told of an error.
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    notified(notification.payload());
                }
            }
        });
        Self { client, running }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Waits until it is not open any more.
    pub(crate) async fn ended(&mut self) {
        // One that was aborted has ended as well.
        let _ = (&mut self.running).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(query: &str) -> Result<SslMode, String> {
        let mut checks = Checks::of("postgres");
        let url = Url::parse(&format!("postgres://u:hunter2@h/db{query}")).unwrap();
        let settled = settled(&url, &mut checks);
        settled.map(|(_, mode)| mode).ok_or_else(|| checks.problems()[0].message().to_owned())
    }

    #[test]
    fn there_is_tls_always_or_never() {
        assert_eq!(mode(""), Ok(SslMode::Disable));
        assert_eq!(mode("?sslmode=disable"), Ok(SslMode::Disable));
        assert_eq!(mode("?connect_timeout=3&sslmode=require"), Ok(SslMode::Require));
        assert_eq!(mode("?sslmode=verify-full&keepalives=0"), Ok(SslMode::Require));
        for half in ["allow", "prefer", "verify-ca", "REQUIRE", "", "hunter2"] {
            let problem = mode(&format!("?sslmode={half}")).unwrap_err();
            assert!(problem.contains("sslmode must be require or disable"), "{half}: {problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        assert!(mode("?sslrootcert=ca.pem").unwrap_err().contains("list the file in tls.roots"));
        assert!(mode("?no_such=1").unwrap_err().contains("the client refuses it"));
    }

    #[test]
    fn other_settings_reach_the_client_as_they_are_written() {
        let mut checks = Checks::of("postgres");
        let url = "postgres://h/db?options=-c%20geqo%3Doff&sslmode=require&application_name=a%2Bb";
        let (config, _) = settled(&Url::parse(url).unwrap(), &mut checks).unwrap();
        assert_eq!((config.get_options(), config.get_application_name()), (Some("-c geqo=off"), Some("a+b")));
    }
}
