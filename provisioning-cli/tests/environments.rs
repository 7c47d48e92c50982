//! `examples/environments`: three environments from one definition, kept apart, and every value traced to its line.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

fn workspace() -> TempDir {
    let folder = tempfile::tempdir().expect("made");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/environments");
    for part in ["environments", "modules", "templates"] {
        copy(&example.join(part), &folder.path().join(part));
    }
    for file in ["provisioning.toml", "main.ncl"] {
        fs::copy(example.join(file), folder.path().join(file)).expect("copied");
    }
    folder
}

/// What a command prints, and its exit code.
fn run(folder: &Path, words: &str) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning"));
    command.args(words.split(' ')).current_dir(folder).env_clear().env("HOME", folder.join("home"));
    let output = command.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text") + &String::from_utf8(output.stderr).expect("text");
    (text, output.status.code().expect("it ends by itself"))
}

fn pages(folder: &Path, environment: &str) -> Vec<String> {
    let pages = fs::read_dir(folder.join("sites").join(environment).join("shop")).into_iter().flatten();
    let mut pages: Vec<_> = pages.map(|page| page.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    pages.sort();
    pages
}

#[test]
fn one_definition_makes_three_environments_that_leave_one_another_alone() {
    let folder = workspace();
    let folder = folder.path();
    for environment in ["dev", "staging", "prod"] {
        let (said, code) = run(folder, &format!("apply --yes --env {environment}"));
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(pages(folder, "dev"), ["index.html"]);
    assert_eq!(pages(folder, "staging"), ["about.html", "index.html"]);
    assert_eq!(pages(folder, "prod"), ["about.html", "imprint.html", "index.html"]);
    assert!(!fs::read_to_string(folder.join("sites/prod/shop/index.html")).expect("a page").contains("not the real shop"));

    let (said, code) = run(folder, "destroy --yes --env staging");
    assert_eq!(code, 0, "{said}");
    assert!(pages(folder, "staging").is_empty());
    assert_eq!(pages(folder, "prod").len(), 3);
    for environment in ["dev", "prod"] {
        let (said, code) = run(folder, &format!("plan --detailed-exitcode --env {environment}"));
        assert_eq!(code, 0, "{said}");
    }
    // Nothing is said about an environment: it is the one that provisioning.toml names.
    assert_eq!(run(folder, "plan --detailed-exitcode").1, 0);
}

#[test]
fn every_value_is_traced_to_the_layer_that_set_it() {
    let folder = workspace();
    let (said, _) = run(folder.path(), "explain shop_index.content --env prod");
    assert!(said.contains("<- modules/site.ncl:18"), "{said}");
    let (said, _) = run(folder.path(), "plan --origin --env prod");
    assert!(said.contains("mode     \"0644\"  <- environments/prod.toml:5 over main.ncl:21\n"), "{said}");
    let (said, _) = run(folder.path(), "config explain inputs.domain --env prod --input domain=localhost");
    let expected = "inputs.domain\n  declaration  \"localhost\"  main.ncl:9\n  environment  \"shop.example\"  environments/prod.toml:2\n  flag         \"localhost\"  --input domain  <- in force\n";
    assert_eq!(said, expected);
    let (said, _) = run(folder.path(), "config diff staging prod");
    assert!(said.starts_with("inputs.banner\n  staging      \"This is not the real shop.\"  main.ncl:17\n  prod         \"\"  environments/prod.toml:4\n"), "{said}");
}
