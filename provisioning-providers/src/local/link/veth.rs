//! Veth pairs: the cable from a bridge into the network namespace of a host.
//!
//! The pair is made from the bridge's side, with its other end already inside, so that it is there whole or not at all. The
//! addresses inside are set from inside.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use provisioning_core::error::{Error, ErrorKind, Result};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::error::about;
use super::{Ipv4Range, Links, check_name, is_a};

/// How a hardware address of ours begins: locally administered, and with no vendor's number.
const MAC_PREFIX: [u8; 2] = [0x02, 0x00];
/// The interface that a namespace reaches itself by.
const LOOPBACK: &str = "lo";

/// A veth pair to be.
#[derive(Debug, Clone)]
pub(crate) struct VethSpec {
    /// The end on the bridge.
    pub(crate) host_name: String,
    pub(crate) bridge: String,
    /// The end in the host's network namespace.
    pub(crate) inner_name: String,
    /// The address of the inner end.
    pub(crate) address: Ipv4Addr,
    /// The range that the bridge has.
    pub(crate) range: Ipv4Range,
}

/// The hardware address that goes with an address.
///
/// It is fixed, because neighbours keep it: a host that came back with another would not be reached for seconds.
pub(crate) fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [MAC_PREFIX[0], MAC_PREFIX[1], a, b, c, d]
}

/// Whether a hardware address is one that goes with an address.
pub(super) fn has_our_mac(mac: &[u8]) -> bool {
    mac.starts_with(&MAC_PREFIX)
}

impl Links {
    /// Makes a veth pair from a bridge of this namespace into another namespace, in place of one that a predecessor left.
    ///
    /// # Errors
    /// `NotFound` without the bridge, `Conflict` when an interface of another kind has the name.
    pub(crate) fn attach(&mut self, spec: &VethSpec, inner_namespace: BorrowedFd<'_>) -> Result<()> {
        check_name(&spec.inner_name)?;
        if !spec.range.contains(spec.address) {
            return Err(Error::invalid(format!("the address `{}` is not in the range `{}`", spec.address, spec.range)));
        }
        self.detach(&spec.host_name)?;
        let bridge = self.find_bridge(&spec.bridge)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the bridge `{}` for `{}` does not exist", spec.bridge, spec.host_name))
        })?;
        let inner = LinkMessageBuilder::<LinkUnspec>::new()
            .name(&spec.inner_name)
            .address(mac_of(spec.address).to_vec())
            .setns_by_fd(inner_namespace.as_raw_fd())
            .build();
        let pair = LinkVeth::new(&spec.host_name, &spec.inner_name)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(inner)))
            .controller(bridge.index())
            .up()
            .build();
        let made = self.socket.request(RouteNetlinkMessage::NewLink(pair), NLM_F_CREATE | NLM_F_EXCL);
        made.map(drop).map_err(about(&spec.host_name))
    }

    /// Removes a veth pair by its end in this namespace; gone is a success.
    ///
    /// # Errors
    /// `Conflict` when the interface is no veth pair's.
    pub(crate) fn detach(&mut self, host_name: &str) -> Result<()> {
        let Some(link) = self.find(host_name)? else { return Ok(()) };
        if !is_a(&link, &InfoKind::Veth) {
            return Err(Error::new(ErrorKind::Conflict, format!("the interface `{host_name}` is not a veth pair's")));
        }
        self.remove(link.header.index).map_err(about(host_name))
    }

    /// Whether a veth pair is there and plugged into a bridge.
    pub(crate) fn is_attached(&mut self, host_name: &str, bridge: &str) -> Result<bool> {
        let (Some(port), Some(bridge)) = (self.find(host_name)?, self.find_bridge(bridge)?) else { return Ok(false) };
        Ok(port.attributes.contains(&LinkAttribute::Controller(bridge.index())))
    }

    /// Configures the inner end, from a handle that was opened in its namespace; what is configured already stays.
    ///
    /// Without a gateway there is no way out of the range.
    ///
    /// # Errors
    /// `NotFound` when no pair was attached.
    pub(crate) fn configure_inside(&mut self, spec: &VethSpec, gateway: Option<Ipv4Addr>) -> Result<()> {
        let name = spec.inner_name.as_str();
        let inner = self.find(name)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the interface `{name}` does not exist in this network namespace"))
        })?;
        let index = inner.header.index;
        self.set(LinkUnspec::new_with_name(LOOPBACK).up().build()).map_err(about(LOOPBACK))?;
        self.put_address(index, spec.address, spec.range).map_err(about(name))?;
        self.set(LinkUnspec::new_with_index(index).up().build()).map_err(about(name))?;
        let Some(gateway) = gateway else { return Ok(()) };
        let route = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index).gateway(gateway).build();
        let routed = self.socket.request(RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE | NLM_F_REPLACE);
        routed.map(drop).map_err(about(name))
    }
}
