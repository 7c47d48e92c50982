//! What a server cannot reach, at every level, and what it may do with itself.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod machine;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use machine::{Person, Workspace, is_root};

/// A server with the limits that are given.
fn server(fields: &str) -> String {
    format!("[providers.here]\ntype = \"local\"\n\n[resources.web]\nkind = \"server\"\n{fields}\n")
}

/// What a line prints in the server, and whether it ends with 0.
fn inside(workspace: &Workspace, line: &str) -> (String, bool) {
    let output = workspace.run(&["exec", "web", "--", "sh", "-c", line]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (said, output.status.success())
}

#[test]
fn a_server_reads_nothing_of_the_user_and_writes_nothing_of_the_machine() {
    // In a home, in the temporary files of everybody, and in the workspace itself; readable to all as far as modes go.
    let home = tempfile::Builder::new().prefix("home-").tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
    let secret = home.path().join("id_rsa");
    fs::write(&secret, "canary-of-the-user").expect("written");
    for person in Person::ALL {
        let workspace = Workspace::of(person, &[("main.toml", &server("")), ("secret.txt", "canary-of-the-workspace")]);
        let mut apply = workspace.command(&["apply", "--yes"]);
        assert!(apply.env("CANARY", "canary-of-the-environment").output().expect("runs").status.success());
        let own = workspace.path().join("secret.txt");
        for path in [secret.as_path(), own.as_path(), Path::new("/root/.profile"), Path::new("/etc/shadow")] {
            let (said, _) = inside(&workspace, &format!("cat {} 2>&1", path.display()));
            assert!(!said.contains("canary") && !said.contains("$y$"), "{person:?}: {} is read: {said}", path.display());
        }
        let (said, reads) = inside(&workspace, "cat /etc/shadow");
        let locked = reads && said.lines().all(|line| line.split(':').nth(1) == Some("*"));
        assert!(locked || !reads, "{person:?}: passwords are read: {said}");
        let (said, _) = inside(&workspace, "ls -A /home /root; cat /proc/[0-9]*/environ | tr '\\0' '\\n'");
        assert!(!said.contains("canary"), "{person:?}: {said}");

        let (said, wrote) = inside(&workspace, "echo mine > own.txt && cat own.txt");
        assert_eq!((said.as_str(), wrote), ("mine\n", true), "{person:?}");
        inside(
            &workspace,
            "echo mine > /etc/provisioning-canary; echo mine > /usr/provisioning-canary; echo mine > /tmp/provisioning-canary",
        );
        for path in ["/etc/provisioning-canary", "/usr/provisioning-canary", "/tmp/provisioning-canary"] {
            assert!(!Path::new(path).exists(), "{person:?}: the machine's own {path} was written");
        }
        for line in ["mount -t tmpfs none /mnt", "mknod /dev/raw b 8 0", "echo 1 > /proc/sys/net/ipv4/ip_forward"] {
            assert!(!inside(&workspace, line).1, "{person:?}: `{line}` is permitted");
        }
        if person != Person::Forbidden {
            let (said, _) =
                inside(&workspace, "chmod 4755 /run/provisioning/keeper; echo x >> /run/provisioning/keeper; ls -d /.old*");
            let refusals = ["Read-only file system", "Permission denied", "Text file busy"];
            let refused: usize = refusals.iter().map(|refusal| said.matches(refusal).count()).sum();
            assert_eq!(refused, 2, "{person:?}: {said}");
            assert!(!said.contains("\n/.old"), "{person:?}: the machine's own root is there: {said}");
        }
        // The one process of this machine that is known: this test.
        let (_, killed) = inside(&workspace, &format!("kill -0 {}", std::process::id()));
        assert!(!killed, "{person:?}: a process of the machine can be signalled");
        workspace.expect(&["destroy", "--yes"], 0);
    }
}

#[test]
fn limits_hold_where_control_groups_are_permitted_and_are_told_where_they_are_not() {
    let limits = "memory_mb = 60\nmax_processes = 20\ncpus = 0.5";
    for person in Person::ALL {
        let workspace = Workspace::of(person, &[("main.toml", &server(limits))]);
        workspace.expect(&["apply", "--yes"], 0);
        let told = workspace.json(&["show", "web"])["object"]["outputs"]["limits"].to_string();
        let held = |field: &str| !told.contains(&format!("`{field}` is not held to"));
        let root = person == Person::Own && is_root();
        assert!(
            !root || ["memory_mb", "max_processes", "cpus"].into_iter().all(held),
            "root is permitted control groups: {told}"
        );
        if held("memory_mb") {
            let (_, fits) = inside(&workspace, "head -c 200000000 /dev/zero | tail -c 190000000 | wc -c | grep 190000000");
            assert!(!fits, "{person:?}: {told}");
        }
        if held("max_processes") {
            let (said, _) = inside(&workspace, "i=0; while [ $i -lt 22 ]; do sleep 5 & i=$((i+1)); done");
            assert!(said.to_lowercase().contains("fork"), "{person:?}: {said}");
        }
        workspace.expect(&["plan", "--detailed-exitcode"], 0);
        workspace.expect(&["destroy", "--yes"], 0);
    }
}

/// A package without dependencies, with a file in `/usr`, one in `/etc`, and a script that runs when it is installed.
fn package(folder: &Path) -> Option<()> {
    let root = folder.join("hello-canary");
    for (path, content) in [
        (
            "DEBIAN/control",
            "Package: hello-canary\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: a test\n",
        ),
        ("DEBIAN/postinst", "#!/bin/sh\necho configured > /var/lib/hello-canary\n"),
        ("usr/bin/hello-canary", "#!/bin/sh\necho hello from the package\n"),
        ("etc/hello-canary.conf", "answer = 42\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent()?).ok()?;
        fs::write(&path, content).ok()?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).ok()?;
    }
    let built = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&root)
        .arg(folder.join("hello.deb"))
        .output()
        .ok()?;
    built.status.success().then_some(())
}

#[test]
fn a_package_is_installed_in_a_server_and_not_in_the_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    if !is_root() || package(folder.path()).is_none() {
        eprintln!("not tested: a package takes root, and a machine with `dpkg-deb`");
        return;
    }
    let before = fs::read("/var/lib/dpkg/status").expect("readable");
    let workspace = Workspace::of(Person::Own, &[("main.toml", &server(""))]);
    workspace.expect(&["apply", "--yes"], 0);
    let package = fs::File::open(folder.path().join("hello.deb")).expect("built");
    let put = workspace.command(&["exec", "web", "--", "sh", "-c", "cat > /var/tmp/hello.deb"]).stdin(package).output();
    assert!(put.expect("runs").status.success());
    let (said, installed) =
        inside(&workspace, "apt-get install -y /var/tmp/hello.deb && hello-canary && cat /var/lib/hello-canary");
    assert!(installed && said.contains("hello from the package") && said.contains("configured"), "{said}");
    assert_eq!(fs::read("/var/lib/dpkg/status").expect("readable"), before, "the machine's packages are as before");
    for path in ["/usr/bin/hello-canary", "/etc/hello-canary.conf", "/var/lib/hello-canary"] {
        assert!(!Path::new(path).exists(), "{path} is in the machine");
    }
    workspace.expect(&["destroy", "--yes"], 0);
}
