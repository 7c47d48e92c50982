//! What a server cannot reach, at every level: secrets of the machine, its processes, files and devices.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::machine::{Person, Workspace, is_root};
use super::{declared, destroy, inside, until};

/// A process of this machine that is not in a server, with a secret in its environment.
struct Bystander(std::process::Child);

impl Bystander {
    fn new(person: Person) -> Self {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new("sleep");
        command.arg("1000").env("BYSTANDER", "geheim");
        if person == Person::Plain && is_root() {
            command.uid(60_123).gid(60_123);
        }
        Self(command.spawn().expect("starts"))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The levels that a person can choose, for servers side by side.
fn levels(person: Person) -> &'static [&'static str] {
    match person.level() {
        "namespaces" => &["namespaces", "user_namespaces", "confined"],
        "user_namespaces" => &["user_namespaces", "confined"],
        _ => &["confined"],
    }
}

#[test]
fn nothing_of_the_machine_is_told_or_changed_from_inside() {
    for person in Person::ALL {
        let servers =
            levels(person).iter().map(|level| format!("[resources.{level}]\nkind = \"server\"\nisolation = \"{level}\"\n"));
        let workspace = declared(person, &servers.collect::<String>());
        let home = tempfile::Builder::new().prefix("home-").tempdir_in("/tmp").expect("a folder");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
        let secret = home.path().join("secret");
        fs::write(&secret, "geheim").expect("written");
        workspace.write("secret", "geheim");
        let bystander = Bystander::new(person);
        workspace.expect(&["apply", "--yes"], 0);
        for level in levels(person) {
            let attempts = [
                format!("cat {}", secret.display()),
                format!("cat {}/secret", workspace.path().display()),
                format!("cat {}/main.toml", workspace.path().display()),
                format!("cat {}/.provisioning/state.db", workspace.path().display()),
                "tr '\\0' '\\n' < /proc/1/environ | grep -v ^PROVISIONING_ | grep .".to_owned(),
                format!("grep geheim /proc/{}/environ", bystander.0.id()),
                format!("kill -9 {}", bystander.0.id()),
                format!("ls /proc/{}/root/", bystander.0.id()),
                "mount -t tmpfs none /mnt".to_owned(),
                "mknod disk b 8 0 || mknod /tmp/disk b 8 0".to_owned(),
                "echo other > /proc/sys/kernel/hostname".to_owned(),
                "head -c 1 /dev/sda || head -c 1 /dev/vda || head -c 1 /dev/mem".to_owned(),
                "cut -d: -f2 /etc/shadow | grep -v '^[*!]*$'".to_owned(),
                // Of a confined server it is said that it may: the kernel's rules do not cover permissions.
                "test -e /run/provisioning && chmod 000 /run/provisioning/keeper".to_owned(),
                "test -n \"$PROVISIONING_KEEPER\" && chown 12345 /etc/hostname".to_owned(),
                "echo 1 > /sys/kernel/mm/ksm/run || echo 0 > /sys/kernel/rcu_normal".to_owned(),
            ];
            for attempt in attempts {
                let output = workspace.run(&["exec", level, "--", "/bin/sh", "-c", &attempt]);
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                assert_ne!(output.status.code(), Some(0), "{person:?}, {level}: `{attempt}` succeeded: {text}");
                assert!(!text.contains("geheim"), "{person:?}, {level}: `{attempt}` told: {text}");
            }
            let _ = workspace.run(&["exec", level, "--", "/bin/sh", "-c", "echo x > /etc/provisioning-was-here"]);
            assert!(!std::path::Path::new("/etc/provisioning-was-here").exists(), "{person:?}, {level}");
        }
        assert!(fs::read_to_string(format!("/proc/{}/stat", bystander.0.id())).is_ok_and(|stat| !stat.contains(") Z ")));
        destroy(&workspace);
    }
}

#[test]
fn a_server_cannot_make_the_next_start_write_elsewhere() {
    let workspace = declared(Person::Own, "[resources.s]\nkind = \"server\"\nhost_name = \"one\"\n");
    workspace.write("victim", "untouched\n");
    workspace.expect(&["apply", "--yes"], 0);
    let victim = workspace.path().join("victim");
    inside(
        &workspace,
        "s",
        &format!("cd /run/provisioning 2>/dev/null || cd ../control; rm -f keeper.log; ln -s {} keeper.log", victim.display()),
    );
    super::declare(&workspace, "[resources.s]\nkind = \"server\"\nhost_name = \"two\"\n");
    workspace.expect(&["apply", "--yes"], 0);
    assert_eq!(fs::read_to_string(&victim).expect("there"), "untouched\n");
    destroy(&workspace);
}

#[test]
fn a_server_is_held_to_its_processes_and_its_memory_and_its_keeper_lives() {
    let workspace = declared(
        Person::Own,
        "[resources.s]\nkind = \"server\"\nmemory_mb = 100\nmax_processes = 40\n[resources.t]\nkind = \"server\"\n",
    );
    workspace.expect(&["apply", "--yes"], 0);
    let limits = workspace.json(&["show", "s"]).to_string();
    if limits.contains("is not held to") {
        assert!(!is_root(), "root can hold to limits: {limits}");
        return;
    }
    // Each asks for a hundred children that stay; the kernel refuses what is above the limit.
    let hungry = "for i in $(seq 100); do sleep 1000 & done 2>/dev/null; true";
    let _ = workspace.run(&["exec", "s", "--", "/bin/sh", "-c", hungry]);
    let output = workspace.run(&["exec", "t", "--", "/bin/sh", "-c", "true"]);
    assert_eq!(output.status.code(), Some(0), "another server is none the worse");
    let count = fs::read_dir("/proc").expect("listed").flatten().filter(|entry| {
        let line = fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("PROVISIONING_MACHINE=s-")
    });
    let count = count.count();
    assert!((10..=40).contains(&count), "{count} processes");
    let stopped = "[resources.s]\nkind = \"server\"\nmemory_mb = 100\n[resources.t]\nkind = \"server\"\n";
    super::declare(&workspace, stopped);
    workspace.expect(&["apply", "--yes"], 0);
    assert_eq!(workspace.run(&["exec", "s", "--", "tail", "/dev/zero"]).status.code(), Some(137));
    workspace.expect(&["exec", "s", "--", "true"], 0);
    workspace.expect(&["exec", "t", "--", "true"], 0);
    destroy(&workspace);
    until("no group is left", || !std::path::Path::new("/sys/fs/cgroup/pids/provisioning-s").exists());
}

#[test]
fn a_workspace_may_have_any_name() {
    for person in Person::ALL {
        let outer = declared(person, "");
        let name = format!("a b,c:d'e\"f\\ü{}", "long".repeat(40));
        let folder = outer.path().join(&name);
        let text = "providers.here.type = \"local\"\n[resources.vol]\nkind = \"volume\"\n[resources.a]\nkind = \"server\"\n\
                    volumes = { \"/srv/v v\" = \"${vol.id}\" }\n[resources.p]\nkind = \"process\"\ncommand = [\"sleep\", \"1000\"]\n";
        outer.write(&format!("{name}/main.toml"), text);
        outer.write(&format!("{name}/provisioning.toml"), "name = \"test\"\n");
        let at = folder.to_str().expect("text");
        outer.expect(&["-C", at, "apply", "--yes"], 0);
        outer.expect(&["-C", at, "exec", "a", "--", "/bin/sh", "-c", "echo x > \"/srv/v v/x\" || echo x > 'srv/v v/x'"], 0);
        assert!(folder.join(".provisioning/local/volumes/vol/x").exists(), "{person:?}");
        outer.expect(&["-C", at, "destroy", "--yes"], 0);
    }
}

/// A file system with a shell and what it takes, from this machine.
fn image(workspace: &Workspace) {
    let listed = Command::new("ldd").arg("/bin/sh").output().expect("`ldd` is needed");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned);
    for path in libraries.chain(["/bin/sh".to_owned(), "/bin/cat".to_owned()]) {
        let target = workspace.path().join("rootfs").join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("a parent")).expect("made");
        fs::copy(&path, &target).expect("copied");
    }
    workspace.write("rootfs/etc/marker", "of the image\n");
    let packed = Command::new("tar").args(["-C", "rootfs", "-czf", "rootfs.tar.gz", "."]).current_dir(workspace.path()).status();
    assert!(packed.expect("`tar` is needed").success());
}

#[test]
fn servers_share_an_image_and_leave_it_as_it_was() {
    for person in [Person::Own, Person::Plain] {
        let server = |name: &str, image: &str| format!("[resources.{name}]\nkind = \"server\"\nimage = \"{image}\"\n");
        let workspace =
            declared(person, &(server("a", "rootfs.tar.gz") + &server("b", "rootfs.tar.gz") + &server("c", "rootfs")));
        image(&workspace);
        workspace.expect(&["apply", "--yes"], 0);
        let unpacked = fs::read_dir(workspace.path().join(".provisioning/local/images")).expect("listed").flatten();
        assert_eq!(unpacked.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).count(), 1, "{person:?}");
        for name in ["a", "b", "c"] {
            assert_eq!(
                inside(&workspace, name, "cat /etc/marker; echo changed > /etc/marker; cat /etc/marker"),
                "of the image\nchanged\n"
            );
        }
        assert_eq!(fs::read_to_string(workspace.path().join("rootfs/etc/marker")).expect("there"), "of the image\n");
        destroy(&workspace);
    }
}
