//! Layers of the configuration: which one wins, what each may say, and how one can look at them.

use super::fixture::Folder;
use crate::config::{Flag, Location, Overrides, Settings};
use crate::error::{ErrorKind, Result};
use crate::value::Value;

/// A workspace with a file of the user's, two environments, and a document that needs nothing.
fn folder(manifest: &str) -> Folder {
    Folder::new(&[
        ("provisioning.toml", manifest),
        ("user.toml", "[settings]\ntimeout_seconds = 20\n[settings.limits]\nrun = 3\n"),
        ("environments/prod.toml", "[settings]\ntimeout_seconds = 40\n"),
        ("environments/dev.toml", ""),
        (
            "main.toml",
            "providers.lab.type = 'local'\n[outputs]\na = '${config.settings.timeout_seconds}'\n\
            b = 'in ${workspace.environment} of ${workspace.name}'\nc = '${env.HOST}'\n",
        ),
    ])
}

fn overrides(folder: &Folder, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Overrides {
    let flag = |(key, value): &(&str, &str)| Flag { name: "--flag".into(), key: (*key).into(), value: (*value).into() };
    Overrides {
        user: Some(folder.path().join("user.toml")),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        flags: flags.iter().map(flag).collect(),
    }
}

fn open(folder: &Folder, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Location> {
    Location::open(folder.path(), &overrides(folder, variables, flags))
}

const VARIABLE: (&str, &str) = ("PROVISIONING_SETTINGS_TIMEOUT_SECONDS", "50");

#[test]
fn each_layer_overrides_the_ones_before_it() {
    let folder = folder("[settings]\ntimeout_seconds = 30\n");
    let timeout = |variables: &[(&str, &str)], flags: &[(&str, &str)]| {
        open(&folder, variables, flags).expect("opens").settings.timeout_seconds.to_string()
    };
    let bare = Location::open(Folder::new(&[]).path(), &Overrides::default()).expect("opens");
    assert_eq!(bare.settings, Settings::shipped());
    assert_eq!(timeout(&[], &[]), "30");
    assert_eq!(timeout(&[], &[("environment", "prod")]), "40");
    assert_eq!(timeout(&[VARIABLE], &[("environment", "prod")]), "50");
    assert_eq!(timeout(&[VARIABLE], &[("environment", "prod"), ("settings.timeout_seconds", "60")]), "60");
    assert_eq!(open(&folder, &[], &[]).expect("opens").settings.limits.run, 3, "the user's layer is left");
}

#[test]
fn a_key_that_is_set_in_every_layer_is_explained_layer_by_layer() {
    let folder = folder("[settings]\ntimeout_seconds = 30\n");
    let location = open(&folder, &[VARIABLE], &[("environment", "prod"), ("settings.timeout_seconds", "60")]).expect("opens");
    let said = location.configuration.explain("settings.timeout_seconds").expect("a key");
    let said: Vec<_> = said
        .into_iter()
        .map(|setting| {
            let place = setting.origin.expect("placed").to_string().replace(&format!("{}/", folder.path().display()), "");
            format!("{} {} {:?}", setting.layer, place, setting.value)
        })
        .collect();
    let expected = [
        "defaults defaults.toml:8:19 Float(600.0)",
        "user user.toml:2:19 Integer(20)",
        "workspace provisioning.toml:2:19 Integer(30)",
        "environment environments/prod.toml:2:19 Integer(40)",
        "variable PROVISIONING_SETTINGS_TIMEOUT_SECONDS Integer(50)",
        "flag --flag Integer(60)",
    ];
    assert_eq!(said, expected);
    let keys: Vec<_> =
        location.configuration.explain("settings.retry").expect("a section").into_iter().map(|said| said.key).collect();
    assert_eq!(keys, ["settings.retry.attempts", "settings.retry.initial_seconds", "settings.retry.max_seconds"]);
    assert_eq!(location.configuration.explain("name").expect("nobody sets it"), []);
    let error = location.configuration.explain("settings.timeout").expect_err("no key");
    assert_eq!((error.kind(), error.hint()), (ErrorKind::NotFound, Some("did you mean `settings.timeout_seconds`?")));
}

#[test]
fn a_document_refers_to_what_is_configured() {
    let folder = folder("name = 'shop'\nenv = ['HOST']\nenvironment = 'dev'\n");
    let workspace = folder.load_with(&overrides(&folder, &[("HOST", "here"), ("OTHER", "x")], &[])).expect("loads");
    let outputs: Vec<_> = workspace.desired.outputs.values().map(|output| format!("{:?}", output.value)).collect();
    assert_eq!(outputs, ["Integer(20)", "String(\"in dev of shop\")", "String(\"here\")"]);
}

#[test]
fn every_environment_has_a_store_and_a_site_of_its_own() {
    let plain = folder("");
    let [none, dev] = [&[][..], &[("environment", "dev")]].map(|flags| open(&plain, &[], flags).expect("opens"));
    assert!(none.store.ends_with(".provisioning/state.db") && none.site().ends_with(".provisioning"));
    assert!(dev.store.ends_with(".provisioning/environments/dev/state.db"), "{}", dev.store.display());
    assert!(dev.site().ends_with(".provisioning/environments/dev"));
    let own = folder("store = '/var/shop-${workspace.environment}.db'");
    let location = open(&own, &[], &[("environment", "prod")]).expect("opens");
    assert_eq!(location.store.to_str(), Some("/var/shop-prod.db"));
    let shared = folder("\nstore = 'state.db'");
    let error = open(&shared, &[], &[("environment", "prod")]).expect_err("shared");
    assert_eq!(error.to_string(), "provisioning.toml:2:9: `store`: every environment would use the same store, `prod` too");
    assert!(open(&shared, &[], &[]).is_ok());
    let variable = ("PROVISIONING_STORE", "/var/one.db");
    let error = open(&plain, &[variable], &[("environment", "dev")]).expect_err("shared");
    assert_eq!(error.to_string(), "PROVISIONING_STORE: `store`: every environment would use the same store, `dev` too");
}

#[test]
fn a_secret_comes_from_the_one_place_that_the_strongest_layer_names() {
    let files = [
        ("provisioning.toml", "[secrets]\ndb.env = 'DB'\nkey.command = ['pass', 'show', '--token=x']"),
        ("environments/prod.toml", "[secrets]\ndb.file = '/run/db'"),
    ];
    let location = open(&Folder::new(&files), &[], &[("environment", "prod")]).expect("opens");
    let sources: Vec<_> = location.secrets.values().map(ToString::to_string).collect();
    assert_eq!(sources, ["the file `/run/db`", "the command `pass`"]);
    let command = location.configuration.explain("secrets.key").expect("a key");
    assert_eq!(command[0].value, Value::list(["pass".into(), "…".into()]), "an argument may be a secret");
}

#[test]
fn a_key_with_a_dot_in_it_is_one_key() {
    let location = open(&folder("[settings.limits.kinds]\n'a.b' = 2"), &[], &[]).expect("opens");
    let key = "settings.limits.kinds.\"a.b\"";
    assert_eq!(location.configuration.explain(key).expect("a key")[0].value, Value::Integer(2));
    assert!(location.configuration.settings().iter().any(|setting| setting.key == key));
    assert_eq!(location.configuration.explain("settings.limits.kinds.file").expect("it could be set"), []);
}

#[test]
fn a_wrong_layer_is_told_what_is_wrong_and_where() {
    let range = "it must be above 0 and at most 1000000000";
    let cases = [
        ("[settings]\ntimeout_second = 5", "provisioning.toml:2:18: `settings.timeout_second`: is not a field here".to_owned()),
        (
            "[settings]\ntimeout_seconds = 0",
            format!("provisioning.toml:2:19: `settings.timeout_seconds`: `0` is out of range: {range}"),
        ),
        ("[settings.limits]\nrun = -1", format!("provisioning.toml:2:7: `settings.limits.run`: `-1` is out of range: {range}")),
        (
            "[settings.retry]\nattempts = 1.5",
            "provisioning.toml:2:12: `settings.retry.attempts`: expected integer, found the number `1.5`".to_owned(),
        ),
        (
            "settings.on_failure = 'explode'",
            "provisioning.toml:1:23: `settings.on_failure`: `explode` is not one of `stop`, `continue`, `rollback`".to_owned(),
        ),
        (
            "settings.lease_seconds = '${x.y}'",
            "provisioning.toml:1:26: `settings.lease_seconds`: `${x.y}` is a reference, and none can stand here".to_owned(),
        ),
        (
            "secrets.a = {}",
            "provisioning.toml:1:9: `secrets.a`: expected one of `age`, `env`, `file` and `command`, with something in it"
                .to_owned(),
        ),
        (
            "[secrets.a]\nenv = 'A'\nfile = 'a'",
            "provisioning.toml:1:10: `secrets.a`: expected one of `age`, `env`, `file` and `command`, with something in it"
                .to_owned(),
        ),
        ("secrets.a.comand = []", "provisioning.toml:1:20: `secrets.a.comand`: is not a field here".to_owned()),
        ("environment = 'pord'", "provisioning.toml:1:15: `environment`: there is no environment `pord`".to_owned()),
        ("environment = '../x'", "provisioning.toml:1:15: `environment`: there is no environment `../x`".to_owned()),
    ];
    for (text, message) in cases {
        assert_eq!(open(&folder(text), &[], &[]).expect_err(text).to_string(), message);
    }
    let error = open(&folder("environment = 'pord'"), &[], &[]).expect_err("unknown");
    assert_eq!(error.hint(), Some("did you mean `prod`?"));
}

#[test]
fn a_key_in_the_wrong_layer_is_refused() {
    let files =
        [("user.toml", "\nname = 'x'"), ("environments/e.toml", "environment = 'f'"), ("provisioning.toml", "environment = 'e'")];
    let folder = Folder::new(&files);
    let error = open(&folder, &[], &[]).expect_err("refused");
    let said: Vec<_> = error.diagnostics().iter().map(ToString::to_string).collect();
    let user = folder.path().join("user.toml");
    assert_eq!(
        said,
        [
            format!("{}:2:8: `name`: belongs to one workspace: write it into its `provisioning.toml`", user.display()),
            "environments/e.toml:1:15: `environment`: is chosen outside of an environment: in `provisioning.toml` or by `--env`"
                .to_owned(),
        ]
    );
}

#[test]
fn a_wrong_variable_is_named() {
    let folder = folder("");
    let cases = [
        (
            ("PROVISIONING_SETTINGS_LIMITS_RUN", "many"),
            "PROVISIONING_SETTINGS_LIMITS_RUN: `settings.limits.run`: expected integer, found `many`",
        ),
        (("PROVISIONING_SETTINGS_LIMIT_RUN", "1"), "PROVISIONING_SETTINGS_LIMIT_RUN: is not a variable that sets anything"),
        (
            ("PROVISIONING_SETTINGS_ON_FAILURE", "x"),
            "PROVISIONING_SETTINGS_ON_FAILURE: `settings.on_failure`: `x` is not one of `stop`, `continue`, `rollback`",
        ),
    ];
    for (variable, message) in cases {
        assert_eq!(open(&folder, &[variable], &[]).expect_err(message).to_string(), message);
    }
    let error = open(&folder, &[("PROVISIONING_SETTINGS_LIMIT_RUN", "1")], &[]).expect_err("unknown");
    assert_eq!(error.hint(), Some("did you mean `PROVISIONING_SETTINGS_LIMITS_RUN`?"));
    assert!(open(&folder, &[("PROVISIONING_MACHINE", "x"), ("PATH", "/bin")], &[]).is_ok());
}
