//! The files that tell a server who it is: host name, hosts, name servers, accounts without passwords.

use std::fs;
use std::path::Path;

use provisioning_core::error::Result;

use super::disk;
use super::error::at;
use super::machine::Machine;

/// Where the name servers stand on a machine whose own file only names a server on itself.
const UPSTREAM: &str = "run/systemd/resolve/resolv.conf";
/// What such a file names.
const STUB: &str = "127.0.0.53";

/// Writes them below a root, with what this machine, at `old`, knows.
pub(super) fn write(machine: &Machine, root: &Path, old: &Path) -> Result<()> {
    let folder = root.join("etc");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let name = &machine.host_name;
    put(&folder.join("hostname"), &format!("{name}\n"))?;
    let own = machine.address.map(|address| format!("{address} {name}\n")).unwrap_or_default();
    put(&folder.join("hosts"), &format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{own}"))?;
    if let Some(servers) = name_servers(old) {
        put(&folder.join("resolv.conf"), &servers)?;
    }
    match &machine.image {
        None => lock_accounts(&folder, old),
        Some(_) => Ok(()),
    }
}

fn name_servers(old: &Path) -> Option<String> {
    let own = fs::read_to_string(old.join("etc/resolv.conf")).ok();
    match own {
        Some(own) if !own.contains(STUB) => Some(own),
        _ => fs::read_to_string(old.join(UPSTREAM)).ok(),
    }
}

/// The passwords of this machine's users are none of a server's business.
fn lock_accounts(folder: &Path, old: &Path) -> Result<()> {
    for file in ["shadow", "gshadow"] {
        let (there, here) = (old.join("etc").join(file), folder.join(file));
        // A user who may not read it has nothing to hide.
        let (Ok(theirs), Ok(ours)) = (fs::read_to_string(&there), fs::read_to_string(&here)) else { continue };
        if theirs != ours {
            continue;
        }
        let locked: Vec<String> = theirs.lines().map(lock).collect();
        fs::write(&here, locked.join("\n") + "\n").map_err(at(&here))?;
    }
    Ok(())
}

fn lock(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(':').collect();
    if let Some(password) = fields.get_mut(1) {
        *password = "*";
    }
    fields.join(":")
}

/// Puts a file in place of whatever is there: what is only replaced need not be this user's to write.
fn put(path: &Path, content: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    disk::put_content(path, content.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_keeps_everything_but_its_password() {
        assert_eq!(lock("root:$y$j9T$abc:19000:0:99999:7:::"), "root:*:19000:0:99999:7:::");
        assert_eq!(lock("broken"), "broken");
    }
}
