//! Delivery over HTTP.
//!
//! [`Http`] sends each envelope as one request: as a CloudEvent in structured, binary or batched mode, or as the plain
//! payload ([`CloudEventsMode`]).
//!
//! # What an answer means
//! | answer | result |
//! |---|---|
//! | 2xx | delivered; the [`Answer`](crate::model::Answer) holds the status and up to 64 KiB of the body |
//! | 408, 425, 429, 5xx, no answer in time, no connection | may be tried again |
//! | 429, 503 with `Retry-After` | may be tried again after that time, which is cut to a day |
//! | 410 | the destination wants nothing more: `Disabled` |
//! | other 4xx, and 3xx: redirects are never followed | permanent |
//!
//! - Once a destination has answered 2xx the envelope counts as delivered, also if the rest of the answer is missing.
//! - `timeout` is the time of one attempt, from the connection to the end of the answer. Waiting for a connection of
//!   the pool comes before it and has a limit of its own.
//! - What is longer than `max_bytes`, 1 MiB unless the options say otherwise, is a permanent error, and nothing is sent.
//! - TLS certificates are always verified; there is no switch for it. Roots beside those of the system are options of
//!   the [`HttpPool`].
//! - An error names the destination without user information, query and fragment, and no header ever.
//! - A control character in a URL, header or method is a [`Problem`](crate::model::Problem); in what comes from an
//!   envelope it is a permanent error. Nothing is sent then.
//!
//! # Address guard
//! Where URLs come from strangers, a guard keeps requests away from the inside of the network: see [`guard`]. It is on
//! for webhooks and off for [`Http`] unless an option says otherwise.
//!
//! ```
//! use dispatch_adapters::http::{CloudEventsMode, Http, HttpOptions};
//! use dispatch_adapters::model::Adapter;
//!
//! let options = HttpOptions::new("https://crm.example.com/events?key=1")
//!     .with_mode(CloudEventsMode::Binary)
//!     .with_header("x-tenant", "7");
//! let http = Http::new(options);
//! assert!(http.validate().is_ok());
//! assert_eq!(&*http.labels().destination, "https://crm.example.com/events");
//!
//! let problems = Http::new(HttpOptions::new("ftp://x").with_header("a", "b\r\nc: d")).validate().unwrap_err();
//! assert_eq!(problems.len(), 2);
//! ```

mod adapter;
mod answer;
mod error;
mod exchange;
pub mod guard;
mod headers;
mod health;
mod message;
mod options;
mod pool;
mod retry_after;
mod shown;
mod target;

pub use adapter::Http;
pub use error::HttpError;
pub use guard::{AddressGuard, GuardRefusal, Resolver, SystemResolver};
pub use options::{CloudEventsMode, Compression, HttpOptions};
pub use pool::{HttpPool, PoolOptions, ProxyUse};

#[cfg(feature = "webhook")]
pub(crate) use {
    exchange::exchange, headers::insert, headers::is_free, health::Record, message::Message,
    shown::headers as shown_headers, shown::urls as shown_urls, target::Target,
};
