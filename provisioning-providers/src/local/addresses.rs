//! Giving out ranges to networks and addresses to servers: pure choices over what is in use already.
//!
//! A choice begins at a place that depends on the token, so that workspaces which know nothing of each other seldom
//! choose the same; it is made under the site's lock.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use provisioning_core::error::{Error, ErrorKind, Result};

use super::machine;
use super::network::{Form, Record};
use super::range::Ipv4Range;
use super::site::Site;

/// The prefix of a range that the user does not give.
const PREFIX: u8 = 24;

/// Where ranges are taken from.
#[derive(Debug, Clone)]
pub(super) struct Pools {
    pub(super) bridge: Ipv4Range,
    pub(super) loopback: Ipv4Range,
}

/// The range of a new network: the wanted one, or one that overlaps with none in use.
pub(super) fn choose(pools: &Pools, form: Form, token: &str, wanted: Option<Ipv4Range>, used: &[Ipv4Range]) -> Result<Ipv4Range> {
    let free = |range: &Ipv4Range| !used.iter().any(|used| used.overlaps(*range));
    if let Some(range) = wanted {
        if (form == Form::Loopback) != Ipv4Range::LOOPBACK.overlaps(range) {
            return Err(unfit(form, range));
        }
        return if free(&range) { Ok(range) } else { Err(taken(range)) };
    }
    let pool = if form == Form::Bridge { pools.bridge } else { pools.loopback };
    parts_from(pool, token).find(free).ok_or_else(|| full(pool).with_hint("give the network a `cidr`"))
}

/// The address of a server in a network: the wanted one, or the lowest that no other server has.
pub(super) fn assign(range: Ipv4Range, wanted: Option<Ipv4Addr>, used: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr> {
    let Some(address) = wanted else {
        let free = range.hosts().find(|address| !used.contains(address));
        return free.ok_or_else(|| full(range).with_hint("give the network a larger `cidr`"));
    };
    if used.contains(&address) {
        return Err(owned(address));
    }
    if range.hosts().any(|host| host == address) {
        return Ok(address);
    }
    let first = range.hosts().next().unwrap_or(address);
    Err(Error::invalid(format!("`{address}` is not an address for servers in `{range}`"))
        .with_hint(format!("the first of them is `{first}`")))
}

/// The address of a server that is on no network: the wanted one, or one that no other server has.
pub(super) fn alone(pools: &Pools, token: &str, wanted: Option<Ipv4Addr>, used: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr> {
    if let Some(address) = wanted {
        return match address {
            _ if used.contains(&address) => Err(owned(address)),
            _ if address.is_loopback() => Ok(address),
            _ => Err(Error::invalid(format!("`{address}` is no loopback address, and this server is on no network"))
                .with_hint("take it from `127.0.0.0/8`, or put the server on a `network`")),
        };
    }
    let free = parts_from(pools.loopback, token).find_map(|range| range.hosts().find(|address| !used.contains(address)));
    free.ok_or_else(|| full(pools.loopback))
}

/// The networks of a site, by identity.
pub(super) fn networks(site: &Site) -> Result<Vec<(String, Record)>> {
    let folder = site.networks();
    let mut found = Vec::new();
    for name in machine::names(&folder)? {
        if let (Some(id), Some(record)) = (name.strip_suffix(".json"), machine::read(&folder.join(&name))?) {
            found.push((id.to_owned(), record));
        }
    }
    Ok(found)
}

/// The ranges that a pool divides into, from one that depends on the token.
fn parts_from(pool: Ipv4Range, token: &str) -> impl Iterator<Item = Ipv4Range> {
    let count = pool.parts(PREFIX);
    let start = u32::from_str_radix(token.get(..8).unwrap_or(token), 16).unwrap_or_default() % count;
    (0..count).map(move |step| pool.part(PREFIX, (start + step) % count))
}

fn owned(address: Ipv4Addr) -> Error {
    Error::new(ErrorKind::Conflict, format!("the address `{address}` belongs to another server"))
        .with_hint("give one of them another `address`, or leave it out for one that is free")
}

fn full(range: Ipv4Range) -> Error {
    Error::new(ErrorKind::Limited, format!("everything in `{range}` is in use"))
}

fn unfit(form: Form, range: Ipv4Range) -> Error {
    match form {
        Form::Loopback => {
            let message = format!("`{range}` cannot be had here: this network is made of loopback addresses");
            Error::new(ErrorKind::Unsupported, message)
                .with_hint("leave `cidr` out, take it from `127.0.0.0/8`, or run as root for a bridge")
        }
        Form::Bridge => Error::invalid(format!("`{range}` is a range of loopback addresses, and this network is a bridge"))
            .with_hint("leave `cidr` out, take it from a private range such as `10.0.0.0/8`, or set `mode = \"loopback\"`"),
    }
}

fn taken(range: Ipv4Range) -> Error {
    Error::new(ErrorKind::Conflict, format!("`{range}` overlaps with addresses that are in use on this machine"))
        .with_hint("leave `cidr` out for a range that nobody uses, or give another one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Ipv4Range {
        Ipv4Range::parse(text).expect("a range")
    }

    fn pools() -> Pools {
        Pools { bridge: range("10.192.0.0/10"), loopback: range("127.64.0.0/10") }
    }

    #[test]
    fn a_range_is_chosen_beside_those_in_use() {
        let choose = |used: &[&str]| {
            let used: Vec<_> = used.iter().map(|text| range(text)).collect();
            choose(&pools(), Form::Bridge, "00000001ffff", None, &used).expect("one is free").to_string()
        };
        assert_eq!(choose(&[]), "10.192.1.0/24");
        assert_eq!(choose(&["10.192.1.128/25", "10.192.2.0/24"]), "10.192.3.0/24");
    }

    #[test]
    fn a_wanted_range_has_to_fit_and_to_be_free() {
        let choose = |form, text, used: &[Ipv4Range]| {
            choose(&pools(), form, "00", Some(range(text)), used)
                .map(|range| range.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(choose(Form::Bridge, "10.5.0.0/24", &[]), Ok("10.5.0.0/24".into()));
        let overlap = "`10.5.0.0/24` overlaps with addresses that are in use on this machine";
        assert_eq!(choose(Form::Bridge, "10.5.0.0/24", &[range("10.5.0.0/16")]), Err(overlap.into()));
        let bridge = "`127.1.0.0/24` is a range of loopback addresses, and this network is a bridge";
        assert_eq!(choose(Form::Bridge, "127.1.0.0/24", &[]), Err(bridge.into()));
        let loopback = "`10.5.0.0/24` cannot be had here: this network is made of loopback addresses";
        assert_eq!(choose(Form::Loopback, "10.5.0.0/24", &[]), Err(loopback.into()));
    }

    #[test]
    fn servers_get_the_lowest_free_address_or_the_one_they_want() {
        let used: BTreeSet<Ipv4Addr> = [Ipv4Addr::new(10, 5, 0, 2)].into();
        let assign = |wanted: Option<[u8; 4]>| {
            let address = assign(range("10.5.0.0/29"), wanted.map(Into::into), &used);
            address.map(|address| address.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(assign(None), Ok("10.5.0.3".into()));
        assert_eq!(assign(Some([10, 5, 0, 6])), Ok("10.5.0.6".into()));
        assert_eq!(assign(Some([10, 5, 0, 2])), Err("the address `10.5.0.2` belongs to another server".into()));
        assert_eq!(assign(Some([10, 5, 0, 1])), Err("`10.5.0.1` is not an address for servers in `10.5.0.0/29`".into()));
    }

    #[test]
    fn a_server_on_no_network_has_a_loopback_address_that_no_other_has() {
        let used: BTreeSet<Ipv4Addr> = [Ipv4Addr::new(127, 5, 0, 2)].into();
        let alone = |wanted: Option<[u8; 4]>| {
            let address = alone(&pools(), "00000001ffff", wanted.map(Into::into), &used);
            address.map(|address| address.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(alone(None), Ok("127.64.1.2".into()));
        assert_eq!(alone(Some([127, 5, 0, 3])), Ok("127.5.0.3".into()));
        assert_eq!(alone(Some([127, 5, 0, 2])), Err("the address `127.5.0.2` belongs to another server".into()));
        assert_eq!(alone(Some([8, 8, 8, 8])), Err("`8.8.8.8` is no loopback address, and this server is on no network".into()));
    }
}
