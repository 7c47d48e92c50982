//! The names of users and groups, as `/etc/passwd` and `/etc/group` give them.
//!
//! Directories of other kinds (LDAP) are not asked: who is known only there goes by number.

use std::fs;
use std::path::Path;

use provisioning_core::error::{Error, Result};

/// The users and groups of this machine, read once per call.
#[derive(Debug)]
pub(super) struct Accounts {
    users: Names,
    groups: Names,
}

impl Accounts {
    /// Reads the tables; one that cannot be read counts as empty, and its entries go by number.
    pub(super) fn load() -> Self {
        let names = |path| Names::parse(&fs::read_to_string(Path::new(path)).unwrap_or_default());
        Self { users: names("/etc/passwd"), groups: names("/etc/group") }
    }

    /// The number of a user as written.
    pub(super) fn user(&self, written: &str) -> Result<u32> {
        self.users.number("user", written)
    }

    /// The number of a group as written.
    pub(super) fn group(&self, written: &str) -> Result<u32> {
        self.groups.number("group", written)
    }

    /// How a user is written.
    pub(super) fn user_name(&self, number: u32) -> String {
        self.users.name(number)
    }

    /// How a group is written.
    pub(super) fn group_name(&self, number: u32) -> String {
        self.groups.name(number)
    }
}

#[derive(Debug)]
struct Names(Vec<(String, u32)>);

impl Names {
    /// Both tables have the name first and the number third.
    fn parse(table: &str) -> Self {
        let entry = |line: &str| {
            let mut parts = line.split(':');
            Some((parts.next()?.to_owned(), parts.nth(1)?.parse().ok()?))
        };
        Self(table.lines().filter_map(entry).collect())
    }

    /// A number that has a name must be written as the name, or it would look changed at every comparison.
    fn number(&self, what: &str, written: &str) -> Result<u32> {
        if let Some((_, number)) = self.0.iter().find(|(name, _)| name == written) {
            return Ok(*number);
        }
        let number = written.parse().map_err(|_| Error::invalid(format!("there is no {what} `{written}` on this machine")))?;
        let name = self.name(number);
        if name == written {
            return Ok(number);
        }
        Err(Error::invalid(format!("the {what} `{written}` goes by another name here")).with_hint(format!("write `{name}`")))
    }

    fn name(&self, number: u32) -> String {
        self.0.iter().find(|(_, own)| *own == number).map_or_else(|| number.to_string(), |(name, _)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_written_by_name_and_by_number_only_where_it_has_none() {
        let names = Names::parse("root:x:0:0:root:/root:/bin/sh\nbroken\nwww:x:33:33::/:/bin/false\n");
        assert_eq!(names.number("user", "www").ok(), Some(33));
        assert_eq!(names.number("user", "1000").ok(), Some(1000));
        assert_eq!((names.name(33), names.name(1000)), ("www".into(), "1000".into()));
        let error = names.number("user", "33").expect_err("it has a name");
        assert_eq!((error.to_string().as_str(), error.hint()), ("the user `33` goes by another name here", Some("write `www`")));
        assert_eq!(names.number("user", "wwww").expect_err("unknown").to_string(), "there is no user `wwww` on this machine");
    }
}
