//! Declarations that cannot be: what is told, and that nothing is left of the attempt.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::machine::{Person, Workspace, is_root};
use super::{declare, declared, destroy, refusal};

/// A server with some fields, which is refused.
fn refused_server(workspace: &Workspace, fields: &str) -> String {
    declare(workspace, &format!("[resources.s]\nkind = \"server\"\n{fields}\n"));
    refusal(workspace)
}

#[test]
fn a_field_that_cannot_be_is_named_with_what_is_expected() {
    let workspace = Workspace::of(Person::Own, &[]);
    let volume = "hint: write an absolute path without `..`, outside of `/dev`, `/proc`, `/run` and `/sys`";
    let host_name = "hint: write at most 63 lowercase letters, digits and inner hyphens in `host_name`";
    let loopback = "hint: take it from `127.0.0.0/8`, or put the server on a `network`";
    let four = "hint: write four numbers as in `10.0.0.2`, or leave it out for one that is free";
    let image = "hint: write an absolute path, or one below the provider's `root`, without `..`";
    for (fields, says) in [
        ("memory_mb = 0", "`memory_mb` is 0: expected 8 to 1000000000"),
        ("memory_mb = -1", "`memory_mb` is -1: expected 8 to 1000000000"),
        ("memory_mb = 99999999999999999", "`memory_mb` is 99999999999999999: expected 8 to 1000000000"),
        ("max_processes = 1", "`max_processes` is 1: expected 8 to 4194304"),
        ("cpus = -1", "`cpus` has to be at least 0.01"),
        ("address = \"banana\"", &format!("the `address` `banana` of a server is none\n{four}")),
        ("address = \"8.8.8.8\"", &format!("`8.8.8.8` is no loopback address, and this server is on no network\n{loopback}")),
        ("host_name = \"Bad Name\"", &format!("`Bad Name` is no host name\n{host_name}")),
        (
            "network = \"none\"",
            "there is no network `none`\nhint: refer to a `network` of this workspace, as in `network = \"${net.id}\"`",
        ),
        (
            "volumes = { \"/x\" = \"/no/volume\" }",
            "there is no volume `/no/volume`\nhint: refer to a `volume`, as in `\"/srv/data\" = \"${data.id}\"`",
        ),
        ("volumes = { \"/a/../b\" = \"/tmp\" }", &format!("`/a/../b` is no place for a volume\n{volume}")),
        ("volumes = { \"/proc/x\" = \"/tmp\" }", &format!("`/proc/x` is no place for a volume\n{volume}")),
        ("volumes = { \"/\" = \"/tmp\" }", &format!("`/` is no place for a volume\n{volume}")),
        ("volumes = { \"/.old\" = \"/tmp\" }", &format!("`/.old` is no place for a volume\n{volume}")),
        ("volumes = { \"x\" = \"/tmp\" }", &format!("`x` is no place for a volume\n{volume}")),
        ("image = \"../x\"", &format!("`../x` does not name a file or directory\n{image}")),
    ] {
        assert_eq!(refused_server(&workspace, fields), format!("error: s/create: {says}"), "{fields}");
    }
    destroy(&workspace);
}

#[test]
fn a_name_is_as_long_as_the_host_name_or_the_interface_made_of_it_permits() {
    let (long, longer) = ("a".repeat(120), "a".repeat(200));
    let workspace = declared(Person::Own, &format!("[resources.{long}]\nkind = \"server\"\n"));
    let says = format!("error: {long}/create: `{long}` is no host name\n");
    assert!(refusal(&workspace).starts_with(&says));
    let network = format!(
        "[resources.{long}]\nkind = \"server\"\nhost_name = \"x\"\nnetwork = \"${{n{long}.id}}\"\n[resources.n{long}]\nkind = \"network\"\n"
    );
    declare(&workspace, &network);
    workspace.expect(&["apply", "--yes"], 0);
    destroy(&workspace);
    for (name, why) in
        [(longer.as_str(), "it is longer than 128 bytes"), ("bäh", "only letters, digits, `_` and `-` may stand in it")]
    {
        declare(&workspace, &format!("[resources.\"{name}\"]\nkind = \"server\"\n"));
        let told = super::said(&workspace, &["plan"], 65);
        assert!(told.contains(&format!("`{name}` is not a resource name: {why}")), "{told}");
    }
}

#[test]
fn an_address_belongs_to_one_server_of_the_machine() {
    let server = |name: &str| format!("[resources.{name}]\nkind = \"server\"\naddress = \"127.77.1.9\"\n");
    let workspace = declared(Person::Own, &(server("s") + &server("t")));
    let told = refusal(&workspace);
    assert!(
        told.contains("/create: the address `127.77.1.9` belongs to another server\nhint: give one of them another"),
        "{told}"
    );
    let elsewhere = declared(Person::Own, &server("s"));
    let told = refusal(&elsewhere);
    assert!(told.contains("the address `127.77.1.9` is in use by another server of this machine"), "{told}");
    destroy(&workspace);
    elsewhere.expect(&["apply", "--yes"], 0);
    destroy(&elsewhere);
}

#[test]
fn a_range_that_cannot_be_had_is_told_to_everybody() {
    let network = |cidr: &str| format!("[resources.n]\nkind = \"network\"\ncidr = \"{cidr}\"\n");
    for person in [Person::Own, Person::Plain] {
        let workspace = declared(person, &network("banana"));
        assert_eq!(refusal(&workspace), "error: n/create: the fields of a `network` do not fit: `banana` has no prefix length");
        declare(&workspace, &network("10.0.0.5/24"));
        assert!(refusal(&workspace).contains("`10.0.0.5/24` is an address inside a range, not a range"));
        let foreign = if person.level() == "namespaces" { "127.3.0.0/16" } else { "10.3.0.0/16" };
        declare(&workspace, &network(foreign));
        let why = if person.level() == "namespaces" {
            "`127.3.0.0/16` is a range of loopback addresses, and this network is a bridge"
        } else {
            "`10.3.0.0/16` cannot be had here: this network is made of loopback addresses"
        };
        assert!(refusal(&workspace).starts_with(&format!("error: n/create: {why}\nhint: leave `cidr` out")), "{person:?}");
        workspace.expect(&["destroy", "--yes"], 0);
    }
}

#[test]
fn a_plain_user_is_told_what_takes_root_and_can_go_on() {
    let workspace = declared(Person::Plain, "[resources.s]\nkind = \"server\"\nisolation = \"namespaces\"\n");
    let why = "this machine permits no `namespaces`: this user is not root of the whole machine";
    assert_eq!(
        refusal(&workspace),
        format!("error: s/create: {why}\nhint: leave `isolation` out for the first level that is possible")
    );
    declare(&workspace, "[resources.n]\nkind = \"network\"\nmode = \"bridge\"\n");
    let hint = "hint: leave `mode` out for a network of loopback addresses, or run as root";
    assert_eq!(refusal(&workspace), format!("error: n/create: {why}\n{hint}"));
    declare(&workspace, "[resources.n]\nkind = \"network\"\n");
    workspace.expect(&["apply", "--yes"], 0);
    destroy(&workspace);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let web = |name: &str| {
        format!(
            "[services.{name}]\nservice = \"web\"\non = [\"s\"]\nconfig = {{ address = \"${{s.address}}\", root = \"{name}\", files = {{ \"index.html\" = \"x\" }} }}\n"
        )
    };
    let server = "[resources.s]\nkind = \"server\"\naddress = \"127.77.2.9\"\n";
    let workspace = declared(Person::Own, &format!("{server}{}{}", web("w"), web("x")));
    assert!(refusal(&workspace).contains("does not run: it exited with 1: `127.77.2.9:8080` is in use"));
    destroy(&workspace);
    let _foreign = TcpListener::bind("127.77.2.9:8080").expect("binds");
    declare(&workspace, &format!("{server}{}", web("w")));
    assert!(
        refusal(&workspace)
            .starts_with("error: w@s/apply: program `w` does not run: it exited with 1: `127.77.2.9:8080` is in use")
    );
    destroy(&workspace);
}

#[test]
fn what_is_no_image_is_told_and_leaves_nothing() {
    let workspace = Workspace::of(Person::Own, &[("empty", ""), ("text", "hello\n")]);
    for (image, says) in [
        ("missing", "`ROOT/missing` does not exist"),
        ("empty", "`ROOT/empty` is not an image: it is empty"),
        ("text", "`ROOT/text` is not an image: it is only 6 bytes long"),
        ("out.tar", "the entry `../x` of `ROOT/out.tar` leads out of the image: its name has a `..`"),
        ("absolute.tar", "the entry `/x` of `ROOT/absolute.tar` leads out of the image: its name starts at `/`"),
    ] {
        let name = if image == "out.tar" { "../x" } else { "/x" };
        if image.contains(".tar") {
            fs::write(workspace.path().join(image), archive(name)).expect("written");
        }
        let told = refused_server(&workspace, &format!("image = \"{image}\""));
        assert!(told.starts_with(&format!("error: s/create: {says}")), "{told}");
    }
    destroy(&workspace);
}

/// A tar archive of one empty file, whose name a careful program would not write.
fn archive(name: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    for (place, text) in [
        (100, "0000644\0"),
        (108, "0000000\0"),
        (116, "0000000\0"),
        (124, "00000000000\0"),
        (136, "00000000000\0"),
        (148, "        "),
        (156, "0"),
        (257, "ustar\x0000"),
    ] {
        header[place..place + text.len()].copy_from_slice(text.as_bytes());
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    [header.as_slice(), &[0; 1024]].concat()
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let workspace = declared(Person::Plain, "[resources.s]\nkind = \"server\"\n");
    if is_root() {
        std::os::unix::fs::chown(workspace.path(), Some(0), Some(0)).expect("taken away");
    }
    fs::set_permissions(workspace.path(), fs::Permissions::from_mode(0o555)).expect("closed");
    let told = super::said(&workspace, &["apply", "--yes"], 68);
    assert!(told.contains("ROOT/.provisioning"), "{told}");
}
