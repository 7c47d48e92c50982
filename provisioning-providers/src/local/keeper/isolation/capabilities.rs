//! What root may do in a server: everything about the server, nothing about the machine below it.

use provisioning_core::error::{Error, Result};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities};

/// What is kept. Left out is what reaches beyond a namespace (modules, raw devices, mounts, the clock, the kernel's log).
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::AUDIT_WRITE);
/// What only a server with a network of its own keeps: it would otherwise be about this machine's.
const ABOUT_THE_NETWORK: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW);

/// What is kept where the files and users are this machine's: nothing with which they could be changed.
const KEPT_WITHOUT_NAMESPACES: CapabilitySet = CapabilitySet::KILL.union(CapabilitySet::NET_BIND_SERVICE);

/// Gives up, for this process and all it starts, what a server's root is not to have.
pub(in super::super) fn drop_capabilities(owns_network: bool) -> Result<()> {
    let kept = if owns_network { KEPT.union(ABOUT_THE_NETWORK) } else { KEPT };
    // Asked for one by one, up to the first that the kernel does not know: it may have some that have no name here.
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(error) => return Err(given_up(error)),
        }
    }
    hold_to(kept)
}

/// Gives up even more where there are no namespaces: who may gain no privileges gains none back, and may need none to give some up.
pub(super) fn drop_held_capabilities() -> Result<()> {
    hold_to(KEPT_WITHOUT_NAMESPACES)
}

fn hold_to(kept: CapabilitySet) -> Result<()> {
    let held = capabilities(None).map_err(given_up)?;
    let (effective, permitted) = (held.effective & kept, held.permitted & kept);
    let sets = CapabilitySets { effective, permitted, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(given_up)
}

fn given_up(error: Errno) -> Error {
    Error::bug("capabilities could not be given up").with_source(std::io::Error::from(error))
}
