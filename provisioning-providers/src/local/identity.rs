//! The files that tell a server who it is: host name, hosts, name servers, accounts without passwords.

use std::fs;
use std::path::Path;

use provisioning_core::error::Result;

use super::disk;
use super::error::at;
use super::machine::Machine;

/// Where the name servers stand on a machine whose own file only names a server on itself.
const UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";
/// What such a file names.
const STUB: &str = "127.0.0.53";

/// What this machine knows that a server has to.
pub(super) struct Known {
    name_servers: Option<String>,
    /// The files of accounts that hold passwords, and their content.
    accounts: Vec<(&'static str, String)>,
}

impl Known {
    /// Reads it, while this process still sees this machine's files.
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let own = text("/etc/resolv.conf").filter(|own| !own.contains(STUB));
        // A user who may not read the accounts has nothing to hide.
        let accounts = ["shadow", "gshadow"].into_iter().filter_map(|name| Some((name, text(&format!("/etc/{name}"))?)));
        Self { name_servers: own.or_else(|| text(UPSTREAM)), accounts: accounts.collect() }
    }
}

/// Writes them below a root from which nothing leads to this machine's files any more.
pub(super) fn write(machine: &Machine, root: &Path, known: &Known) -> Result<()> {
    let folder = root.join("etc");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let name = &machine.host_name;
    put(&folder.join("hostname"), &format!("{name}\n"))?;
    let own = machine.address.map(|address| format!("{address} {name}\n")).unwrap_or_default();
    put(&folder.join("hosts"), &format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{own}"))?;
    if let Some(servers) = &known.name_servers {
        put(&folder.join("resolv.conf"), servers)?;
    }
    if machine.image.is_none() { lock_accounts(&folder, known) } else { Ok(()) }
}

/// The passwords of this machine's users are none of a server's business.
fn lock_accounts(folder: &Path, known: &Known) -> Result<()> {
    for (file, theirs) in &known.accounts {
        let here = folder.join(file);
        if fs::read_to_string(&here).is_ok_and(|ours| ours == *theirs) {
            let locked: Vec<String> = theirs.lines().map(lock).collect();
            disk::put_content(&here, (locked.join("\n") + "\n").as_bytes(), 0o600)?;
        }
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
