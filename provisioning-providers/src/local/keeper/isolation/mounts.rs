//! The files of a server with namespaces: a root of its own, over the system of this machine or over an image.
//!
//! Without an image only the parts of this machine that make up its system are there, each under a layer that takes what
//! the server writes; homes, temporary files and workspaces are not. Everything is mounted after the change of roots, so
//! that no link in an image leads out of it, and before the old root is let go.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use provisioning_core::error::{Error, ErrorKind, Result};
use rustix::fs::{CWD, FileType, Mode, StatVfsMountFlags, chmod, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change, mount_remount,
    unmount,
};
use rustix::process::pivot_root;

use super::super::super::identity;
use super::super::super::machine::{Level, Machine};
use super::super::order::Order;
use crate::local::error::at;

/// Where the keeper's own files are in a server.
const RUN: &str = "/run/provisioning";
/// Where the control directory is in a server.
pub(super) const CONTROL: &str = "/run/provisioning/control";
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
const EMPTY: [&str; 3] = ["/proc/acpi", "/proc/asound", "/proc/scsi"];
/// The flags of a mount that stay when it is mounted anew.
const KEPT: [(StatVfsMountFlags, MountFlags); 6] = [
    (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
    (StatVfsMountFlags::NODEV, MountFlags::NODEV),
    (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
    (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
    (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
];

/// Changes to the root of the machine; this process has a mount namespace of its own and stands in the machine's folder.
pub(super) fn change_root(machine: &Machine, order: &Order) -> Result<()> {
    // What ran in the server before may have left links: none can lead to a name that it could not know.
    let old = Old(PathBuf::from(format!("/.old-{:016x}", RandomState::new().hash_one(&order.place))));
    let program = std::env::current_exe().ok();
    let names = identity::Known::read();
    let files = Files { program, machine, user: machine.level == Level::UserNamespaces, place: old.of(&order.place), old: &old };
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(refused("/"))?;
    let root = Path::new("root/fs");
    make(root, 0o755)?;
    match &machine.image {
        Some(image) => files.over_image(image, root)?,
        None => mount_bind_recursive(root, root).map_err(refused("root"))?,
    }
    let inside = root.join(old.0.strip_prefix("/").unwrap_or(&old.0));
    make(&inside, 0o700)?;
    pivot_root(root, &inside).map_err(refused("root"))?;
    files.furnish()?;
    std::env::set_current_dir("/").map_err(at(Path::new("/")))?;
    // The last thing that needs the old root; until now no link could lead through `/proc` to where this process stands.
    processes()?;
    unmount(&old.0, UnmountFlags::DETACH).map_err(refused("the old root"))?;
    // What cannot be removed is an empty folder.
    let _ = fs::remove_dir(&old.0);
    identity::write(machine, Path::new("/"), &names)
}

struct Files<'a> {
    machine: &'a Machine,
    user: bool,
    /// This program, as the old root has it.
    program: Option<PathBuf>,
    /// The machine's folder, seen from the new root.
    place: PathBuf,
    old: &'a Old,
}

/// The old root, until it is let go.
struct Old(PathBuf);

impl Old {
    /// A path of this machine, seen from the new root.
    fn of(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }
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
        self.devices()?;
        self.hardware()?;
        for (folder, mode) in [("/run", c"mode=0755"), ("/tmp", c"mode=1777")] {
            mount("tmpfs", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, mode).map_err(refused(folder))?;
        }
        for (target, source) in &self.machine.volumes {
            make(Path::new(target), 0o755)?;
            mount_bind(self.old.of(source), target).map_err(refused(target))?;
        }
        self.control()
    }

    fn system(&self) -> Result<()> {
        for part in SYSTEM {
            let (there, here) = (self.old.of(Path::new(part)), Path::new("/").join(part));
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

    /// What the kernel tells of the hardware; root in a server is not to turn any of its switches.
    fn hardware(&self) -> Result<()> {
        if !self.user {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
            return mount("sysfs", "/sys", "sysfs", flags, None).map_err(refused("/sys"));
        }
        mount_bind_recursive(self.old.of(Path::new("sys")), "/sys").map_err(refused("/sys"))?;
        mounts_in(Path::new("/sys"), self.old)?.iter().try_for_each(|path| make_read_only(path))
    }

    fn devices(&self) -> Result<()> {
        mount("tmpfs", "/dev", "tmpfs", MountFlags::NOSUID, c"mode=0755").map_err(refused("/dev"))?;
        for device in DEVICES {
            let (there, here) = (self.old.of(&Path::new("dev").join(device)), Path::new("/dev").join(device));
            if self.user {
                File::create(&here).map_err(at(&here))?;
                mount_bind(&there, &here).map_err(refused(device))?;
            } else {
                // A device of its own: the mode of a bound one would be that of this machine's.
                let number = fs::metadata(&there).map_err(at(&there))?.rdev();
                mknodat(CWD, &here, FileType::CharacterDevice, Mode::from_raw_mode(0o666), number).map_err(refused(device))?;
                chmod(&here, Mode::from_raw_mode(0o666)).map_err(refused(device))?;
            }
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

    /// The control directory, and the program that can keep: services may use it.
    fn control(&self) -> Result<()> {
        make(Path::new(CONTROL), 0o700)?;
        mount_bind("control", CONTROL).map_err(refused(CONTROL))?;
        let program = self.program.as_ref().map(|path| self.old.of(path));
        let Some(program) = program.filter(|path| path.exists()) else { return Ok(()) };
        let here = Path::new(RUN).join("keeper");
        File::create(&here).map_err(at(&here))?;
        mount_bind(&program, &here).map_err(refused("keeper"))?;
        // Root in the server is root of the file: it is to change neither its content nor its mode.
        make_read_only(&here)
    }
}

/// The server's own processes, and of what is about the whole machine as little as possible.
fn processes() -> Result<()> {
    let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", strict, None).map_err(refused("/proc"))?;
    for path in READ_ONLY.into_iter().filter(|path| Path::new(path).exists()) {
        mount_bind(path, path).map_err(refused(path))?;
        make_read_only(Path::new(path))?;
    }
    for path in HIDDEN.into_iter().filter(|path| Path::new(path).exists()) {
        mount_bind("/dev/null", path).map_err(refused(path))?;
    }
    for path in EMPTY.into_iter().filter(|path| Path::new(path).is_dir()) {
        mount("tmpfs", path, "tmpfs", strict | MountFlags::RDONLY, None).map_err(refused(path))?;
    }
    Ok(())
}

/// Makes a mount read-only, and leaves it as it is otherwise: a user namespace may not take any of its flags away.
fn make_read_only(path: &Path) -> Result<()> {
    let found = rustix::fs::statvfs(path).map_err(|error| at(path)(error.into()))?.f_flag;
    let kept = KEPT.iter().filter(|(known, _)| found.contains(*known)).map(|(_, flag)| *flag);
    let flags = kept.fold(MountFlags::BIND | MountFlags::RDONLY, MountFlags::union);
    mount_remount(path, flags, "").map_err(refused(&path.display().to_string()))
}

/// Every place at or below a path where something is mounted; the table is the old root's, which this process still sees.
fn mounts_in(path: &Path, old: &Old) -> Result<Vec<PathBuf>> {
    let table = old.of(Path::new("proc/self/mountinfo"));
    let table = fs::read_to_string(&table).map_err(at(&table))?;
    let places = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    Ok(places.filter(|place| place.starts_with(path)).collect())
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
