//! Workspaces by name, and that one of them cannot touch what is another's.

#[expect(dead_code, reason = "every test file uses a part of it")]
mod workspace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};
use workspace::tree;

/// A user with a home, and a folder in which no workspace is.
struct User {
    folder: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let user = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(user.at("home")).expect("made");
        fs::create_dir(user.at("away")).expect("made");
        user
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("a path").join(path)
    }

    fn command(&self, directory: &Path, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning"));
        command
            .args(words.split(' '))
            .current_dir(directory)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.at("home"));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, directory: &str, words: &str) -> Output {
        self.command(&self.at(directory), words).output().expect("the command runs")
    }

    #[track_caller]
    fn expect(&self, directory: &str, words: &str) -> String {
        let output = self.run(directory, words);
        assert!(output.status.success(), "`{words}` said: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// What a command says that is refused with an exit code.
    #[track_caller]
    fn refused(&self, directory: &str, words: &str, code: i32) -> String {
        let output = self.run(directory, words);
        let says = String::from_utf8_lossy(&output.stderr).replace(self.at("").to_str().expect("text"), "/");
        assert_eq!(output.status.code(), Some(code), "`{words}` said: {says}");
        says
    }

    fn json(&self, directory: &str, words: &str) -> Json {
        serde_json::from_str(&self.expect(directory, &format!("{words} --json"))).expect("JSON")
    }

    /// Where a command begins to work, and why.
    fn place(&self, directory: &str, words: &str) -> [String; 2] {
        let shown = self.json(directory, format!("workspace show {words}").trim_end());
        let root = shown["root"].as_str().expect("a root").replace(self.at("").to_str().expect("text"), "");
        [root, shown["why"].as_str().expect("a reason").to_owned()]
    }
}

#[test]
fn a_workspace_is_chosen_by_name_by_folder_by_place_and_by_use_in_this_order() {
    let user = User::new();
    let says = user.refused("away", "workspace show", 66);
    assert!(says.contains("is not in a workspace"), "{says}");
    user.expect("", "workspace new shop");
    user.expect("", "init lab");
    user.expect("", "workspace new blog sites/blog");
    user.expect("away", "workspace use shop");
    let place = |directory, words| user.place(directory, words).join(": ");
    assert_eq!(place("away", ""), "shop: in use, since the command lies in none");
    assert_eq!(place("lab", ""), "lab: the command lies in it");
    assert_eq!(place("lab", "-C ../sites/blog"), "sites/blog: named by --directory");
    assert_eq!(place("lab", "-w blog"), "sites/blog: named by --workspace");
    assert_eq!(place("lab", "--workspace shop"), "shop: named by --workspace");
    user.refused("lab", "workspace show -w blog -C ../shop", 64);
    assert!(user.refused("", "plan -C away", 66).contains("is not in a workspace"), "a named folder is not another workspace");
    assert!(user.refused("lab", "plan -w bolg", 66).contains("did you mean `blog`?"));
    let list = user.json("away", "workspace list");
    let entry =
        |name: &str, root: &str, current| json!({ "name": name, "root": user.at(root), "current": current, "found": true });
    assert_eq!(list, json!([entry("blog", "sites/blog", false), entry("lab", "lab", false), entry("shop", "shop", true)]));
    let says = user.run("away", "status");
    assert!(String::from_utf8_lossy(&says.stderr).starts_with("In the workspace that is in use: "));
}

#[test]
fn a_workspace_is_shown_with_what_is_kept_of_it() {
    let user = User::new();
    user.expect("", "workspace new shop");
    fs::create_dir(user.at("shop/environments")).expect("made");
    fs::write(user.at("shop/environments/prod.toml"), "").expect("written");
    let shown = user.json("shop", "workspace show");
    let expect = json!({
        "name": "shop", "root": user.at("shop"), "why": "the command lies in it", "store": user.at("shop/.provisioning/state.db"),
        "environment": null, "environments": ["prod"], "resources": 0, "last_run": null
    });
    assert_eq!(shown, expect);
    user.expect("shop", "apply --yes");
    let shown = user.json("shop", "workspace show");
    assert_eq!(shown["last_run"]["outcome"], "completed");
    assert!(shown["resources"].as_u64().is_some_and(|number| number > 0), "{shown}");
}

#[test]
fn a_name_is_had_once_and_follows_its_folder_only_when_told() {
    let user = User::new();
    user.expect("", "workspace new shop");
    assert!(user.refused("", "workspace new shop other", 67).contains("the name `shop` is that of the workspace in `/shop`"));
    assert!(!user.at("other/main.ncl").exists(), "files were written for a name that cannot be had");
    assert!(user.refused("", "workspace new store shop", 67).contains("is registered as `shop` already"));
    user.refused("", "workspace new a/b", 64);
    user.expect("", "workspace use shop");
    fs::rename(user.at("shop"), user.at("moved")).expect("moved");
    let says = user.refused("away", "plan", 66);
    let expect = "error: the workspace `shop` is not in `/shop` any more: there is no `provisioning.toml`\n\
                  hint: where it was moved, `provisioning workspace new shop DIR` registers it there\n";
    assert_eq!(says, expect);
    assert!(user.expect("away", "workspace list").contains("(moved or removed)"));
    let main = fs::read_to_string(user.at("moved/main.ncl")).expect("read");
    user.expect("", "workspace new shop moved");
    assert_eq!(fs::read_to_string(user.at("moved/main.ncl")).expect("read"), main, "what is there is taken as it is");
    assert_eq!(user.place("away", "")[0], "moved");
}

#[test]
fn a_file_that_somebody_broke_is_told_with_its_line() {
    let user = User::new();
    user.expect("", "workspace new shop");
    let file = user.at("home/.config/provisioning/workspaces.toml");
    fs::write(&file, "[workspaces]\nshop = 1\n").expect("written");
    let says = user.refused("away", "workspace list", 65);
    let expect = "error: 1 problem in the input\n  /home/.config/provisioning/workspaces.toml:2:8: workspaces.shop: \
                  expected the path of a folder, found integer\n    2 | shop = 1\n      |        ^\n";
    assert_eq!(says, expect);
    user.expect("shop", "validate");
}

#[test]
fn commands_at_once_register_every_workspace() {
    let user = User::new();
    let started: Vec<_> = (0..12)
        .map(|number| {
            user.command(&user.at(""), &format!("workspace new w{number}")).stdout(Stdio::null()).spawn().expect("starts")
        })
        .collect();
    for mut child in started {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(user.json("", "workspace list").as_array().expect("a list").len(), 12);
}

/// Two workspaces with the same names in them, on the same local provider.
fn twins(user: &User) {
    let document = "providers.lab.type = \"local\"\n[resources.v]\nkind = \"value\"\ninput = \"TWIN\"\n\
                    [resources.a]\nkind = \"file\"\npath = \"a.txt\"\ncontent = \"TWIN\"\n\
                    [resources.net]\nkind = \"network\"\nmode = \"loopback\"\n[resources.job]\nkind = \"process\"\ncommand = [\"/bin/sleep\", \"600\"]\n";
    for twin in ["left", "right"] {
        user.expect("", &format!("workspace new {twin}"));
        fs::remove_file(user.at(twin).join("main.ncl")).expect("removed");
        fs::write(user.at(twin).join("main.toml"), document.replace("TWIN", twin)).expect("written");
    }
}

#[test]
fn twins_have_nothing_in_common() {
    let user = User::new();
    twins(&user);
    user.expect("away", "-w right apply --yes");
    let before = tree(&user.at("right"));
    user.expect("away", "-w left apply --yes");
    assert_eq!(fs::read_to_string(user.at("left/a.txt")).expect("there"), "left");
    assert_eq!(fs::read_to_string(user.at("right/a.txt")).expect("there"), "right");
    let ids = |twin: &str| user.json(twin, "show job")["object"]["id"].clone();
    assert_ne!(ids("left"), ids("right"), "one process for both");

    user.expect("left", "plan --destroy --out saved.plan");
    let saved = user.at("left/saved.plan");
    let says = user.refused("away", &format!("-w right apply {}", saved.display()), 67);
    assert!(says.starts_with("error: the plan was made for another workspace"), "{says}");
    let says = user.refused("left", &format!("-C ../right/.provisioning apply {}", saved.display()), 67);
    assert!(says.starts_with("error: the plan was made for another workspace"), "{says}");

    user.expect("left", "destroy --yes");
    assert!(!user.at("left/a.txt").exists());
    // The refused plans opened the store; that it is whole is checked below.
    let same = |path: &Path| !path.to_string_lossy().contains("state.db");
    let kept = |tree: &std::collections::BTreeMap<PathBuf, Option<Vec<u8>>>| {
        tree.iter().filter(|(path, _)| same(path)).map(|(path, content)| (path.clone(), content.clone())).collect::<Vec<_>>()
    };
    assert_eq!(kept(&tree(&user.at("right"))), kept(&before), "something of the other was touched");
    let plan = user.json("right", "plan");
    assert_eq!((plan["changes"].as_array().map(Vec::len), &plan["unchanged"]), (Some(0), &json!(4)), "{plan}");
    user.expect("right", "verify");
    user.expect("right", "destroy --yes");
}
