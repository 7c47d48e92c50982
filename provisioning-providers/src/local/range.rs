//! A range of IPv4 addresses, as private networks are given one.
//!
//! Text becomes a range once, where it enters; that two ranges meet is asked here, whose they are is not known here.

use std::fmt;
use std::net::Ipv4Addr;

use provisioning_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The shortest prefix a range may have, in bits; shorter ones are more than all private addresses.
const SHORTEST: u8 = 8;
/// The longest prefix a range may have, in bits; longer ones have no room for a gateway and a host.
const LONGEST: u8 = 30;

/// A network address with its prefix length, written `10.0.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Ipv4Range {
    network: Ipv4Addr,
    prefix: u8,
}

impl Ipv4Range {
    /// The addresses that a machine has for itself.
    pub(crate) const LOOPBACK: Self = Self { network: Ipv4Addr::new(127, 0, 0, 0), prefix: 8 };

    /// Reads the written form.
    ///
    /// # Errors
    /// `Invalid` for anything but the address of a network, a slash, and a prefix length of 8 to 30.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let Some((address, prefix)) = text.split_once('/') else {
            return Err(Error::invalid(format!("`{text}` has no prefix length"))
                .with_hint("write an address and a prefix length, such as `10.0.0.0/24`"));
        };
        let address: Ipv4Addr = address.parse().map_err(|error| {
            Error::invalid(format!("`{text}` does not begin with an IPv4 address"))
                .with_hint("write an address and a prefix length, such as `10.0.0.0/24`")
                .with_source(error)
        })?;
        let prefix = prefix.parse().ok().filter(|prefix| (SHORTEST..=LONGEST).contains(prefix)).ok_or_else(|| {
            Error::invalid(format!("the prefix length of `{text}` is not a number from {SHORTEST} to {LONGEST}"))
        })?;
        let range = Self::around(address, prefix);
        if range.network != address {
            return Err(Error::invalid(format!("`{text}` is an address inside a range, not a range"))
                .with_hint(format!("the range around it is `{range}`")));
        }
        Ok(range)
    }

    /// The range that an address with its prefix length takes up; `None` where the prefix is shorter than a range's.
    ///
    /// What is smaller than the smallest range takes up the whole of it.
    pub(crate) fn occupied_by(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        (prefix >= SHORTEST).then(|| Self::around(address, prefix.min(LONGEST)))
    }

    /// The first address, which names the range.
    pub(crate) fn network(self) -> Ipv4Addr {
        self.network
    }

    /// The number of leading bits that all addresses have in common.
    pub(crate) fn prefix(self) -> u8 {
        self.prefix
    }

    /// The leading bits, set.
    pub(crate) fn mask(self) -> Ipv4Addr {
        mask(self.prefix).into()
    }

    /// The first address that can be used, which is the bridge's own.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        (self.network.to_bits() + 1).into()
    }

    /// The addresses for hosts: what can be used after the gateway, in order.
    pub(crate) fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let broadcast = self.network.to_bits() | !mask(self.prefix);
        (self.network.to_bits() + 2..broadcast).map(Ipv4Addr::from)
    }

    /// How many ranges with a longer prefix are in it.
    pub(crate) fn parts(self, prefix: u8) -> u32 {
        1 << prefix.saturating_sub(self.prefix)
    }

    /// One of the ranges with a longer prefix that are in it.
    pub(crate) fn part(self, prefix: u8, number: u32) -> Self {
        let prefix = prefix.max(self.prefix);
        let place = (number % self.parts(prefix)) << (u32::BITS - u32::from(prefix));
        Self::around((self.network.to_bits() + place).into(), prefix)
    }

    /// Whether an address lies inside.
    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network.to_bits()
    }

    /// Whether two ranges have an address in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// Both the caller's prefix and this file's limits hold.
    fn around(address: Ipv4Addr, prefix: u8) -> Self {
        Self { network: (address.to_bits() & mask(prefix)).into(), prefix }
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX << (32 - u32::from(prefix))
}

impl fmt::Display for Ipv4Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl TryFrom<String> for Ipv4Range {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Ipv4Range> for String {
    fn from(range: Ipv4Range) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use provisioning_core::error::ErrorKind;

    use super::*;

    fn range(text: &str) -> Ipv4Range {
        Ipv4Range::parse(text).unwrap()
    }

    #[test]
    fn a_range_is_written_as_it_was_read() {
        for text in ["10.0.0.0/8", "10.1.2.0/24", "192.168.4.252/30"] {
            assert_eq!(range(text).to_string(), text);
            assert_eq!(serde_json::to_string(&range(text)).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Ipv4Range>(&format!("\"{text}\"")).unwrap(), range(text));
        }
    }

    #[test]
    fn what_is_no_range_is_invalid_and_says_why() {
        let cases = [
            ("10.0.0.0", "`10.0.0.0` has no prefix length"),
            ("10.0.0/24", "`10.0.0/24` does not begin with an IPv4 address"),
            ("::/24", "`::/24` does not begin with an IPv4 address"),
            ("10.0.0.0/31", "the prefix length of `10.0.0.0/31` is not a number from 8 to 30"),
            ("0.0.0.0/7", "the prefix length of `0.0.0.0/7` is not a number from 8 to 30"),
            ("10.0.0.0/x", "the prefix length of `10.0.0.0/x` is not a number from 8 to 30"),
            ("10.0.0.0/256", "the prefix length of `10.0.0.0/256` is not a number from 8 to 30"),
        ];
        for (text, message) in cases {
            let error = Ipv4Range::parse(text).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, message));
        }
    }

    #[test]
    fn an_address_inside_a_range_is_answered_with_the_range() {
        let error = Ipv4Range::parse("10.0.3.7/22").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.hint(), Some("the range around it is `10.0.0.0/22`"));
    }

    #[test]
    fn the_gateway_comes_first_and_hosts_follow_up_to_the_broadcast_address() {
        let small = range("10.0.0.248/29");
        assert_eq!((small.network(), small.prefix()), (Ipv4Addr::new(10, 0, 0, 248), 29));
        assert_eq!(small.mask(), Ipv4Addr::new(255, 255, 255, 248));
        assert_eq!(small.gateway(), Ipv4Addr::new(10, 0, 0, 249));
        let hosts: Vec<_> = small.hosts().map(|host| host.octets()[3]).collect();
        assert_eq!(hosts, [250, 251, 252, 253, 254]);
        assert_eq!(range("10.0.0.0/30").hosts().count(), 1);
        assert_eq!(range("255.255.255.252/30").hosts().collect::<Vec<_>>(), [Ipv4Addr::new(255, 255, 255, 254)]);
    }

    #[test]
    fn ranges_overlap_when_one_lies_in_the_other() {
        let wide = range("10.0.0.0/16");
        assert!(wide.overlaps(range("10.0.9.0/24")) && range("10.0.9.0/24").overlaps(wide));
        assert!(wide.overlaps(wide));
        assert!(!wide.overlaps(range("10.1.0.0/24")) && !range("10.1.0.0/24").overlaps(wide));
        assert!(wide.contains(Ipv4Addr::new(10, 0, 255, 255)) && !wide.contains(Ipv4Addr::new(10, 1, 0, 0)));
    }

    #[test]
    fn a_single_address_takes_up_the_smallest_range_and_half_the_internet_none() {
        let occupied = |prefix| Ipv4Range::occupied_by(Ipv4Addr::new(10, 0, 0, 7), prefix);
        assert_eq!(occupied(32), Some(range("10.0.0.4/30")));
        assert_eq!(occupied(24), Some(range("10.0.0.0/24")));
        assert_eq!(occupied(1), None);
    }
}
