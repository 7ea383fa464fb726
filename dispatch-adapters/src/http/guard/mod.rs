//! The guard against server-side request forgery: it keeps requests away from addresses that are not public.
//!
//! A URL that a stranger gave may name a machine inside the network, or a name that points there. The guard refuses
//! what [`is_public`](crate::model::delivery::is_public) refuses, unless a range of an allow-list holds it.
//!
//! - It sits in the resolver that the connector uses: the addresses that were checked are the ones that are connected
//!   to. A name cannot mean one thing when it is checked and another when it is connected to.
//! - An address written in the URL is checked when the options are, in every spelling: `127.1`, `0x7f000001`,
//!   `2130706433` and `0177.0.0.1` are `127.0.0.1`.
//! - Of a name with several addresses only those that may be asked are.
//! - With the guard on, no proxy is used: a proxy would resolve the name itself. Redirects are never followed.

mod policy;
mod resolver;

pub use policy::{AddressGuard, GuardRefusal};
pub(super) use resolver::Guarded;
pub use resolver::{Resolver, SystemResolver};
