//! Inputs: what sets them, of what types, and how wrong ones are told.

use super::fixture::Folder;
use crate::config::{Flag, Overrides, Workspace};
use crate::error::Result;
use crate::value::Value;

const TOML: &str = "providers.lab.type = 'local'\n[inputs]\nsize = 2\nname = 'web'\n[inputs.zone]\ntype = 'string'\n\
    summary = 'Where.'\n[outputs]\nsize = '${input.size}'\nname = '${input.name}-${input.size}'\nzone = '${input.zone}'\n";

const NICKEL: &str = r#"let p = import "provisioning.ncl" in {
  inputs = {
    size | Number | default = 2,
    name | default = "web",
    zone | String,
  },
  providers.lab = p.local {},
  outputs = { size = inputs.size, name = "%{inputs.name}-%{std.to_string inputs.size}", zone = "${input.zone}" },
} | p.Infrastructure"#;

/// A workspace with an environment, under some `--input`s.
fn load(entry: (&str, &str), environment: &str, given: &[(&str, &str)]) -> Result<Workspace> {
    let folder = Folder::new(&[("environments/prod.toml", environment), entry]);
    let inputs = given.iter().map(|(name, value)| Flag {
        name: format!("--input {name}"),
        key: format!("inputs.{name}"),
        value: (*value).to_owned(),
    });
    let environment = Flag { name: "--env".into(), key: "environment".into(), value: "prod".into() };
    folder.load_with(&Overrides { flags: std::iter::once(environment).chain(inputs).collect(), ..Overrides::default() })
}

fn outputs(workspace: &Workspace) -> [Value; 3] {
    ["size", "name", "zone"].map(|name| workspace.desired.outputs[name].value.clone())
}

#[test]
fn inputs_are_set_by_environments_and_flags_in_every_format() {
    for entry in [("main.toml", TOML), ("main.ncl", NICKEL)] {
        let workspace = load(entry, "inputs.zone = 'fi'", &[]).expect(entry.0);
        assert_eq!(outputs(&workspace), [Value::Integer(2), "web-2".into(), "fi".into()], "{}", entry.0);
        let given = [("size", "4"), ("name", "17"), ("zone", "de")];
        let workspace = load(entry, "[inputs]\nzone = 'fi'\nsize = 3", &given).expect(entry.0);
        assert_eq!(outputs(&workspace), [Value::Integer(4), "17-4".into(), "de".into()], "{}", entry.0);
    }
}

#[test]
fn a_value_from_an_input_is_written_where_the_input_was_set() {
    for (entry, default) in [(("main.toml", TOML), "main.toml:3:8"), (("main.ncl", NICKEL), "main.ncl:3:31")] {
        let place = |workspace: &Workspace| workspace.desired.outputs["size"].origin.as_ref().expect("placed").to_string();
        let workspace = load(entry, "inputs.zone = 'fi'\ninputs.size = 3", &[("size", "4")]).expect(entry.0);
        // An output is placed at its key in Nickel; what it is made of knows its own place.
        let origin = workspace.location.configuration.get("inputs.size").and_then(|node| node.origin.clone()).expect("placed");
        let over: Vec<_> =
            workspace.overridden(&origin).into_iter().map(|said| said.origin.expect("placed").to_string()).collect();
        assert_eq!(
            (origin.to_string().as_str(), over),
            ("--input size", vec![default.to_owned(), "environments/prod.toml:2:15".to_owned()])
        );
        assert!(!place(&workspace).is_empty());
    }
    let toml = format!("{TOML}[resources.a]\nkind = 'server'\nsize_gb = '${{input.size}}'\n");
    let nickel = NICKEL.replace("  outputs", "  resources.a = p.server { size_gb = inputs.size },\n  outputs");
    for (name, text) in [("main.toml", toml), ("main.ncl", nickel)] {
        let workspace = load((name, &text), "inputs.zone = 'fi'\ninputs.size = 3", &[]).expect(name);
        let declared = workspace.desired.resources.values().next().expect("declared");
        assert_eq!(declared.origins["size_gb"].to_string(), "environments/prod.toml:2:15", "{name}");
    }
}

#[test]
#[expect(clippy::type_complexity, reason = "a table of cases")]
fn a_wrong_input_is_told_what_is_wrong_and_where() {
    let cases: [(&str, &[(&str, &str)], &str); 5] = [
        (
            "inputs.zone = 'fi'\ninputs.sizes = 3",
            &[],
            "environments/prod.toml:2:16: `inputs.sizes`: is not an input of this workspace",
        ),
        (
            "inputs.zone = 'fi'\ninputs.size = 'big'",
            &[],
            "environments/prod.toml:2:15: `inputs.size`: expected number, found the string `big`",
        ),
        ("inputs.zone = 7", &[], "environments/prod.toml:1:15: `inputs.zone`: expected string, found the integer `7`"),
        ("inputs.zone = 'fi'", &[("size", "big")], "--input size: `inputs.size`: expected number, found the string `big`"),
        (
            "inputs.zone = '${net.id}'",
            &[],
            "environments/prod.toml:1:15: `inputs.zone`: `${net.id}` is a reference, and none can stand here",
        ),
    ];
    for entry in [("main.toml", TOML), ("main.ncl", NICKEL)] {
        for (environment, given, message) in cases {
            let error = load(entry, environment, given).expect_err(message);
            assert_eq!(error.to_string(), message, "{}", entry.0);
        }
    }
}

#[test]
fn what_is_known_of_inputs_is_explained_with_their_defaults() {
    for entry in [("main.toml", TOML), ("main.ncl", NICKEL)] {
        for environment in ["inputs.zone = 'fi'", "inputs.zone = 'fi'\ninputs.size = 3"] {
            let workspace = load(entry, environment, &[]).expect(entry.0);
            let said = workspace.explain_key("inputs.size").expect("an input");
            assert_eq!((said[0].layer, &said[0].value), ("declaration", &Value::Integer(2)), "{}", entry.0);
            assert!(workspace.settings().iter().any(|setting| setting.key == "inputs.name"), "{}", entry.0);
            let error = workspace.explain_key("inputs.siez").expect_err("none");
            assert_eq!(error.hint(), Some("did you mean `inputs.size`?"));
        }
    }
}

#[test]
fn a_variable_names_an_input_in_capitals_and_a_text_stays_one() {
    let text = "providers.lab.type = 'local'\n[inputs]\ndisk-size = 2\n[inputs.version]\ntype = 'string'\n[outputs]\n\
        a = '${input.disk-size}'\nb = '${input.version}'\n";
    let folder = Folder::new(&[("main.toml", text)]);
    let variables = [("PROVISIONING_INPUT_DISK_SIZE", "4"), ("PROVISIONING_INPUT_VERSION", "1.10")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let workspace = folder.load_with(&Overrides { variables, ..Overrides::default() }).expect("loads");
    let outputs: Vec<_> = workspace.desired.outputs.values().map(|output| output.value.clone()).collect();
    assert_eq!(outputs, [Value::Integer(4), "1.10".into()]);
    let nickel = NICKEL.replace("zone | String", "zone | std.string.NonEmpty");
    let workspace = load(("main.ncl", &nickel), "", &[("zone", "1.10")]).expect("a contract of the user's own");
    assert_eq!(workspace.desired.outputs["zone"].value, "1.10".into());
}

#[test]
fn an_input_without_a_value_says_how_to_give_one() {
    let ways = "set it in `provisioning.toml`, in `environments/NAME.toml`, or with the variable `PROVISIONING_INPUT_ZONE`; \
        `--input zone=VALUE` gives it once";
    for (entry, message) in [
        (("main.toml", TOML), "main.toml:5:9: `inputs.zone`: is required (string), and has no value"),
        (("main.ncl", NICKEL), "main.ncl:5:5: `inputs.zone`: is required (string), and has no value"),
    ] {
        let error = load(entry, "", &[]).expect_err("missing");
        assert_eq!((error.to_string().as_str(), error.hint()), (message, Some(ways)));
    }
}

#[test]
fn a_wrong_declaration_of_an_input_is_told() {
    let cases = [
        ("[inputs.a]\ntype = 'strng'", "main.toml:2:8: `inputs.a.type`: is not the type of an input"),
        (
            "[inputs.a]\ntype = 'integer'\ndefault = 'x'",
            "main.toml:3:11: `inputs.a.default`: expected integer, found the string `x`",
        ),
        ("[inputs.a]\ntype = 'integer'\ndefualt = 1", "main.toml:3:11: `inputs.a.defualt`: is not a part of an input"),
        ("inputs = 1", "main.toml:1:10: `inputs`: expected a map by name, found an integer"),
        ("inputs.'1a' = 1", "main.toml:1:15: `inputs.1a`: is not a name: letters, digits, `_` and `-` after a first letter"),
        ("inputs.a = 1\noutputs.b = '${input.c}'", "main.toml:2:13: `outputs.b`: `${input.c}`: there is no input `c`"),
        ("inputs.a = [1]\noutputs.b = 'x${input.a}'", "main.toml:2:13: `outputs.b`: `${input.a}` is a list and stands amid text"),
        (
            "outputs.b = '${env.HOME}'",
            "main.toml:1:13: `outputs.b`: `${env.HOME}`: the variable `HOME` is not set, or not listed",
        ),
    ];
    for (text, message) in cases {
        let error = load(("main.toml", text), "", &[]).expect_err(text);
        assert_eq!(error.diagnostics()[0].to_string(), message);
    }
}
