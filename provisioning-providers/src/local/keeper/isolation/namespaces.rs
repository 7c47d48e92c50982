//! The levels with namespaces: separating the keeper, and joining what it separated.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::Path;

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::process::Pid;
use rustix::system::sethostname;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::super::super::link::{Links, VethSpec};
use super::super::super::machine::{Attachment, Level, Machine};
use super::super::order::Order;
use super::mounts::{CONTROL, change_root};
use super::{Ground, drop_capabilities, environment, unshare};
use crate::local::error::at;

/// The name of the only interface of a server.
const INTERFACE: &str = "eth0";
/// The namespaces of a process, those first that have to be joined first.
const JOINED: [(&str, LinkNameSpaceType); 6] = [
    ("user", LinkNameSpaceType::User),
    ("pid", LinkNameSpaceType::ProcessID),
    ("net", LinkNameSpaceType::Network),
    ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
    ("ipc", LinkNameSpaceType::InterProcessCommunication),
    ("mnt", LinkNameSpaceType::Mount),
];
/// What is said of a server that is not on a bridge.
const SHARED: &str = "it shares this machine's network: its services bind its own address";
/// What is said of a server of a plain user.
const ONE_USER: &str =
    "it has one user, root: packages that bring users of their own cannot be installed, and ports start at 1024";

pub(super) fn separate(machine: &Machine, order: &Order) -> Result<Ground> {
    if let (Some(attachment), Some(address)) = (&machine.attachment, machine.address) {
        attach(attachment, address)?;
    }
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC)?;
    sethostname(machine.host_name.as_bytes()).map_err(|error| {
        Error::invalid(format!("`{}` is no host name", machine.host_name)).with_source(io::Error::from(error))
    })?;
    change_root(machine, order)?;
    drop_capabilities(machine.attachment.is_some())?;
    let shared = machine.attachment.is_none().then_some(SHARED);
    let one_user = (machine.level == Level::UserNamespaces).then_some(ONE_USER);
    let limits = shared.into_iter().chain(one_user).map(str::to_owned).collect();
    let environment = environment(machine.level, Path::new("/"));
    Ok(Ground { control: CONTROL.into(), home: "/".into(), environment, limits, claim: None })
}

/// Makes a network namespace with one interface, plugged into the network's bridge.
fn attach(attachment: &Attachment, address: Ipv4Addr) -> Result<()> {
    let mut outside = Links::open()?;
    unshare(UnshareFlags::NEWNET)?;
    let namespace = Path::new("/proc/self/ns/net");
    let namespace = File::open(namespace).map_err(at(namespace))?;
    let cable = VethSpec {
        host_name: attachment.port.clone(),
        bridge: attachment.bridge.clone(),
        inner_name: INTERFACE.to_owned(),
        address,
        range: attachment.range,
    };
    outside.attach(&cable, namespace.as_fd())?;
    Links::open()?.configure_inside(&cable, Some(attachment.range.gateway()))
}

/// Joins the namespaces of a machine's keeper: for what this process starts, and where it can for itself.
pub(in super::super) fn join(keeper: Pid) -> Result<()> {
    let folder = Path::new("/proc").join(keeper.to_string()).join("ns");
    let mut opened = Vec::new();
    for (name, kind) in JOINED {
        let (theirs, ours) = (folder.join(name), Path::new("/proc/self/ns").join(name));
        if fs::read_link(&theirs).ok() != fs::read_link(ours).ok() {
            opened.push((name, kind, File::open(&theirs).map_err(gone)?));
        }
    }
    for (name, kind, namespace) in opened {
        move_into_link_name_space(namespace.as_fd(), Some(kind)).map_err(|error| {
            Error::new(ErrorKind::Denied, format!("the `{name}` namespace of the server cannot be joined"))
                .with_source(io::Error::from(error))
        })?;
    }
    Ok(())
}

fn gone(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the server does not run").with_source(error)
}
