//! What the adapters of several brokers have in common.
//!
//! - [`ServerUrl`]: where a server is. It may hold a password, and nothing shows it.
//! - [`Form`]: how an envelope is written as a message.
//! - [`Template`]: how a subject, a channel or a routing key is made from an envelope.
//!
//! The rest is not public: a connection that is made when it is needed and made anew after it broke, and the signs
//! of life that health is answered with.

#![cfg_attr(
    not(all(
        feature = "amqp",
        feature = "kafka",
        feature = "nats",
        feature = "postgres",
        feature = "redis"
    )),
    allow(dead_code, unused_imports, reason = "each of these is for some of the features")
)]

mod checks;
mod form;
mod limits;
mod link;
mod server;
mod template;
mod vitals;

pub use form::Form;
pub use server::ServerUrl;
pub use template::{Template, TemplateError};

pub(crate) use checks::Checks;
pub(crate) use form::encode;
pub(crate) use limits::{Deadline, check_size};
pub(crate) use link::Link;
pub(crate) use server::referred;
pub(crate) use vitals::Vitals;
