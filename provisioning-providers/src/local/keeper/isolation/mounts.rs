//! The files of a server with namespaces: a root of its own, over the system of this machine or over an image.
//!
//! Without an image only the parts of this machine that make up its system are there, each under a layer that takes what
//! the server writes; homes, temporary files and workspaces are not. Everything is mounted after the change of roots, so
//! that no link in an image leads out of it, and before the old root is let go.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::fs::{Mode, chmod};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change, mount_remount,
    unmount,
};
use rustix::process::pivot_root;

use super::super::super::identity;
use super::super::super::machine::{Level, Machine};
use super::super::order::Order;
use crate::local::error::at;

/// Where the old root is until it is let go.
const OLD: &str = "/.old";
/// Where the control directory is in a server.
pub(super) const CONTROL: &str = "/run/provisioning";
/// What makes up the system of a machine, as far as it is there.
const SYSTEM: [&str; 15] = [
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "usr",
    "etc",
    "opt",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/lib/dnf",
    "var/lib/pacman",
    "var/lib/rpm",
    "var/cache/debconf",
];
/// What a system has besides, empty at first, with its permission bits.
const FOLDERS: [(&str, u32); 18] = [
    ("dev", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/local", 0o755),
    ("var/log", 0o755),
    ("var/mail", 0o1777),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];
/// The devices of a server.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Files of the kernel that are about the whole machine: they cannot be written, or not even read, in a server.
const READ_ONLY: [&str; 5] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"];
const HIDDEN: [&str; 4] = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kmsg"];

/// Changes to the root of the machine; this process has a mount namespace of its own and stands in the machine's folder.
pub(super) fn change_root(machine: &Machine, order: &Order) -> Result<()> {
    let files = Files { machine, user: machine.level == Level::UserNamespaces, place: old(&order.place) };
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(refused("/"))?;
    let root = Path::new("root/fs");
    make(root, 0o755)?;
    match &machine.image {
        Some(image) => files.over_image(image, root)?,
        None => mount_bind_recursive(root, root).map_err(refused("root"))?,
    }
    let inside = root.join(&OLD[1..]);
    make(&inside, 0o700)?;
    pivot_root(root, &inside).map_err(refused("root"))?;
    files.furnish()?;
    std::env::set_current_dir("/").map_err(at(Path::new("/")))?;
    unmount(OLD, UnmountFlags::DETACH).map_err(refused(OLD))?;
    // What cannot be removed is an empty folder.
    let _ = fs::remove_dir(OLD);
    Ok(())
}

struct Files<'a> {
    machine: &'a Machine,
    user: bool,
    /// The machine's folder, seen from the new root.
    place: PathBuf,
}

impl Files<'_> {
    fn over_image(&self, image: &Path, root: &Path) -> Result<()> {
        // Bound to a name of ours first: the path of an image may have a character that means something to an overlay.
        let lower = Path::new("root/image");
        make(lower, 0o755)?;
        mount_bind_recursive(image, lower).map_err(refused(&image.display().to_string()))?;
        self.overlay(lower, "image", root)
    }

    /// Fills the new root; the old one is still there.
    fn furnish(&self) -> Result<()> {
        std::env::set_current_dir(&self.place).map_err(at(&self.place))?;
        for (folder, mode) in FOLDERS {
            make(&Path::new("/").join(folder), mode)?;
        }
        if self.machine.image.is_none() {
            self.system()?;
        }
        self.kernel()?;
        devices()?;
        for (folder, mode) in [("/run", c"mode=0755"), ("/tmp", c"mode=1777")] {
            mount("tmpfs", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, mode).map_err(refused(folder))?;
        }
        for (target, source) in &self.machine.volumes {
            make(Path::new(target), 0o755)?;
            mount_bind(old(source), target).map_err(refused(target))?;
        }
        control()?;
        identity::write(self.machine, Path::new("/"), Path::new(OLD))
    }

    fn system(&self) -> Result<()> {
        for part in SYSTEM {
            let (there, here) = (Path::new(OLD).join(part), Path::new("/").join(part));
            match fs::symlink_metadata(&there) {
                Ok(found) if found.is_symlink() => link(&fs::read_link(&there).map_err(at(&there))?, &here)?,
                Ok(found) if found.is_dir() => {
                    make(&here, found.mode() & 0o7777)?;
                    self.overlay(&there, &part.replace('/', "-"), &here)?;
                }
                _ => {}
            }
        }
        link(Path::new("/run"), Path::new("/var/run"))?;
        link(Path::new("/run/lock"), Path::new("/var/lock"))
    }

    /// Puts a layer of the machine's own over a directory; this process stands in the machine's folder.
    fn overlay(&self, lower: &Path, name: &str, target: &Path) -> Result<()> {
        let (upper, work) = (format!("root/upper/{name}"), format!("root/work/{name}"));
        let mode = fs::metadata(lower).map_err(at(lower))?.mode() & 0o7777;
        make(Path::new(&upper), mode)?;
        make(Path::new(&work), 0o700)?;
        let lower = lower.display().to_string();
        let kept = if self.user { ",userxattr" } else { "" };
        let options = CString::new(format!("lowerdir={lower},upperdir={upper},workdir={work}{kept}"))
            .map_err(|error| Error::bug("a path has a zero byte in it").with_source(error))?;
        mount("overlay", target, "overlay", MountFlags::NODEV, options.as_c_str()).map_err(refused(&lower))
    }

    fn kernel(&self) -> Result<()> {
        let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("proc", "/proc", "proc", strict, None).map_err(refused("/proc"))?;
        if self.user {
            return mount_bind_recursive(Path::new(OLD).join("sys"), "/sys").map_err(refused("/sys"));
        }
        mount("sysfs", "/sys", "sysfs", strict | MountFlags::RDONLY, None).map_err(refused("/sys"))?;
        for path in READ_ONLY.into_iter().filter(|path| Path::new(path).exists()) {
            mount_bind(path, path).map_err(refused(path))?;
            mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | strict, "").map_err(refused(path))?;
        }
        for path in HIDDEN.into_iter().filter(|path| Path::new(path).exists()) {
            mount_bind(Path::new(OLD).join("dev/null"), path).map_err(refused(path))?;
        }
        Ok(())
    }
}

fn devices() -> Result<()> {
    mount("tmpfs", "/dev", "tmpfs", MountFlags::NOSUID, c"mode=0755").map_err(refused("/dev"))?;
    for device in DEVICES {
        let (there, here) = (Path::new(OLD).join("dev").join(device), Path::new("/dev").join(device));
        File::create(&here).map_err(at(&here))?;
        mount_bind(&there, &here).map_err(refused(device))?;
    }
    for folder in ["/dev/pts", "/dev/shm"] {
        make(Path::new(folder), 0o755)?;
    }
    let terminals = c"newinstance,ptmxmode=0666,mode=0620";
    mount("devpts", "/dev/pts", "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, terminals).map_err(refused("/dev/pts"))?;
    let shared = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", "/dev/shm", "tmpfs", shared, c"mode=1777").map_err(refused("/dev/shm"))?;
    let links = [("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
    links.into_iter().try_for_each(|(name, target)| link(Path::new(target), &Path::new("/dev").join(name)))
}

/// The control directory, and in it the program that can keep: services may use it.
fn control() -> Result<()> {
    make(Path::new(CONTROL), 0o755)?;
    mount_bind("control", CONTROL).map_err(refused(CONTROL))?;
    let program = std::env::current_exe().map(|path| old(&path));
    if let Some(program) = program.ok().filter(|path| path.exists()) {
        let here = Path::new(CONTROL).join("keeper");
        File::create(&here).map_err(at(&here))?;
        mount_bind(&program, &here).map_err(refused("keeper"))?;
    }
    Ok(())
}

/// A path of this machine, seen from the new root.
fn old(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}

fn make(folder: &Path, mode: u32) -> Result<()> {
    if fs::metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(at(folder))?;
    // Whoever starts a keeper may have a mask of their own.
    chmod(folder, Mode::from_raw_mode(mode)).map_err(|error| at(folder)(error.into()))
}

fn link(target: &Path, name: &Path) -> Result<()> {
    match symlink(target, name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(at(name)(error)),
        _ => Ok(()),
    }
}

fn refused(what: &str) -> impl FnOnce(rustix::io::Errno) -> Error {
    let message = format!("`{what}` cannot be mounted for a server here");
    move |error| Error::new(ErrorKind::Unsupported, message).with_source(io::Error::from(error))
}
