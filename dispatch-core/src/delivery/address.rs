//! Which addresses belong to the public internet: what a guard against server-side request forgery goes by.
//!
//! - Only global unicast is public, and of that nothing that is private, special, or another address in disguise.
//! - A form that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo) is never public,
//!   whatever it carries: who is meant to reach that address can write it plainly.
//! - The rules are those of the IANA special-purpose registries.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Whether an address belongs to the public internet.
///
/// ```
/// use dispatch_core::delivery::is_public;
///
/// assert!(is_public("8.8.8.8".parse()?));
/// assert!(!is_public("169.254.169.254".parse()?));
/// assert!(!is_public("::ffff:8.8.8.8".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    not_public(address).is_none()
}

/// Why an address does not belong to the public internet, in a word or two; `None` if it does.
#[must_use]
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            V4.iter().find(|(net, length, _)| same_start(bits, net.to_bits(), *length)).map(|rule| rule.2)
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            V6.iter()
                .find(|(net, length, _)| same_start_v6(bits, net.to_bits(), *length))
                .map(|rule| rule.2)
                .or_else(|| {
                    (!same_start_v6(bits, GLOBAL_UNICAST.to_bits(), 3)).then_some("not global unicast")
                })
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(a: u16, b: u16, c: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)
}

const V4: &[(Ipv4Addr, u8, &str)] = &[
    (v4(0, 0, 0, 0), 8, "this network"),
    (v4(10, 0, 0, 0), 8, "private"),
    (v4(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (v4(127, 0, 0, 0), 8, "loopback"),
    (v4(169, 254, 0, 0), 16, "link-local"),
    (v4(172, 16, 0, 0), 12, "private"),
    (v4(192, 0, 0, 0), 24, "reserved"),
    (v4(192, 0, 2, 0), 24, "documentation"),
    (v4(192, 88, 99, 0), 24, "6to4 relay"),
    (v4(192, 168, 0, 0), 16, "private"),
    (v4(198, 18, 0, 0), 15, "benchmark"),
    (v4(198, 51, 100, 0), 24, "documentation"),
    (v4(203, 0, 113, 0), 24, "documentation"),
    (v4(224, 0, 0, 0), 4, "multicast"),
    (v4(240, 0, 0, 0), 4, "reserved"),
];

/// All that IANA has given out for global unicast; the rest is refused as a whole.
const GLOBAL_UNICAST: Ipv6Addr = v6(0x2000, 0, 0);

const V6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "mapped IPv4"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "translated IPv4"),
    (Ipv6Addr::UNSPECIFIED, 96, "compatible IPv4"),
    (v6(0x64, 0xff9b, 0), 32, "NAT64"),
    (v6(0x100, 0, 0), 64, "discard"),
    (v6(0x2001, 0, 0), 32, "Teredo"),
    (v6(0x2001, 2, 0), 48, "benchmark"),
    (v6(0x2001, 0, 0), 23, "reserved for protocols"),
    (v6(0x2001, 0xdb8, 0), 32, "documentation"),
    (v6(0x2002, 0, 0), 16, "6to4"),
    (v6(0x3fff, 0, 0), 20, "documentation"),
    (v6(0x5f00, 0, 0), 16, "segment routing"),
    (v6(0xfc00, 0, 0), 7, "unique local"),
    (v6(0xfe80, 0, 0), 10, "link-local"),
    (v6(0xfec0, 0, 0), 10, "site-local"),
    (v6(0xff00, 0, 0), 8, "multicast"),
];

fn same_start(a: u32, b: u32, length: u8) -> bool {
    (a ^ b).checked_shr(32 - u32::from(length)).unwrap_or(0) == 0
}

fn same_start_v6(a: u128, b: u128, length: u8) -> bool {
    (a ^ b).checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
}

/// A range of addresses in CIDR notation, such as `10.1.0.0/16` or `fd00::/8`; a single address is a range of one.
///
/// It holds addresses of its own family in their own form only: `10.0.0.0/8` does not hold `::ffff:10.0.0.1`.
///
/// ```
/// use dispatch_core::delivery::Cidr;
///
/// let range: Cidr = "10.1.0.0/16".parse()?;
/// assert!(range.contains("10.1.2.3".parse()?) && !range.contains("10.2.0.0".parse()?));
/// assert!("10.1.2.3/16".parse::<Cidr>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

impl Cidr {
    /// Whether an address lies in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(net), IpAddr::V4(it)) => same_start(net.to_bits(), it.to_bits(), self.length),
            (IpAddr::V6(net), IpAddr::V6(it)) => same_start_v6(net.to_bits(), it.to_bits(), self.length),
            _ => false,
        }
    }
}

/// A text is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not a range of addresses: give its first address and a prefix length, as in 10.1.0.0/16 or fd00::/8"
)]
pub struct InvalidCidr {
    text: String,
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    /// Reads a range. Bits after the prefix must be zero: they are more likely a slip than meant.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidCidr { text: text.chars().take(60).collect() };
        let (network, length) = match text.split_once('/') {
            Some((network, length)) if length.bytes().all(|digit| digit.is_ascii_digit()) => {
                (network, Some(length.parse::<u8>().map_err(|_| invalid())?))
            }
            Some(_) => return Err(invalid()),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| invalid())?;
        let (longest, rest) = match network {
            IpAddr::V4(address) => {
                let length = u32::from(length.unwrap_or(32));
                (32, u128::from(address.to_bits().checked_shl(length).unwrap_or(0)))
            }
            IpAddr::V6(address) => {
                (128, address.to_bits().checked_shl(u32::from(length.unwrap_or(128))).unwrap_or(0))
            }
        };
        let length = length.unwrap_or(longest);
        if length > longest || rest != 0 {
            return Err(invalid());
        }
        Ok(Self { network, length })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn why(text: &str) -> Option<&'static str> {
        not_public(text.parse().unwrap())
    }

    #[test]
    fn the_public_internet_is_let_through() {
        for text in
            ["8.8.8.8", "1.1.1.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255"]
                .into_iter()
                .chain(["2606:4700:4700::1111", "2001:4860:4860::8888", "2a00::1", "2001:200::1", "3ffe::1"])
        {
            assert_eq!(why(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_public_is_called_by_name() {
        for (text, name) in [
            ("0.1.2.3", "this network"),
            ("127.0.0.2", "loopback"),
            ("100.127.255.255", "carrier-grade NAT"),
            ("192.0.0.8", "reserved"),
            ("198.19.255.255", "benchmark"),
            ("203.0.113.9", "documentation"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "compatible IPv4"),
            ("::ffff:8.8.8.8", "mapped IPv4"),
            ("::ffff:0:127.0.0.1", "translated IPv4"),
            ("64:ff9b::a00:1", "NAT64"),
            ("64:ff9b:1::a00:1", "NAT64"),
            ("2001:0:1::", "Teredo"),
            ("2001:2::1", "benchmark"),
            ("2001:20::1", "reserved for protocols"),
            ("2001:db8::1", "documentation"),
            ("3fff:fff::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("fd00::1", "unique local"),
            ("fec0::1", "site-local"),
            ("febf::1", "link-local"),
            ("4000::1", "not global unicast"),
            ("8000::1", "not global unicast"),
        ] {
            assert_eq!(why(text), Some(name), "{text}");
        }
    }

    #[test]
    fn a_range_must_be_written_as_one() {
        for text in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10/8",
            "::/129",
            "fd00::1/8",
            "10.0.0.0/+8",
            "x/8",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        for text in ["0.0.0.0/0", "10.0.0.1/32", "::/0", "fd00::/8", "::1/128"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        assert_eq!("::1".parse::<Cidr>().unwrap().to_string(), "::1/128");
    }

    proptest! {
        #[test]
        fn a_form_that_carries_an_ipv4_address_is_never_public(bits: u32) {
            let carried = Ipv4Addr::from_bits(bits);
            let low = u128::from(bits);
            for address in [
                carried.to_ipv6_mapped().to_bits(),
                low,
                0xffff_0000_0000_0000 | low,
                0x0064_ff9b_0000_0000_0000_0000_0000_0000 | low,
                0x2002_0000_0000_0000_0000_0000_0000_0000 | low << 80,
                0x2001_0000_0000_0000_0000_0000_0000_0000 | low,
            ] {
                prop_assert!(!is_public(Ipv6Addr::from_bits(address).into()));
            }
        }

        #[test]
        fn a_range_holds_what_starts_like_it(bits: u32, other: u32, length in 0_u8..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let network = Ipv4Addr::from_bits(bits & mask);
            let range: Cidr = format!("{network}/{length}").parse().unwrap();
            prop_assert!(range.contains(Ipv4Addr::from_bits(bits).into()));
            prop_assert_eq!(range.contains(Ipv4Addr::from_bits(other).into()), other & mask == bits & mask);
            prop_assert!(!range.contains(Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()));
        }
    }
}
