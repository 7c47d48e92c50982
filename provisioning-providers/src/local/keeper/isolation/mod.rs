//! How a machine is separated from the one it is on, and how what belongs to it is found again.
//!
//! One file per level, `mounts.rs` for the files of those that have their own, `remains.rs` for what a keeper leaves.
//! What is not possible at a level is said in [`Ground::limits`].

mod capabilities;
mod confined;
mod mounts;
mod namespaces;
mod remains;

use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::UnshareFlags;

use super::super::machine::{Level, Machine};
use super::order::Order;

pub(super) use capabilities::drop_capabilities;
use capabilities::drop_held_capabilities;
pub(super) use confined::confine;
pub(super) use namespaces::join;
pub(super) use remains::{MARK, clear, end, keeper_of};

/// The search path of programs in a server.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a keeper stands once it is separated.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// The control directory as the keeper sees it.
    pub(super) control: PathBuf,
    /// Where relative paths start.
    pub(super) home: PathBuf,
    /// The environment of everything that runs there.
    pub(super) environment: BTreeMap<String, String>,
    /// What the machine should have and has not.
    pub(super) limits: Vec<String>,
    /// What holds its address on a network that it shares.
    pub(super) claim: Option<UnixListener>,
}

/// Keeps this process's memory, environment and program from what runs in a server with it.
pub(super) fn hide_from_processes() -> Result<()> {
    let refused = |error| Error::bug("a process cannot be hidden").with_source(std::io::Error::from(error));
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused)
}

/// Separates this process and all its descendants as the machine's level says.
pub(super) fn separate(machine: &Machine, order: &Order) -> Result<Ground> {
    let claim = claim(machine)?;
    let ground = match machine.level {
        Level::Namespaces | Level::UserNamespaces => {
            let ground = namespaces::separate(machine, order)?;
            hide_from_processes()?;
            ground
        }
        Level::Confined => confined::separate(machine, order)?,
        Level::Bare => {
            confined::adopt_orphans()?;
            let environment = std::env::vars().collect();
            Ground { control: "control".into(), home: order.place.join("root"), environment, ..Ground::default() }
        }
    };
    Ok(Ground { claim, ..ground })
}

/// What everything in a server finds in its environment.
pub(super) fn environment(level: Level, home: &Path) -> BTreeMap<String, String> {
    let home = home.to_string_lossy().into_owned();
    let user_home = if level.has_namespaces() { "/root" } else { &home };
    let words =
        [("PATH", PATH), ("USER", "root"), ("LOGNAME", "root"), ("LANG", "C.UTF-8"), ("SHELL", "/bin/sh"), ("HOME", user_home)];
    let mut environment: BTreeMap<_, _> = words.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if !level.has_namespaces() {
        environment.insert("TMPDIR".to_owned(), format!("{home}/tmp"));
        if let Ok(program) = std::env::current_exe() {
            environment.insert("PROVISIONING_KEEPER".to_owned(), program.to_string_lossy().into_owned());
        }
    }
    environment
}

/// Makes namespaces; what is made for processes holds for children alone.
pub(super) fn unshare(what: UnshareFlags) -> Result<()> {
    #[expect(deprecated, reason = "unsafe only with `FILES`, which is never asked for here")]
    let made = rustix::thread::unshare(what);
    made.map_err(|error| {
        Error::new(ErrorKind::Unsupported, "the system permits no namespaces of this sort here")
            .with_hint("choose another `isolation`, or `auto` for what is possible")
            .with_source(std::io::Error::from(error))
    })
}

/// Holds an address that is shared with everybody on this machine: of all who ask like this, one gets it.
fn claim(machine: &Machine) -> Result<Option<UnixListener>> {
    let Some(address) = machine.address.filter(|_| machine.attachment.is_none()) else { return Ok(None) };
    let name = SocketAddr::from_abstract_name(format!("provisioning/{address}"));
    let held = name.and_then(|name| UnixListener::bind_addr(&name)).map_err(|error| {
        Error::new(ErrorKind::Conflict, format!("the address `{address}` is in use by another server of this machine"))
            .with_hint("give the server another `address`, or its network another `cidr`")
            .with_source(error)
    });
    held.map(Some)
}
