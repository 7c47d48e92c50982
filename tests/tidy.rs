//! The house rules that a compiler does not check: order of modules, sizes, who may name what, documents that tell the
//! truth. Each rule is one test, and its message says what to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 4] = ["provisioning-core", "provisioning-providers", "provisioning-cli", "provisioning-py"];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn shown(&self) -> String {
        self.path.strip_prefix(root()).unwrap_or(&self.path).display().to_string()
    }

    fn is_test(&self) -> bool {
        let parts: Vec<_> = self.path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts.iter().any(|part| part == "tests" || part == "tests.rs")
    }

    /// The lines before the unit tests at the end.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| *line != "mod tests {")
    }

    /// Lines that are neither empty nor comments.
    fn code_lines(&self) -> usize {
        self.code().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a readable folder").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable file");
            found.push(Source { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn crate_sources(name: &str) -> Vec<Source> {
    sources(&root().join(name).join("src"))
}

fn all_sources() -> Vec<Source> {
    CRATES.iter().flat_map(|name| crate_sources(name)).collect()
}

fn check(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The modules of core in their order.
fn core_order() -> Vec<String> {
    let text = fs::read_to_string(root().join("provisioning-core/src/lib.rs")).expect("core has a lib.rs");
    let modules = text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    modules.map(str::to_owned).collect()
}

fn module_of(source: &Source) -> String {
    let inside = source.path.strip_prefix(root().join("provisioning-core/src")).expect("a file of core");
    let first = inside.iter().next().expect("a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn a_module_of_core_uses_only_modules_before_it() {
    let order = core_order();
    let place: BTreeMap<_, _> = order.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let mut problems = Vec::new();
    for source in
        crate_sources("provisioning-core").iter().filter(|source| !source.is_test() && !source.path.ends_with("src/lib.rs"))
    {
        let module = module_of(source);
        let Some(own) = place.get(module.as_str()) else {
            problems.push(format!("{}: `{module}` is not in the list of lib.rs", source.shown()));
            continue;
        };
        for line in source.code().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used = used.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
                if place.get(used).is_some_and(|used| used > own) {
                    problems.push(format!("{}: `{module}` uses `{used}`, which stands after it", source.shown()));
                }
            }
        }
    }
    check(&problems);
}

#[test]
fn the_order_of_modules_is_the_one_in_the_architecture() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("there is an ARCHITECTURE.md");
    let table = text.split("<!-- modules -->").nth(1).expect("the module table stands between `<!-- modules -->` marks");
    let told: Vec<_> =
        table.lines().filter_map(|line| line.split('|').nth(2)?.trim().strip_prefix('`')?.strip_suffix('`')).collect();
    assert_eq!(told, core_order(), "ARCHITECTURE.md and lib.rs list other modules, or in another order");
}

#[test]
fn a_file_has_at_most_400_lines_of_code_and_says_what_lives_there() {
    let mut problems = Vec::new();
    for source in all_sources() {
        let lines = source.code().count();
        if lines > 400 && !source.is_test() {
            problems.push(format!("{}: {lines} lines, 400 are allowed; divide it", source.shown()));
        }
        if !source.text.starts_with("//!") {
            problems.push(format!("{}: it does not begin with `//!`", source.shown()));
        }
    }
    check(&problems);
}

#[test]
fn nine_files_of_ten_have_at_most_350_lines() {
    let mut lines: Vec<_> = all_sources().iter().filter(|source| !source.is_test()).map(|source| source.code().count()).collect();
    lines.sort_unstable();
    let ninetieth = lines[lines.len() * 9 / 10];
    assert!(ninetieth <= 350, "the ninetieth percentile is {ninetieth} lines");
}

#[test]
fn a_library_is_named_only_where_it_belongs() {
    let places: [(&str, &[&str]); 26] = [
        ("age", &["provisioning-core/src/secrets/envelope.rs"]),
        ("petgraph", &["provisioning-core/src/graph.rs"]),
        ("hashbrown", &["provisioning-core/src/graph.rs"]),
        ("lz4_flex", &["provisioning-core/src/store/sqlite/packed.rs"]),
        ("rusqlite", &["provisioning-core/src/store/sqlite"]),
        ("nickel_lang_core", &["provisioning-core/src/config/nickel"]),
        ("minijinja", &["provisioning-core/src/value/render.rs"]),
        ("sha2", &["provisioning-core/src/digest.rs"]),
        ("hmac", &["provisioning-core/src/digest.rs"]),
        ("jiff", &["provisioning-core/src/clock.rs"]),
        ("getrandom", &["provisioning-core/src/clock.rs"]),
        ("jsonc_parser", &["provisioning-core/src/config/json.rs"]),
        ("strsim", &["provisioning-core/src/name.rs"]),
        ("similar", &["provisioning-core/src/resource/text.rs"]),
        ("clap", &["provisioning-cli/src"]),
        ("pyo3", &["provisioning-py/src"]),
        ("rtnetlink", &["provisioning-providers/src/local/link"]),
        ("netlink_sys", &["provisioning-providers/src/local/link"]),
        ("netlink_packet_core", &["provisioning-providers/src/local/link"]),
        ("landlock", &["provisioning-providers/src/local/keeper/isolation/confined.rs"]),
        ("hyper", &["provisioning-providers/src/local/keeper", "provisioning-core/src/testing/cloud"]),
        ("hyper_util", &["provisioning-providers/src/local/keeper", "provisioning-core/src/testing/cloud"]),
        ("http_body_util", &["provisioning-providers/src/local/keeper", "provisioning-core/src/testing/cloud"]),
        ("reqwest", &["provisioning-core/src/testing/cloud"]),
        ("flate2", &["provisioning-providers/src/local/image"]),
        ("tar", &["provisioning-providers/src/local/image"]),
    ];
    let mut problems = Vec::new();
    for source in all_sources().iter().filter(|source| !source.is_test()) {
        for (library, homes) in places {
            let named = source.code().any(|line| !line.trim_start().starts_with("//") && names(line, library));
            if named && !homes.iter().any(|home| source.shown().starts_with(home)) {
                problems.push(format!("{}: names `{library}`, which belongs to {}", source.shown(), homes.join(", ")));
            }
        }
    }
    check(&problems);
}

/// Whether a line has a path that begins with a library, and not with a longer word that ends like it.
fn names(line: &str, library: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(&format!("{library}::")).any(|(place, _)| !line[..place].ends_with(is_word))
}

#[test]
fn core_reads_neither_the_environment_nor_the_terminal_nor_the_clock() {
    let forbidden = [
        "std::env",
        "env::var",
        "std::io::stdin",
        "println!",
        "eprintln!",
        "SystemTime",
        "std::time::Instant",
        "static mut",
        "OnceLock",
        "LazyLock",
    ];
    let mut problems = Vec::new();
    for source in crate_sources("provisioning-core").iter().filter(|source| !source.is_test()) {
        for word in forbidden {
            if source.code().any(|line| !line.trim_start().starts_with("//") && line.contains(word)) {
                problems.push(format!("{}: `{word}`; let the face pass the value in", source.shown()));
            }
        }
    }
    check(&problems);
}

#[test]
fn names_say_what_a_thing_is() {
    let empty = ["utils", "util", "helpers", "helper", "common", "misc", "types", "manager", "handler", "base"];
    let mut problems = Vec::new();
    for source in all_sources() {
        for part in source.path.strip_prefix(root()).unwrap_or(&source.path) {
            let name = part.to_string_lossy();
            if empty.contains(&name.trim_end_matches(".rs")) {
                problems.push(format!("{}: `{name}` says nothing", source.shown()));
            }
        }
        for (number, line) in source.text.lines().enumerate() {
            if line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(") {
                problems.push(format!("{}:{}: use `#[expect(.., reason = \"..\")]`", source.shown(), number + 1));
            }
            if line.contains("TODO") || line.contains("FIXME") {
                problems.push(format!("{}:{}: a bare reminder", source.shown(), number + 1));
            }
        }
    }
    check(&problems);
}

#[test]
fn crates_depend_on_one_another_downwards_only() {
    let allowed: [(&str, &[&str]); 4] = [
        ("provisioning-core", &[]),
        ("provisioning-providers", &["provisioning-core"]),
        ("provisioning-cli", &["provisioning-core", "provisioning-providers"]),
        ("provisioning-py", &["provisioning-core", "provisioning-providers", "provisioning-cli"]),
    ];
    let mut problems = Vec::new();
    for (name, below) in allowed {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        let uses = dependencies
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|word| word.starts_with("provisioning-"));
        problems.extend(uses.filter(|used| !below.contains(used)).map(|used| format!("{name} depends on {used}")));
    }
    check(&problems);
}

#[test]
fn the_faces_are_thin() {
    let lines = |name: &str| crate_sources(name).iter().filter(|source| !source.is_test()).map(Source::code_lines).sum::<usize>();
    let core = lines("provisioning-core");
    for (face, hundredths) in [("provisioning-cli", 20), ("provisioning-py", 15)] {
        let lines = lines(face);
        assert!(lines * 100 <= core * hundredths, "{face} has {lines} lines of code, core {core}: {hundredths} % is allowed");
    }
}

#[test]
fn every_path_that_the_documents_name_exists() {
    let mut problems = Vec::new();
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap_or_else(|_| panic!("there is a {document}"));
        let prose = text.split("```").step_by(2).collect::<String>();
        for named in prose.split('`').skip(1).step_by(2) {
            // What begins so lies in somebody's workspace.
            let is_path = named.contains('/')
                && !named.starts_with("environments/")
                && !named.contains([' ', '<', '*', '$', '(', '{', '~'])
                && !named.starts_with(['.', '/', '-']);
            if is_path && !root().join(named).exists() && !root().join("provisioning-core/src").join(named).exists() {
                problems.push(format!("{document}: there is no `{named}`"));
            }
        }
    }
    check(&problems);
}

#[test]
fn the_cache_of_evaluations_knows_the_evaluator() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("a lock file");
    let version = lock.split("name = \"nickel-lang-core\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    let named = format!("\"nickel-lang-core {}\"", version.expect("the evaluator is locked"));
    let text = fs::read_to_string(root().join("provisioning-core/src/config/nickel/mod.rs")).expect("the evaluator's folder");
    assert!(text.contains(&named), "the key of the cache must name the evaluator: set `EVALUATOR` to {named}");
}

/// What a default in code looks like; the folder that one is in is no default of anybody's.
fn is_default(line: &str) -> bool {
    let literal = |rest: &str| rest.starts_with(|first: char| ('1'..='9').contains(&first)) || rest.starts_with("\"/");
    let falls_back = line.split("unwrap_or(").skip(1).any(literal);
    let words = ["default_value", "const DEFAULT", "serde(default = "];
    (falls_back || words.iter().any(|word| line.contains(word))) && !line.contains("default_value = \".\"")
}

#[test]
fn defaults_stand_in_data_files() {
    assert!(is_default("let limit = given.unwrap_or(16);") && is_default("#[arg(long, default_value_t = 20)]"));
    let mut problems = Vec::new();
    for source in all_sources().iter().filter(|source| !source.is_test()) {
        for (number, line) in source.code().enumerate().filter(|(_, line)| is_default(line)) {
            let told = "put it into defaults.toml or the schema of its kind";
            problems.push(format!("{}:{}: a default in code, {told}: {}", source.shown(), number + 1, line.trim()));
        }
    }
    check(&problems);
}
