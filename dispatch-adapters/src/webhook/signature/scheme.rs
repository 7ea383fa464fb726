use std::fmt;

use serde::{Deserialize, Serialize};

/// A way to sign webhooks; see [`signature`](super) for what each one sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scheme {
    /// Standard Webhooks.
    #[default]
    Standard,
    /// The way of Stripe.
    Stripe,
    /// The way of GitHub.
    Github,
    /// Hexadecimal signature and timestamp in headers of their own.
    Hex,
}

impl Scheme {
    /// As it is written in configurations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Stripe => "stripe",
            Self::Github => "github",
            Self::Hex => "hex",
        }
    }

    /// The header that carries the signature.
    #[must_use]
    pub const fn signature_header(self) -> &'static str {
        match self {
            Self::Standard => "webhook-signature",
            Self::Stripe => "stripe-signature",
            Self::Github => "x-hub-signature-256",
            Self::Hex => "x-webhook-signature",
        }
    }

    /// The header that carries the timestamp, if it has one of its own.
    #[must_use]
    pub const fn timestamp_header(self) -> Option<&'static str> {
        match self {
            Self::Standard => Some("webhook-timestamp"),
            Self::Hex => Some("x-webhook-timestamp"),
            Self::Stripe | Self::Github => None,
        }
    }

    /// The header that carries the id, if there is one.
    #[must_use]
    pub const fn id_header(self) -> Option<&'static str> {
        match self {
            Self::Standard => Some("webhook-id"),
            Self::Stripe | Self::Github | Self::Hex => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
