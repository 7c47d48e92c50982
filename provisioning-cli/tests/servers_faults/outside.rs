//! What happens behind the engine's back, and disks that are full.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::machine::{Person, Workspace, is_root, keepers};
use super::{declared, destroy, inside, said, until};

const PAIR: &str = "[resources.net]\nkind = \"network\"\n[resources.vol]\nkind = \"volume\"\n[resources.a]\nkind = \"server\"\n\
                    network = \"${net.id}\"\nvolumes = { \"/srv/v\" = \"${vol.id}\" }\n";

/// The folder of the only server.
fn server(workspace: &Workspace) -> PathBuf {
    let folder = workspace.path().join(".provisioning/local/servers");
    fs::read_dir(folder).expect("listed").flatten().next().expect("a server").path()
}

fn keeper(place: &std::path::Path) -> Option<u32> {
    let id = place.file_name().expect("a name").to_string_lossy().into_owned();
    keepers().into_iter().find(|(_, line)| line.contains(&format!("init {id}"))).map(|(process, _)| process)
}

#[test]
fn a_server_whose_keeper_was_killed_says_so_and_is_started_again() {
    for person in [Person::Own, Person::Plain, Person::Forbidden] {
        let workspace = declared(person, PAIR);
        workspace.expect(&["apply", "--yes"], 0);
        let process = keeper(&server(&workspace)).expect("a keeper");
        assert!(Command::new("kill").args(["-9", &process.to_string()]).status().expect("runs").success());
        until("the keeper is gone", || keeper(&server(&workspace)).is_none());
        let down = "error: the server does not run\nhint: apply again: it is started then\n";
        assert_eq!(said(&workspace, &["exec", "a", "--", "true"], 69), down, "{person:?}");
        let logs = said(&workspace, &["logs", "a"], 69);
        assert!(logs.ends_with("/control` is not there: it is not running\nhint: apply again starts it\n"), "{person:?}: {logs}");
        let plan = workspace.expect(&["plan"], 0);
        assert!(plan.contains("~ state  \"stopped\" -> \"running\"  # changed outside"), "{person:?}: {plan}");
        workspace.expect(&["apply", "--yes"], 0);
        workspace.expect(&["exec", "a", "--", "true"], 0);
        destroy(&workspace);
    }
}

#[test]
fn a_server_whose_folder_was_removed_is_gone_with_its_keeper() {
    let workspace = declared(Person::Own, PAIR);
    workspace.expect(&["apply", "--yes"], 0);
    let place = server(&workspace);
    fs::remove_dir_all(&place).expect("removed");
    until("the keeper ends by itself", || keeper(&place).is_none());
    let told = said(&workspace, &["exec", "a", "--", "true"], 66);
    assert!(told.ends_with("`\nhint: apply again: it is made anew\n"), "{told}");
    assert!(workspace.expect(&["plan"], 0).contains("+ create server a  # gone: it was removed outside"));
    workspace.expect(&["apply", "--yes"], 0);
    workspace.expect(&["exec", "a", "--", "true"], 0);
    destroy(&workspace);
}

#[test]
fn a_bridge_and_a_volume_that_were_removed_are_made_anew() {
    let workspace = declared(Person::Own, PAIR);
    workspace.expect(&["apply", "--yes"], 0);
    if is_root() {
        let networks = fs::read_dir(workspace.path().join(".provisioning/local/networks")).expect("listed");
        let name = networks.flatten().next().expect("a network").file_name().to_string_lossy().replace(".json", "");
        assert!(Command::new("ip").args(["link", "delete", &name]).status().expect("`ip` is needed").success());
        assert!(workspace.expect(&["plan"], 0).contains("~ state  \"down\" -> \"up\"  # changed outside"));
        workspace.expect(&["apply", "--yes"], 0);
    }
    fs::remove_dir_all(workspace.path().join(".provisioning/local/volumes/vol")).expect("removed");
    workspace.expect(&["apply", "--yes"], 0);
    inside(&workspace, "a", "echo kept > /srv/v/x");
    let kept = workspace.path().join(".provisioning/local/volumes/vol/x");
    assert_eq!(fs::read_to_string(kept).expect("in the volume"), "kept\n");
    assert!(workspace.expect(&["plan"], 0).starts_with("No changes."));
    destroy(&workspace);
}

/// A file system of one megabyte, which is unmounted at the end.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_server_on_a_full_disk_is_told_and_can_be_made_or_destroyed_once_there_is_space() {
    if !is_root() {
        println!("NOT TESTED: servers on a full disk, for which root mounts a small one");
        return;
    }
    let workspace = Workspace::of(Person::Own, &[]);
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=755", "small"]).arg(workspace.path()).status();
    assert!(mounted.expect("`mount` is needed").success());
    let _small = Small(workspace.path());
    workspace.write("provisioning.toml", "name = \"test\"\n");
    super::declare(&workspace, PAIR);
    workspace.expect(&["plan"], 0);
    let mut full = 0;
    for left in [200, 160, 120, 80] {
        let free = free_bytes(&workspace) - left * 1024;
        fs::write(workspace.path().join("fill"), vec![0; free]).expect("filled");
        let output = workspace.run(&["apply", "--yes"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        fs::remove_file(workspace.path().join("fill")).expect("removed");
        if output.status.code() != Some(0) {
            full += 1;
            assert!(told.contains("full") || told.contains("does not fit on its file system"), "{told}");
            let _ = workspace.run(&["resume"]);
        }
        workspace.expect(&["destroy", "--yes"], 0);
    }
    assert!(full > 0, "the disk was never full");
}

fn free_bytes(workspace: &Workspace) -> usize {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(workspace.path()).output().expect("`df` is needed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number")
}
