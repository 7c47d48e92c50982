//! A store that is lost, damaged, foreign or too new: nothing is taken for an empty workspace, and nothing is written.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::workspace::{Workspace, tree};
use super::{SMALL, fails};

/// Every command that reads the store.
const READERS: [&str; 9] = ["plan", "apply --yes", "show", "status", "runs", "events", "output", "verify", "resume"];

const RESTORE: &str =
    "restore the file from a backup; where it is another program's, `store` in provisioning.toml names another path";
const GONE: &str = "restore the store and the files beside it from a backup; to go on with what is left, remove the files beside it, \
                    and look what exists that `provisioning show` does not list";
const ELSEWHERE: &str = "`store` in provisioning.toml names another place; every part of the path above must be a folder";
const PATH: &str = ".provisioning/state.db";

struct Case {
    what: &'static str,
    damage: fn(&Path),
    code: i32,
    says: String,
}

#[test]
fn a_store_that_is_not_whole_is_refused_by_every_command_and_left_alone() {
    let applied = Workspace::of(&[("main.toml", SMALL)]);
    applied.expect(&["apply", "--yes"], 0);
    let store = fs::read(applied.path().join(PATH)).expect("a store");
    for Case { what, damage, code, says } in cases() {
        let workspace = Workspace::of(&[("main.toml", SMALL)]);
        fs::create_dir(workspace.path().join(".provisioning")).expect("made");
        let path = workspace.path().join(PATH);
        fs::write(&path, &store).expect("written");
        damage(&path);
        let before = tree(workspace.path());
        for words in READERS {
            fails(&workspace, words, code, &says);
        }
        assert!(tree(workspace.path()) == before, "{what}: something was written");
    }
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn cases() -> Vec<Case> {
    let case = |what, damage, says: &str, hint: &str| {
        let says = format!("error: {}\nhint: {hint}\n", says.replace("STORE", &format!("`ROOT/{PATH}`")));
        Case { what, damage, code: 74, says }
    };
    let foreign = "STORE is not a store, or it is damaged: file is not a database";
    vec![
        case("text", |path| fs::write(path, "a few words\n".repeat(100)).expect("written"), foreign, RESTORE),
        case(
            "empty",
            |path| fs::write(path, "").expect("written"),
            "the store STORE is empty: what it knew is lost",
            "restore the file from a backup; to begin anew, remove it, and remove by hand what was made",
        ),
        case("zero bytes", |path| fs::write(path, vec![0; 8_192]).expect("written"), foreign, RESTORE),
        case(
            "cut off",
            |path| OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(5_000)).expect("cut"),
            "STORE is not a store, or it is damaged: database disk image is malformed",
            RESTORE,
        ),
        case(
            "its log lost",
            |path| fs::write(path.with_file_name("state.db-shm"), "").expect("written"),
            "the log of the store STORE is gone: what was recorded last is lost",
            GONE,
        ),
        case(
            "its log overwritten",
            |path| fs::write(path.with_file_name("state.db-wal"), "a few words").expect("written"),
            "the log of the store STORE is damaged: what was recorded last is lost",
            GONE,
        ),
        case(
            "lost beside its log",
            |path| fs::rename(path, path.with_file_name("state.db-wal")).expect("moved"),
            "the store STORE is gone, and the log that belongs to it is still there",
            "restore the store from a backup; to begin anew, remove the files beside it, and by hand what was made",
        ),
        case(
            "another program's",
            |path| write_at(path, 68, &[0; 4]),
            "STORE is a database of another program",
            "`store` in provisioning.toml names another path",
        ),
        Case {
            code: 71,
            ..case(
                "too new",
                |path| write_at(path, 60, &[0, 0, 0, 9]),
                "STORE has format 9, this version reads up to 2",
                "use the version that wrote it, or a newer one",
            )
        },
        Case {
            code: 65,
            ..case(
                "a folder",
                |path| fs::remove_file(path).and_then(|()| fs::create_dir(path)).expect("made"),
                "STORE is not a file: no store can lie there",
                ELSEWHERE,
            )
        },
        Case {
            code: 65,
            ..case(
                "below a file",
                |path| {
                    let folder = path.parent().expect("a folder");
                    fs::remove_dir_all(folder).and_then(|()| fs::write(folder, "")).expect("made");
                },
                "the store cannot be made at STORE: Not a directory (os error 20)",
                ELSEWHERE,
            )
        },
    ]
}

/// Writes into the header of the file: its application stands at 68, its format at 60 (sqlite.org/fileformat2.html).
fn write_at(path: &Path, offset: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).expect("opened");
    file.seek(SeekFrom::Start(offset)).expect("there");
    file.write_all(bytes).expect("written");
}

#[test]
fn damage_in_the_middle_is_found_by_verify_and_stops_what_needs_it() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    workspace.expect(&["apply", "--yes"], 0);
    write_at(&workspace.path().join(PATH), 8_192, &[0; 8_192]);
    let says = "error: the store is damaged: database disk image is malformed\n\
                hint: restore the file from a backup, with the files beside it of the same name\n";
    fails(&workspace, "rollback --yes", 74, says);
    assert!(workspace.expect(&["plan"], 0).contains("No changes."), "what it needs is whole");
    let verdict = workspace.expect(&["verify"], 74);
    assert!(verdict.starts_with("Damaged: record 2: "), "{verdict}");
}

#[test]
fn what_a_removed_provider_made_can_be_forgotten() {
    let workspace = Workspace::of(&[("main.toml", SMALL)]);
    workspace.expect(&["apply", "--yes"], 0);
    workspace.write("main.toml", "providers.lap.type = \"local\"\n");
    let says = "error: the provider `lab` is not declared\n  resource: a\nhint: did you mean `lap`? If not, declare it until \
                everything it made is gone, or drop that from the state with `provisioning forget`\n";
    for words in ["plan", "apply --yes", "destroy --yes"] {
        fails(&workspace, words, 65, says);
    }
    workspace.expect(&["forget", "a"], 0);
    assert!(workspace.expect(&["plan"], 0).contains("- output id\n"));
}
