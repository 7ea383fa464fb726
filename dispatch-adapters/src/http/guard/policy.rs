use std::net::IpAddr;

use dispatch_core::delivery::{Cidr, not_public};
use serde::{Deserialize, Serialize};

/// Which addresses may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressGuard {
    /// Whether it looks at addresses at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Ranges that may be asked although they are not public.
    #[serde(default)]
    pub allow: Vec<Cidr>,
}

fn yes() -> bool {
    true
}

/// The guard did not let a request through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardRefusal {
    /// The URL holds an address that is not public.
    #[error("{address} is not a public address ({class}): use another, or add its range to pool.guard.allow")]
    Address {
        /// The address.
        address: IpAddr,
        /// What it is.
        class: &'static str,
    },
    /// The name has no address that is public.
    #[error(
        "'{host}' leads to {address}, which is not a public address ({class}): use another, or add its range to pool.guard.allow"
    )]
    Name {
        /// The name.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
        /// What that is.
        class: &'static str,
    },
}

impl AddressGuard {
    /// Lets public addresses through.
    #[must_use]
    pub const fn on() -> Self {
        Self { enabled: true, allow: Vec::new() }
    }

    /// Lets everything through.
    #[must_use]
    pub const fn off() -> Self {
        Self { enabled: false, allow: Vec::new() }
    }

    /// Also lets the addresses of a range through.
    #[must_use]
    pub fn allowing(mut self, range: Cidr) -> Self {
        self.allow.push(range);
        self
    }

    /// What is wrong with an address, if it must not be asked.
    fn objection(&self, address: IpAddr) -> Option<&'static str> {
        let class = not_public(address).filter(|_| self.enabled)?;
        (!self.allow.iter().any(|range| range.contains(address))).then_some(class)
    }

    /// Checks an address.
    ///
    /// # Errors
    /// [`GuardRefusal::Address`].
    pub fn check(&self, address: IpAddr) -> Result<(), GuardRefusal> {
        match self.objection(address) {
            Some(class) => Err(GuardRefusal::Address { address, class }),
            None => Ok(()),
        }
    }

    /// The addresses of a name that may be asked.
    ///
    /// # Errors
    /// [`GuardRefusal::Name`] if there are addresses and none of them may be.
    pub fn admit(&self, host: &str, mut addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, GuardRefusal> {
        let first = addresses.first().and_then(|address| Some((*address, self.objection(*address)?)));
        addresses.retain(|address| self.objection(*address).is_none());
        match first {
            Some((address, class)) if addresses.is_empty() => {
                Err(GuardRefusal::Name { host: host.to_owned(), address, class })
            }
            _ => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_what_may_be_asked_is_left_of_a_name() {
        let guard = AddressGuard::on().allowing("10.1.0.0/16".parse().unwrap());
        let mixed = addresses(&["10.0.0.1", "8.8.8.8", "10.1.0.1"]);
        assert_eq!(guard.admit("x", mixed.clone()).unwrap(), addresses(&["8.8.8.8", "10.1.0.1"]));
        assert_eq!(AddressGuard::off().admit("x", mixed.clone()).unwrap(), mixed);
        let refused = guard.admit("x", addresses(&["fd00::1", "10.0.0.1"])).unwrap_err().to_string();
        assert_eq!(
            refused,
            "'x' leads to fd00::1, which is not a public address (unique local): use another, or add its range to pool.guard.allow"
        );
        assert_eq!(guard.admit("x", Vec::new()).unwrap(), Vec::<IpAddr>::new());
    }

    #[test]
    fn an_allowed_range_does_not_open_its_mapped_form() {
        let guard = AddressGuard::on().allowing("10.0.0.0/8".parse().unwrap());
        assert!(guard.check("10.0.0.1".parse().unwrap()).is_ok());
        assert!(guard.check("::ffff:10.0.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn a_configuration_that_names_a_guard_switches_it_on() {
        let guard: AddressGuard = toml::from_str("allow = ['10.0.0.0/8']").unwrap();
        assert!(guard.enabled);
        assert!(toml::from_str::<AddressGuard>("allowed = []").is_err());
        assert!(toml::from_str::<AddressGuard>("allow = ['10.0.0.1/8']").is_err());
    }
}
