//! Images that are made here, the malicious ones field by field, and what becomes of them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::mpsc;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use provisioning_core::error::Retry;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;

/// The time that every entry has.
const TIME: u64 = 1_000_000_000;

struct World {
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        Self { directory: TempDir::new().expect("a directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.path("state/images")
    }

    fn image(&self, bytes: &[u8]) -> Result<Image> {
        fs::write(self.path("image"), bytes).expect("writes");
        Image::open(&self.path("image"))
    }

    fn unpacked(&self, bytes: &[u8]) -> Result<PathBuf> {
        self.image(bytes)?.unpacked(&self.cache())
    }

    /// The message of the error, with the image's path as `image`; nothing may have been left of it.
    fn refusal(&self, bytes: &[u8]) -> (ErrorKind, String) {
        let error = self.unpacked(bytes).expect_err("refused");
        assert_eq!(self.left(), Vec::<String>::new());
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.hint().is_some(), "{error} comes without advice");
        (error.kind(), error.to_string().replace(&self.path("image").display().to_string(), "image"))
    }

    /// What is in the cache besides locks.
    fn left(&self) -> Vec<String> {
        let Ok(listed) = fs::read_dir(self.cache()) else { return Vec::new() };
        let names = listed.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> =
            names.filter(|name| Path::new(name).extension().is_none_or(|extension| extension != "lock")).collect();
        names.sort();
        names
    }
}

impl Drop for World {
    /// An image may have directories that their own user may not change, and that would stay.
    fn drop(&mut self) {
        let _ = disk::remove_tree(&self.cache());
    }
}

/// An archive by hand: the library refuses to write what is dangerous to read.
#[derive(Default)]
struct Raw(Vec<u8>);

impl Raw {
    fn entry(mut self, kind: u8, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o755);
        header.set_uid(fs::metadata("/proc/self").expect("exists").uid().into());
        header.set_gid(fs::metadata("/proc/self").expect("exists").gid().into());
        header.set_mtime(TIME);
        header.set_size(content.len() as u64);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(b'0', name, "", content)
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, target, b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, target, b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn raw() -> Raw {
    Raw::default()
}

/// A small image with one of everything.
fn rootfs() -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut add = |kind, name: &str, mode, content: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1234);
        header.set_gid(4321);
        header.set_mtime(TIME);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).expect("appends");
    };
    add(EntryType::Directory, "usr", 0o555, b"");
    add(EntryType::Directory, "usr/bin", 0o750, b"");
    add(EntryType::Regular, "usr/bin/passwd", 0o4755, b"#!/bin/sh\n");
    add(EntryType::Fifo, "usr/bin/pipe", 0o620, b"");
    add(EntryType::Char, "usr/bin/null", 0o666, b"");
    add(EntryType::Regular, &long_name(), 0o600, b"a name beyond the header's");
    add(EntryType::Regular, "usr/hole", 0o600, &[vec![0; 200_000], b"end".to_vec()].concat());
    for (kind, name, target) in
        [(EntryType::Symlink, "bin", "usr/bin"), (EntryType::Symlink, "run", "/var/run"), (EntryType::Link, "copy", "usr/hole")]
    {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o777);
        header.set_uid(1234);
        header.set_gid(4321);
        header.set_mtime(TIME);
        header.set_size(0);
        builder.append_link(&mut header, name, target).expect("appends");
    }
    builder.into_inner().expect("ends")
}

/// More than a header can hold.
fn long_name() -> String {
    format!("{}file", "long/".repeat(60))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("compresses");
    encoder.finish().expect("ends")
}

#[test]
fn a_directory_is_used_in_place() {
    let world = World::new();
    let image = Image::open(world.directory.path()).expect("opens");
    assert_eq!(image.digest().expect("has none"), None);
    assert_eq!(image.unpacked(&world.cache()).expect("is there"), world.directory.path());
    assert!(!world.cache().exists());
}

#[test]
fn an_archive_becomes_what_it_says() {
    let world = World::new();
    let root = world.unpacked(&rootfs()).expect("unpacks");
    let look = |name: &str| fs::symlink_metadata(root.join(name)).expect(name);
    let mode = |name: &str| look(name).permissions().mode() & 0o7777;
    assert_eq!((mode("."), mode("usr"), mode("usr/bin"), mode("long")), (0o755, 0o555, 0o750, 0o755));
    assert_eq!((mode("usr/bin/passwd"), mode("usr/bin/pipe")), (0o4755, 0o620));
    assert!(look("usr/bin/pipe").file_type().is_fifo());
    assert!(!root.join("usr/bin/null").exists(), "device nodes are left out");
    assert_eq!(fs::read(root.join("usr/bin/passwd")).expect("reads"), b"#!/bin/sh\n");
    assert!(root.join(long_name()).is_file());
    assert_eq!(fs::read_link(root.join("bin")).expect("reads"), Path::new("usr/bin"));
    assert_eq!(fs::read_link(root.join("run")).expect("reads"), Path::new("/var/run"));
    let (hole, copy) = (look("usr/hole"), look("copy"));
    assert_eq!((hole.ino(), hole.len()), (copy.ino(), 200_003));
    assert!(hole.blocks() * 512 < 100_000, "zeros take no space");
    assert!(fs::read(root.join("copy")).expect("reads").ends_with(b"\0end"));
    for name in ["usr", "usr/bin", "usr/bin/passwd", "usr/bin/pipe", "bin", "copy"] {
        assert_eq!(look(name).mtime(), 1_000_000_000, "{name}");
        let own = fs::metadata("/proc/self").expect("exists");
        let expected = if own.uid() == 0 { (1234, 4321) } else { (own.uid(), own.gid()) };
        assert_eq!((look(name).uid(), look(name).gid()), expected, "{name}");
    }
    assert_eq!(fs::metadata(world.cache()).expect("exists").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_compressed_archive_is_told_by_its_content_and_kept_under_its_own_digest() {
    let world = World::new();
    let bytes = gzip(&rootfs());
    let image = world.image(&bytes).expect("opens");
    let digest = image.digest().expect("reads").expect("an archive has one");
    assert_eq!(digest, Digest::of(&bytes));
    let root = image.unpacked(&world.cache()).expect("unpacks");
    assert_eq!(root, world.cache().join(&digest.as_str()[..16]));
    assert!(root.join("usr/bin/passwd").is_file());
    let members = [gzip(&rootfs()[..700]), gzip(&rootfs()[700..])].concat();
    assert!(world.unpacked(&members).expect("unpacks what several runs compressed").join("usr/hole").is_file());
}

#[test]
fn what_is_unpacked_already_is_used_again() {
    let world = World::new();
    let first = world.unpacked(&rootfs()).expect("unpacks");
    fs::write(first.join("mark"), "").expect("writes");
    assert_eq!(world.unpacked(&rootfs()).expect("is there"), first);
    assert!(first.join("mark").exists());
}

#[test]
fn calls_at_the_same_time_end_with_one() {
    let world = World::new();
    fs::write(world.path("image"), rootfs()).expect("writes");
    let roots: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Image::open(&world.path("image")).and_then(|image| image.unpacked(&world.cache()))))
            .collect();
        calls.into_iter().map(|call| call.join().expect("ends").expect("unpacks")).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert_eq!(world.left().len(), 1);
}

#[test]
fn a_call_waits_for_the_one_that_holds_the_lock() {
    let world = World::new();
    let image = world.image(&rootfs()).expect("opens");
    let slot = Slot::lock(&world.cache(), &image.digest().expect("reads").expect("has one")).expect("locks");
    fs::create_dir(&slot.draft).expect("makes");
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| sender.send(image.unpacked(&world.cache()).expect("unpacks")).expect("is heard"));
        fs::rename(&slot.draft, &slot.place).expect("renames");
        fs::write(slot.place.join("by the first"), "").expect("writes");
        assert!(receiver.try_recv().is_err(), "the second waits");
        drop(slot);
        assert!(receiver.recv().expect("goes on").join("by the first").exists());
    });
}

#[test]
fn a_draft_that_a_crash_left_is_removed_by_the_next_call() {
    let world = World::new();
    let image = world.image(&rootfs()).expect("opens");
    let digest = image.digest().expect("reads").expect("has one");
    let draft = Slot::lock(&world.cache(), &digest).expect("locks").draft.clone();
    fs::create_dir_all(draft.join("usr/half")).expect("makes");
    fs::set_permissions(draft.join("usr"), fs::Permissions::from_mode(0o500)).expect("changes");
    let root = image.unpacked(&world.cache()).expect("unpacks");
    assert!(!root.join("usr/half").exists());
    assert_eq!(world.left(), [&digest.as_str()[..16]]);
}

#[test]
fn forgetting_removes_it_and_again_is_a_success() {
    let world = World::new();
    let outside = world.path("outside");
    fs::create_dir(&outside).expect("makes");
    fs::write(outside.join("kept"), "").expect("writes");
    let root = world.unpacked(&rootfs()).expect("unpacks");
    symlink(&outside, root.join("long/out")).expect("links");
    for _ in 0..2 {
        forget(&root).expect("removes");
        assert_eq!(fs::read_dir(world.cache()).expect("listed").count(), 0);
    }
    assert!(outside.join("kept").exists());
    forget(&world.path("no cache/0123")).expect("has nothing to remove");
}

#[test]
fn entries_that_lead_out_are_refused_by_name() {
    let world = World::new();
    let outside = world.path("outside");
    fs::create_dir(&outside).expect("makes");
    let target = outside.display().to_string();
    let cases = [
        (raw().file("/etc/passwd", b"x"), "`/etc/passwd` of `image` leads out of the image: its name starts at `/`"),
        (raw().file("a/../../b", b"x"), "`a/../../b` of `image` leads out of the image: its name has a `..`"),
        (raw().entry(b'5', "..", "", b""), "`..` of `image` leads out of the image: its name has a `..`"),
        (raw().link("a", "/etc/passwd"), "`a` of `image` leads out of the image: its hard link starts at `/`"),
        (raw().link("a", "../a"), "`a` of `image` leads out of the image: its hard link has a `..`"),
        (
            raw().symlink("out", &target).file("out/x", b"x"),
            "`out/x` of `image` leads out of the image through the symbolic link `out`",
        ),
        (raw().symlink("out", "..").file("out/x", b"x"), "`out/x` of `image` leads out of the image through a symbolic link"),
        (
            raw().symlink("a", "b/..").symlink("b", "..").file("a/x", b"x"),
            "`a/x` of `image` leads out of the image through a symbolic link",
        ),
        (
            raw().symlink("loop", "loop").file("loop/x", b"x"),
            "`loop/x` of `image` leads through more symbolic links than a system follows",
        ),
        (
            raw().symlink("out", &target).link("a", "out/x"),
            "`a` of `image` leads out of the image through the symbolic link `out`",
        ),
        (
            raw().symlink("out", "/").entry(b'5', "out/x", "", b""),
            "`out/x` of `image` leads out of the image through the symbolic link `out`",
        ),
    ];
    for (archive, message) in cases {
        assert_eq!(world.refusal(&archive.end()), (ErrorKind::Invalid, format!("the entry {message}")));
    }
    assert_eq!(fs::read_dir(&outside).expect("lists").count(), 0);
}

#[test]
fn entries_that_make_no_sense_are_refused_by_name() {
    let world = World::new();
    let cases = [
        (raw().file("first", b"").file("", b"x"), "`` of `image` cannot be placed: its name is empty"),
        (raw().symlink(".", "x"), "`.` of `image` has the name of the image itself"),
        (raw().symlink("a", ""), "`a` of `image` is a symbolic link to nothing"),
        (raw().link("a", ""), "`a` of `image` cannot be placed: its hard link is empty"),
        (raw().link("a", "b"), "`a` of `image` is a hard link to `b`, which does not come before it"),
        (raw().file("d/x", b"").link("a", "d"), "`a` of `image` is a hard link to the directory `d`"),
        (raw().file("d/x", b"").symlink("d", "/etc"), "`d` of `image` was a directory before"),
        (raw().file("f", b"").file("f/x", b""), "`f/x` of `image` leads through something that is not a directory"),
        (raw().entry(b'M', "f", "", b""), "`f` of `image` is of the type `M`, which is not known here"),
    ];
    for (archive, message) in cases {
        assert_eq!(world.refusal(&archive.end()), (ErrorKind::Invalid, format!("the entry {message}")));
    }
    let record = "22 GNU.sparse.major=1\n";
    let (kind, message) = world.refusal(&raw().entry(b'x', "pax", "", record.as_bytes()).file("s", b"1\n").end());
    assert_eq!((kind, message.as_str()), (ErrorKind::Unsupported, "the entry `s` of `image` is a sparse file in the pax format"));
}

#[test]
fn links_that_stay_inside_are_followed_and_a_later_entry_wins() {
    let world = World::new();
    let archive = raw()
        .entry(b'5', "./", "", b"")
        .entry(b'5', "usr/bin/", "", b"")
        .symlink("bin", "./usr/bin")
        .file("bin/sh", b"one")
        .file("bin/sh", b"two")
        .symlink("usr/deep", "../usr/bin")
        .link("usr/deep/dash", "bin/sh")
        .symlink("opt", "/etc")
        .entry(b'5', "opt", "", b"")
        .file("opt/tool", b"x");
    let root = world.unpacked(&archive.end()).expect("unpacks");
    assert_eq!(fs::read(root.join("usr/bin/sh")).expect("reads"), b"two");
    assert_eq!(fs::metadata(root.join("usr/bin/dash")).expect("exists").nlink(), 2);
    assert!(root.join("opt/tool").is_file() && !root.join("opt").is_symlink());
}

#[test]
fn an_archive_that_ends_early_is_named_with_its_last_entry() {
    let world = World::new();
    let whole = raw().file("first", b"x").file("etc/second", &[7; 2000]).end();
    let cut = |length: usize| world.refusal(&whole[..length]);
    let early = |place: &str| (ErrorKind::Invalid, format!("the archive `image` ends early {place}"));
    assert_eq!(cut(2000), early("in its entry `etc/second`"));
    assert_eq!(cut(1024), early("after its entry `first`"));
    assert_eq!(cut(whole.len() - 1024), early("after its entry `etc/second`"));
    let packed = gzip(&rootfs());
    let (kind, message) = world.refusal(&packed[..packed.len() - 20]);
    assert!(kind == ErrorKind::Invalid && message.starts_with("the archive `image` ends early"), "{message}");
    let mut spoilt = packed.clone();
    let checksum = spoilt.len() - 8;
    spoilt[checksum] ^= 1;
    assert_eq!(world.refusal(&spoilt), (ErrorKind::Invalid, "the archive `image` is damaged after its entry `copy`".into()));
    let mut header = whole.clone();
    header[1024] ^= 1;
    assert_eq!(world.refusal(&header), (ErrorKind::Invalid, "the archive `image` is damaged after its entry `first`".into()));
}

#[test]
fn limits_hold_for_entries_bytes_and_what_stands_between_them() {
    let world = World::new();
    let archive = raw().file("first", b"12345").file("etc/second", b"12345").end();
    let image = world.image(&archive).expect("opens");
    for (limits, what) in [(Limits { entries: 1, bytes: 10 }, "entries"), (Limits { entries: 2, bytes: 9 }, "bytes")] {
        let error = image.unpacked_within(&world.cache(), &limits).expect_err("refused");
        let path = world.path("image").display().to_string();
        let message = format!("`{path}` has more {what} than an image may, from its entry `etc/second` on");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Limited, message));
        assert_eq!(world.left(), Vec::<String>::new());
    }
    image.unpacked_within(&world.cache(), &Limits { entries: 2, bytes: 10 }).expect("fits exactly");
    let long = raw().file("first", b"").entry(b'L', "name", "", &vec![b'a'; 2 << 20]).file("x", b"").end();
    assert_eq!(
        World::new().refusal(&long),
        (ErrorKind::Invalid, "the archive `image` is damaged after its entry `first`".into())
    );
}

#[test]
fn what_is_no_archive_is_named_for_what_it_is() {
    let world = World::new();
    let refused = |bytes: &[u8]| {
        let (kind, message) = world.refusal(bytes);
        assert_eq!(kind, ErrorKind::Invalid);
        message.strip_prefix("`image` is not an image: it is ").unwrap_or(&message).to_owned()
    };
    assert_eq!(refused(b""), "empty");
    assert_eq!(refused(b"PK\x03\x04 and so on"), "a zip archive");
    assert_eq!(refused(b"hello"), "only 5 bytes long");
    assert_eq!(refused(&[b'a'; 4096]), "of a format that is not known here");
    assert_eq!(refused(&[0; 4096]), "an archive without entries, or the image of a file system");
    assert_eq!(refused(&gzip(b"hello")), "gzip around only 5 bytes long");
    assert_eq!(refused(&gzip(&rootfs())[..30]), "a damaged gzip file");
    for (magic, program) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh91AY", "bzip2")] {
        let error = world.image(magic).expect_err("refused");
        let path = world.path("image").display().to_string();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), format!("the image `{path}` is compressed with {program}, which is not read"));
        let hint = format!("run `{program} -dc '{path}' | gzip > rootfs.tar.gz`, and name that file");
        assert_eq!(error.hint(), Some(hint.as_str()));
    }
    assert_eq!(Image::open(&world.path("none")).expect_err("is not there").kind(), ErrorKind::NotFound);
    let error = Image::open(Path::new("/dev/null")).expect_err("refused");
    assert_eq!(error.to_string(), "`/dev/null` is not an image: it is neither a file nor a directory");
}

#[test]
fn an_archive_of_something_around_an_image_is_refused_with_the_way_out() {
    let world = World::new();
    let error = world.unpacked(&raw().file("rootfs/etc/passwd", b"").end()).expect_err("refused");
    assert!(error.to_string().ends_with("` is not an image: all of it lies in the directory `rootfs`"), "{error}");
    assert_eq!(error.hint(), Some("make it with `tar -C rootfs -cf rootfs.tar .`"));
    let layers = raw().file("manifest.json", b"[]").file("blobs/sha256/x", b"").end();
    assert!(world.refusal(&layers).1.ends_with("it is a container image in layers"));
    assert_eq!(world.left(), Vec::<String>::new());
    world.unpacked(&raw().file("tool/run", b"").end()).expect("one directory alone is no mistake");
}

#[test]
fn an_archive_that_changes_between_two_looks_is_refused() {
    let world = World::new();
    let image = world.image(&rootfs()).expect("opens");
    fs::write(world.path("image"), raw().file("etc/x", b"").end()).expect("writes");
    let error = image.unpacked(&world.cache()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().ends_with("changed while it was read"), "{error}");
}
