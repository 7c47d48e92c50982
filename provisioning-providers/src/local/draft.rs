//! What a server is to be, from what the user wrote and what this machine has: checked, and written down.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Result};

use super::addresses::{self, Pools};
use super::config::Root;
use super::image::Image;
use super::machine::{self, Attachment, Level, Machine, Place, Quota};
use super::network::{Form, Record};
use super::server::Spec;
use super::site::Site;

/// The longest host name, as RFC 1123 has it for one label.
const MAX_HOST_NAME: usize = 63;
/// Where no volume may be mounted: these belong to the server's own kernel interfaces and its keeper, and to the root that
/// is let go.
const RESERVED: [&str; 5] = ["/.old", "/dev", "/proc", "/run", "/sys"];
/// How many digits of the token are in the name of a server's port: an interface's name has at most 15 bytes.
const PORT_DIGITS: usize = 10;
/// The smallest share of a processor.
const MIN_CPUS: f64 = 0.01;
/// The fewest processes: the keeper and what starts it, and a command with a pipe or two.
const MIN_PROCESSES: i64 = 8;
/// The least memory, in which a keeper stands.
const MIN_MEMORY_MB: i64 = 8;
/// The most memory: more than a machine has, and what the kernel can count.
const MAX_MEMORY_MB: i64 = 1_000_000_000;
/// The most processes that Linux can number.
const MAX_PROCESSES: i64 = 1 << 22;

/// A server that is being written down.
pub(super) struct Draft {
    pub(super) root: Root,
    pub(super) site: Site,
    pub(super) pools: Pools,
    pub(super) place: Place,
    /// The resource's name.
    pub(super) name: String,
    pub(super) spec: Spec,
}

impl Draft {
    /// Writes a new server down, under the lock that keeps addresses apart and images in place.
    pub(super) fn make(self, token: String, level: Level) -> Result<()> {
        let held = self.site.lock()?;
        let written = self.write(token, level);
        drop(held);
        if written.is_err() {
            // What a server that cannot be has brought here is not there to be destroyed with it; why it cannot be matters more.
            let _ = self.site.tidy();
        }
        written
    }

    fn write(&self, token: String, level: Level) -> Result<()> {
        // A call that was given up may have come this far meanwhile.
        if self.place.machine()?.is_some_and(|machine| machine.token == token) {
            return Ok(());
        }
        let machine = self.machine(Machine::plain(token, level), self.address()?)?;
        // Last, because it takes long and leaves most behind.
        let image = self.spec.image.as_deref().map(|image| self.image(image, level)).transpose()?;
        let machine = Machine { image, ..machine };
        self.site.make(&self.site.servers())?;
        self.place.make(&machine)
    }

    /// What a server becomes; it keeps its address where nothing speaks against that.
    pub(super) fn changed(self, prior: &Machine) -> Result<Machine> {
        let _held = self.site.lock()?;
        let wanted = self.address()?;
        let kept = if wanted.is_none() { prior.address } else { None };
        let kept = kept.and_then(|kept| self.machine(prior.clone(), Some(kept)).ok());
        kept.map_or_else(|| self.machine(prior.clone(), wanted), Ok)
    }

    /// Everything that may change, over what may not.
    fn machine(&self, fixed: Machine, address: Option<Ipv4Addr>) -> Result<Machine> {
        let others = machine::all(&self.site.servers())?.into_iter().filter(|(place, _)| *place != self.place);
        let used: BTreeSet<_> = others.filter_map(|(_, machine)| machine.address).collect();
        let network = self.spec.network.as_deref().map(|id| self.network(id)).transpose()?;
        let address = match &network {
            Some((_, record)) => addresses::assign(record.range, address, &used)?,
            None => addresses::alone(&self.pools, &fixed.token, address, &used)?,
        };
        let bridge = network.filter(|(_, record)| record.form == Form::Bridge);
        let attachment = bridge.map(|(bridge, record)| Attachment {
            bridge,
            port: format!("ps{}", &fixed.token[..PORT_DIGITS]),
            range: record.range,
        });
        if attachment.is_some() && fixed.level != Level::Namespaces {
            let message = format!("a server of the level `{}` cannot be on a bridge", fixed.level.as_str());
            return Err(Error::new(ErrorKind::Unsupported, message).with_hint(
                "give its network `mode = \"loopback\"`, or leave the `isolation` of the server out and run as root",
            ));
        }
        let (host_name, quota, volumes) = (self.host_name()?, self.quota()?, self.volumes()?);
        Ok(Machine { host_name, address: Some(address), attachment, volumes, quota, ..fixed })
    }

    fn network(&self, id: &str) -> Result<(String, Record)> {
        addresses::networks(&self.site)?.into_iter().find(|(known, _)| known == id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no network `{id}`"))
                .with_hint("refer to a `network` of this workspace, as in `network = \"${net.id}\"`")
        })
    }

    fn address(&self) -> Result<Option<Ipv4Addr>> {
        let Some(written) = &self.spec.address else { return Ok(None) };
        written.parse().map(Some).map_err(|_| {
            Error::invalid(format!("the `address` `{written}` of a server is none"))
                .with_hint("write four numbers as in `10.0.0.2`, or leave it out for one that is free")
        })
    }

    fn host_name(&self) -> Result<String> {
        let name = self.spec.host_name.clone().unwrap_or_else(|| self.name.replace(['_', '.'], "-").to_ascii_lowercase());
        let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if letters && (1..=MAX_HOST_NAME).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') {
            return Ok(name);
        }
        Err(Error::invalid(format!("`{name}` is no host name"))
            .with_hint(format!("write at most {MAX_HOST_NAME} lowercase letters, digits and inner hyphens in `host_name`")))
    }

    fn quota(&self) -> Result<Quota> {
        let Spec { memory_mb, cpus, max_processes, .. } = self.spec;
        let memory_mb = within("memory_mb", memory_mb, MIN_MEMORY_MB, MAX_MEMORY_MB)?;
        let max_processes = within("max_processes", max_processes, MIN_PROCESSES, MAX_PROCESSES)?;
        if cpus.is_some_and(|cpus| !cpus.is_finite() || cpus < MIN_CPUS) {
            return Err(Error::invalid(format!("`cpus` has to be at least {MIN_CPUS}")));
        }
        Ok(Quota { memory_mb, cpus, processes: max_processes })
    }

    fn volumes(&self) -> Result<BTreeMap<String, PathBuf>> {
        for (target, source) in &self.spec.volumes {
            let path = Path::new(target);
            let plain = path.is_absolute() && path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
            if !plain || path.parent().is_none() || RESERVED.iter().any(|reserved| path.starts_with(reserved)) {
                return Err(Error::invalid(format!("`{target}` is no place for a volume"))
                    .with_hint("write an absolute path without `..`, outside of `/dev`, `/proc`, `/run` and `/sys`"));
            }
            if !source.is_absolute() || !source.is_dir() {
                return Err(Error::new(ErrorKind::NotFound, format!("there is no volume `{}`", source.display()))
                    .with_hint("refer to a `volume`, as in `\"/srv/data\" = \"${data.id}\"`"));
            }
        }
        Ok(self.spec.volumes.clone())
    }

    fn image(&self, written: &Path, level: Level) -> Result<PathBuf> {
        if !level.has_namespaces() {
            let message = format!("a server of the level `{}` has no files of its own", level.as_str());
            return Err(
                Error::new(ErrorKind::Unsupported, message).with_hint("leave `image` out, or run where namespaces are permitted")
            );
        }
        let image = Image::open(&self.root.resolve(written)?)?;
        self.site.make(&self.site.images())?;
        image.unpacked(&self.site.images())
    }
}

/// A count that the kernel can hold a server to, and with which a server stands.
fn within(field: &str, count: Option<i64>, least: i64, most: i64) -> Result<Option<u64>> {
    let Some(count) = count else { return Ok(None) };
    let allowed = u64::try_from(count).ok().filter(|_| (least..=most).contains(&count));
    let outside = || Error::invalid(format!("`{field}` is {count}: expected {least} to {most}"));
    allowed.map(Some).ok_or_else(outside)
}
