//! Bridges: the wire of a private network, with the machine's own address on it.
//!
//! A bridge says by its alias whose it is. The kernel takes no alias with a new interface, so that a bridge is known by the form
//! of its hardware address from the moment it is there until it has its alias.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use provisioning_core::error::{Error, ErrorKind, Result};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec};
use rustix::io::Errno;

use super::error::about;
use super::veth::{has_our_mac, mac_of};
use super::{Ipv4Range, Links, addresses_of, check_name, is_a};

/// A bridge as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BridgeState {
    pub(crate) name: String,
    /// Whose it is; empty while it is being made.
    pub(crate) alias: String,
    /// The range around its address, where it has one.
    pub(crate) range: Option<Ipv4Range>,
    pub(crate) up: bool,
    index: u32,
    begun_by_us: bool,
}

impl BridgeState {
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    fn check_owner(&self, alias: &str) -> Result<()> {
        if self.alias == alias || self.alias.is_empty() && self.begun_by_us {
            return Ok(());
        }
        Err(taken(&self.name))
    }

    fn check_range(&self, range: Ipv4Range) -> Result<()> {
        match self.range {
            Some(found) if found != range => {
                Err(Error::new(ErrorKind::Conflict, format!("the bridge `{}` has the range `{found}`, not `{range}`", self.name)))
            }
            _ => Ok(()),
        }
    }
}

impl Links {
    /// The bridge with a name; an interface of another kind is none.
    pub(crate) fn find_bridge(&mut self, name: &str) -> Result<Option<BridgeState>> {
        let Some(link) = self.find(name)?.filter(|link| is_a(link, &InfoKind::Bridge)) else { return Ok(None) };
        let addresses = self.addresses().map_err(about(name))?;
        Ok(Some(state(&link, &addresses)))
    }

    /// Makes a bridge with the gateway's address, or completes the one that an earlier call with the same alias began.
    ///
    /// # Errors
    /// `Conflict` when an interface of that name is somebody else's, or has another range.
    pub(crate) fn create_bridge(&mut self, name: &str, alias: &str, range: Ipv4Range) -> Result<()> {
        check_name(name)?;
        let mac = mac_of(range.gateway()).to_vec();
        let message = LinkMessageBuilder::<LinkBridge>::new(name).address(mac).build();
        match self.socket.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL) {
            Err(refusal) if refusal.errno != Errno::EXIST => return Err(about(name)(refusal)),
            _ => {}
        }
        let bridge = self.find_bridge(name)?.ok_or_else(|| taken(name))?;
        bridge.check_owner(alias)?;
        bridge.check_range(range)?;
        self.set(LinkUnspec::new_with_index(bridge.index).alias(alias).build()).map_err(about(name))?;
        self.put_address(bridge.index, range.gateway(), range).map_err(about(name))?;
        self.set(LinkUnspec::new_with_index(bridge.index).up().build()).map_err(about(name))
    }

    /// Removes a bridge; gone is a success.
    ///
    /// # Errors
    /// `Conflict` when the bridge is somebody else's.
    pub(crate) fn delete_bridge(&mut self, name: &str, alias: &str) -> Result<()> {
        let Some(bridge) = self.find_bridge(name)? else { return Ok(()) };
        bridge.check_owner(alias)?;
        self.remove(bridge.index).map_err(about(name))
    }
}

fn taken(name: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the interface `{name}` was not made by this resource"))
        .with_hint("remove it, or give the network another name")
}

fn state(link: &LinkMessage, addresses: &[AddressMessage]) -> BridgeState {
    let index = link.header.index;
    let own = addresses.iter().filter(|message| message.header.index == index);
    let mut ranges = own.filter_map(|message| Ipv4Range::occupied_by(addresses_of(message).next()?, message.header.prefix_len));
    let mut bridge = BridgeState {
        name: String::new(),
        alias: String::new(),
        range: ranges.next(),
        up: link.header.flags.contains(LinkFlags::Up),
        index,
        begun_by_us: false,
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => bridge.name.clone_from(name),
            LinkAttribute::IfAlias(alias) => bridge.alias.clone_from(alias),
            LinkAttribute::Address(mac) => bridge.begun_by_us = has_our_mac(mac),
            _ => {}
        }
    }
    bridge
}
