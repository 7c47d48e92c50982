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
fn the_embedding_program_has_fewer_than_a_hundred_lines() {
    let source = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/embed.rs")).expect("readable");
    assert!(source.lines().count() < 100, "it has {} lines", source.lines().count());
}
