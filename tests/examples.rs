//! The example programs run, and say what they said. (The workspaces under `examples/` are run by the command's tests.)

use std::path::PathBuf;
use std::process::Command;

/// The compiled example: cargo builds it beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let built = test.ancestors().nth(2).expect("the target folder").join("examples").join(name);
    assert!(built.exists(), "{} is missing: `cargo build --examples` makes it", built.display());
    built
}

#[test]
fn the_embedding_program_creates_updates_and_destroys() {
    let output = Command::new(example("embed")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "create list\ncreate copy\n2 steps done\n\n\
                    update list\nupdate copy\n2 steps done\n\n\
                    delete copy\ndelete list\n2 steps done\n\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn the_quickstart_program_makes_servers_asks_them_and_leaves_nothing() {
    let output = Command::new(example("quickstart")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "apply: 8 of 8 steps done\n\
                    ada: This is ada\ngrace: This is grace\nlinus: This is linus\n\
                    apply: 0 of 0 steps done\n\
                    destroy: 8 of 8 steps done\nservers are left: false\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn a_program_has_fewer_than_a_hundred_lines() {
    for name in ["embed.rs", "quickstart.rs"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let lines = std::fs::read_to_string(path).expect("readable").lines().count();
        assert!(lines < 100, "{name} has {lines} lines");
    }
}
