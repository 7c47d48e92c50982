//! The way out of a private network: masquerading and forwarding.
//!
//! Each network has a table of its own, which comes and goes as a whole, so that no other rule is ever touched. All of it
//! happens in the network namespace of the calling thread.

use std::fs;
use std::io;
use std::path::Path;

use netlink_sys::protocols::NETLINK_NETFILTER;
use provisioning_core::error::Result;
use rustix::io::Errno;

use super::super::error::at;
use super::error::{about, unsupported};
use super::nftables::{
    Message, delete_table, leaves_by_other_than, masquerade, new_rule, new_source_nat_chain, new_table, source_is,
    table as get_table, transaction,
};
use super::socket::Socket;
use super::{Ipv4Range, check_name};

/// The one chain of a network's table.
const CHAIN: &str = "postrouting";
/// Whether this machine passes packets on.
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
/// Where the settings of each interface are.
const INTERFACES: &str = "/proc/sys/net/ipv4/conf";

/// Lets a range out under the machine's own addresses, by everything but its own bridge.
///
/// The table is put in place at once and replaces one of the same name. The kernel passes packets on unless somebody says
/// otherwise, so that this is enough on a machine without a firewall; where one drops what it does not know (Docker's
/// and firewalld's do), no rule of another table can overrule it, and its owner has to let the bridge pass.
///
/// # Errors
/// `Denied` without the right to, `Unsupported` when the kernel has no nftables or cannot masquerade.
pub(crate) fn put_nat(table: &str, range: Ipv4Range, bridge: &str) -> Result<()> {
    check_name(bridge)?;
    let mut rule = source_is(range.network().octets(), range.mask().octets());
    rule.extend(leaves_by_other_than(bridge));
    rule.push(masquerade());
    // Only a table that is there can be deleted: the first message sees to that.
    let messages = vec![
        new_table(table),
        delete_table(table),
        new_table(table),
        new_source_nat_chain(table, CHAIN),
        new_rule(table, CHAIN, rule),
    ];
    match open(table)?.batch(transaction(messages)) {
        // Everything that the messages name they make themselves; what is missing are parts of the kernel.
        Err(refusal) if refusal.errno == Errno::NOENT => Err(unsupported(table).with_source(refusal)),
        other => other.map_err(about(table)),
    }
}

/// Takes the way out away again; gone is a success.
pub(crate) fn delete_nat(table: &str) -> Result<()> {
    match open(table)?.batch(transaction(vec![delete_table(table)])) {
        Err(refusal) if refusal.errno == Errno::NOENT => Ok(()),
        other => other.map_err(about(table)),
    }
}

/// Whether there is a table with a name.
pub(crate) fn has_nat(table: &str) -> Result<bool> {
    match open(table)?.request::<Message>(get_table(table), 0) {
        Err(refusal) if refusal.errno == Errno::NOENT => Ok(false),
        other => other.map(|_| true).map_err(about(table)),
    }
}

/// Lets this machine pass packets on between its interfaces.
///
/// It is never turned off again, because by then others may rely on it.
pub(crate) fn allow_forwarding() -> Result<()> {
    let path = Path::new(FORWARDING);
    if fs::read_to_string(path).map_err(at(path))?.trim() == "0" {
        fs::write(path, "1").map_err(at(path))?;
    }
    Ok(())
}

/// Lets the bridges whose names begin with a prefix pass packets on where they are masqueraded, and the others not: to
/// allow forwarding anywhere turns it on everywhere.
pub(crate) fn forward_where_wanted(prefix: &str) -> Result<()> {
    let folder = Path::new(INTERFACES);
    for entry in fs::read_dir(folder).map_err(at(folder))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) {
            let path = entry.path().join("forwarding");
            let wanted = if has_nat(&name)? { "1" } else { "0" };
            match fs::write(&path, wanted) {
                // It went meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                written => written.map_err(at(&path))?,
            }
        }
    }
    Ok(())
}

fn open(table: &str) -> Result<Socket> {
    Socket::open(NETLINK_NETFILTER).map_err(about(table))
}
