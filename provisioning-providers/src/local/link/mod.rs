//! Interfaces, addresses, routes and masquerading, asked of the kernel without any program in between.
//!
//! Only this folder knows netlink: `socket.rs` asks, `error.rs` maps refusals, `bridge.rs` and `veth.rs` are what private
//! networks are made of, `nat.rs` lets them out, in the words of `nftables.rs`. Which network goes by which name, and what
//! its hosts do, is decided elsewhere. Every call blocks: making takes less than a millisecond, removing up to some tens of
//! them. A handle may be opened on one thread and used on another.

mod bridge;
mod error;
mod nat;
mod nftables;
mod socket;
mod veth;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_sys::protocols::NETLINK_ROUTE;
use provisioning_core::error::{Error, Result};
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{AddressMessageBuilder, LinkUnspec, RouteMessageBuilder};
use rustix::io::Errno;

use super::range::Ipv4Range;
use error::{Refusal, about};
use socket::Socket;

pub(crate) use nat::{allow_forwarding, delete_nat, forward_where_wanted, has_nat, put_nat};
pub(crate) use veth::VethSpec;

/// The longest name of an interface, in bytes: `IFNAMSIZ` of linux/if.h without the closing zero.
const MAX_NAME: usize = 15;

/// The interfaces of one network namespace.
#[derive(Debug)]
pub(crate) struct Links {
    socket: Socket,
}

impl Links {
    /// Opens the network namespace that the calling thread is in; the result stays with it wherever the thread goes.
    pub(crate) fn open() -> Result<Self> {
        let socket = Socket::open(NETLINK_ROUTE).map_err(about("netlink"))?;
        Ok(Self { socket })
    }

    /// The ranges that addresses and routes take up here, those of every interface and table.
    ///
    /// The default route takes up nothing, nor does one that stands for a part of it by a prefix shorter than a range's.
    pub(crate) fn ranges_in_use(&mut self) -> Result<Vec<Ipv4Range>> {
        let mut ranges = BTreeSet::new();
        for message in self.addresses().map_err(about("addresses"))? {
            ranges
                .extend(addresses_of(&message).filter_map(|address| Ipv4Range::occupied_by(address, message.header.prefix_len)));
        }
        let every = RouteNetlinkMessage::GetRoute(RouteMessageBuilder::<Ipv4Addr>::new().build());
        for answer in self.socket.list(&every).map_err(about("routes"))? {
            let RouteNetlinkMessage::NewRoute(route) = answer else { continue };
            ranges.extend(route.attributes.iter().filter_map(|attribute| match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                    Ipv4Range::occupied_by(*address, route.header.destination_prefix_length)
                }
                _ => None,
            }));
        }
        Ok(ranges.into_iter().collect())
    }

    /// What is known of the interface with a name.
    fn find(&mut self, name: &str) -> Result<Option<LinkMessage>> {
        check_name(name)?;
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        match self.socket.request(RouteNetlinkMessage::GetLink(message), 0) {
            Ok(answers) => Ok(answers.into_iter().find_map(into_link)),
            Err(refusal) if refusal.errno == Errno::NODEV => Ok(None),
            Err(refusal) => Err(about(name)(refusal)),
        }
    }

    /// Removes an interface by its number, which no other ever gets while this one is there; gone is a success.
    fn remove(&mut self, index: u32) -> Result<(), Refusal> {
        let message = LinkUnspec::new_with_index(index).build();
        match self.socket.request(RouteNetlinkMessage::DelLink(message), 0) {
            Err(refusal) if refusal.errno == Errno::NODEV => Ok(()),
            other => other.map(drop),
        }
    }

    fn set(&mut self, message: LinkMessage) -> Result<(), Refusal> {
        self.socket.request(RouteNetlinkMessage::SetLink(message), 0).map(drop)
    }

    /// Gives an interface an address; one that it has already is a success.
    fn put_address(&mut self, index: u32, address: Ipv4Addr, range: Ipv4Range) -> Result<(), Refusal> {
        let message = AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, range.prefix()).build();
        self.socket.request(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE).map(drop)
    }

    fn addresses(&mut self) -> Result<Vec<AddressMessage>, Refusal> {
        let mut every = AddressMessage::default();
        every.header.family = AddressFamily::Inet;
        let answers = self.socket.list(&RouteNetlinkMessage::GetAddress(every))?;
        let addresses = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => Some(message),
            _ => None,
        });
        Ok(addresses.collect())
    }
}

/// Refuses a name that no interface can have.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME {
        let message = format!("`{name}` has {} bytes, and the name of an interface has 1 to {MAX_NAME}", name.len());
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn into_link(answer: RouteNetlinkMessage) -> Option<LinkMessage> {
    match answer {
        RouteNetlinkMessage::NewLink(link) => Some(link),
        _ => None,
    }
}

/// Whether an interface is of a kind.
fn is_a(link: &LinkMessage, kind: &InfoKind) -> bool {
    let mut infos = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    infos.any(|infos| infos.iter().any(|info| matches!(info, LinkInfo::Kind(found) if found == kind)))
}

/// The address itself, and the other end's where there is one.
fn addresses_of(message: &AddressMessage) -> impl Iterator<Item = Ipv4Addr> {
    message.attributes.iter().filter_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) | AddressAttribute::Address(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })
}
