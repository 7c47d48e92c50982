//! A package is installed in a server, and this machine knows nothing of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::machine::{Person, is_root};
use super::{declared, destroy, inside};

const STATUS: &str = "/var/lib/dpkg/status";

#[test]
fn a_package_is_installed_in_a_server_alone() {
    if !is_root() || Command::new("dpkg-deb").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("NOT TESTED: that apt installs a package in a server, which takes root and `dpkg-deb`");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    for (name, text) in [
        (
            "DEBIAN/control",
            "Package: provisioning-test\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: a\n",
        ),
        ("DEBIAN/postinst", "#!/bin/sh\nset -e\necho ran > /etc/provisioning-test.ran\n"),
        ("etc/provisioning-test", "etc\n"),
        ("usr/share/provisioning-test", "usr\n"),
    ] {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, text).expect("written");
    }
    let script = "chmod 755 tree/DEBIAN/postinst && dpkg-deb --root-owner-group -Zgzip -b tree x.deb";
    let built = Command::new("sh").args(["-c", script]).current_dir(folder.path()).stdout(Stdio::null()).status();
    assert!(built.expect("runs").success());
    let before = fs::read(STATUS).expect("Debian has it");

    let workspace = declared(Person::Own, "[resources.s]\nkind = \"server\"\n");
    workspace.expect(&["apply", "--yes"], 0);
    let package = fs::File::open(folder.path().join("x.deb")).expect("built");
    let mut put = workspace.command(&["exec", "s", "--", "/bin/sh", "-c", "cat > /root/x.deb"]);
    assert!(put.stdin(package).status().expect("runs").success());
    workspace.expect(&["exec", "s", "--", "apt-get", "install", "-y", "/root/x.deb"], 0);
    let files = "cat /etc/provisioning-test /etc/provisioning-test.ran /usr/share/provisioning-test";
    assert_eq!(inside(&workspace, "s", files), "etc\nran\nusr\n");
    assert!(inside(&workspace, "s", "dpkg -s provisioning-test").contains("Status: install ok installed"));
    assert_eq!(fs::read(STATUS).expect("there"), before, "this machine knows nothing of it");
    for path in ["/etc/provisioning-test", "/etc/provisioning-test.ran", "/usr/share/provisioning-test"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    destroy(&workspace);
}
