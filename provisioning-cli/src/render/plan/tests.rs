//! Plans made by hand, and what a person reads of them.

use std::sync::Arc;

use provisioning_core::clock::Timestamp;
use provisioning_core::digest::Digest;
use provisioning_core::name::{Kind, ProviderName, ResourceName, WorkspaceId};
use provisioning_core::plan::FORMAT;
use provisioning_core::resource::{Output, Role};

use super::super::plain;
use super::*;

/// What a person reads of a plan where no output is given yet.
fn shown(plan: &Plan) -> String {
    plain(&super::plan(plan, &BTreeMap::new(), View::SHORT))
}

/// A plan with these changes and four unchanged resources.
pub(crate) fn sample(changes: Vec<ResourceChange>) -> Plan {
    Plan {
        secrets: BTreeMap::new(),
        format: FORMAT,
        workspace: WorkspaceId::new(7),
        created_at: Timestamp::from_millis(0),
        command: Command::Apply,
        undoes: None,
        changes: Arc::new(changes),
        unchanged: 4,
        compared: 4,
        steps: Arc::default(),
        providers: BTreeMap::new(),
        lookups: BTreeMap::new(),
        outputs: BTreeMap::new(),
        changed_outputs: vec![],
        checkpoints: BTreeMap::new(),
        basis: BTreeMap::new(),
    }
}

fn change(change: ChangeKind, kind: &str, name: &str, fields: Vec<FieldChange>) -> ResourceChange {
    ResourceChange {
        name: ResourceName::parse(name).expect("a name"),
        kind: Kind::parse(kind).expect("a kind"),
        role: Role::Managed { provider: ProviderName::parse("lab").expect("an alias") },
        change,
        reason: None,
        fields,
        undo: Undo::default(),
        origin: None,
    }
}

fn field(name: &str, before: impl Into<Value>, after: impl Into<Value>) -> FieldChange {
    let (before, after) = (before.into(), after.into());
    FieldChange {
        field: name.into(),
        before,
        after,
        cause: Cause::Edited,
        forces_replacement: false,
        origin: None,
        texts: Vec::new(),
    }
}

fn at(line: u32) -> Origin {
    Origin { file: "main.ncl".into(), line, column: 5 }
}

fn lossy(reason: &str) -> Undo {
    Undo { class: UndoClass::Lossy, reason: reason.into() }
}

fn of_every_sort() -> Vec<ResourceChange> {
    let storage = |size: i64| Value::list([Value::map([("size_gb", Value::from(size)), ("tier", "ssd".into())])]);
    let server = vec![
        field("network", Value::Null, Value::Unknown),
        field("plan", Value::Null, "2xCPU-4GB"),
        field("storage", Value::Null, storage(20)),
        field("user_data", Value::Null, "#!/bin/sh\necho one\n"),
    ];
    let mut drifted = field("mode", "0600", "0644");
    drifted.cause = Cause::Drifted;
    let content = FieldChange {
        origin: Some(at(31)),
        ..field("content", Value::Digest(Digest::of(b"a")), Value::Digest(Digest::of(b"b")))
    };
    let size = FieldChange { forces_replacement: true, origin: Some(at(40)), ..field("disks", storage(10), storage(20)) };
    vec![
        ResourceChange { origin: Some(at(12)), ..change(ChangeKind::Create, "server", "web", server) },
        ResourceChange {
            origin: Some(at(30)),
            ..change(ChangeKind::Update, "file", "motd", vec![content, drifted, field("note", "old", Value::Null)])
        },
        ResourceChange { undo: lossy("the data is gone"), ..change(ChangeKind::Replace, "volume", "data", vec![size]) },
        ResourceChange {
            reason: Some("asked for with --replace".into()),
            ..change(ChangeKind::ReplaceBefore, "server", "proxy", vec![])
        },
        ResourceChange {
            undo: Undo { class: UndoClass::Irreversible, reason: "the key cannot be made again".into() },
            ..change(ChangeKind::Delete, "key", "old", vec![])
        },
        change(ChangeKind::Read, "image", "debian", vec![]),
        change(ChangeKind::Forget, "value", "note", vec![]),
    ]
}

#[test]
fn every_sort_of_change_is_told_apart_without_colours() {
    let expect = r##"Provisioning will:

  + create server web  main.ncl:12
      network    (known after apply)
      plan       "2xCPU-4GB"
      storage    [{ size_gb = 20, tier = "ssd" }]
      user_data  "#!/bin/sh…" (2 lines, 19 bytes)

  ~ update file motd  main.ncl:30
      ~ content  sha256:ca978112ca1b… -> sha256:3e23e8160039…  main.ncl:31
      ~ mode     "0600" -> "0644"  # changed outside
      - note     "old"

-/+ replace volume data
      ~ disks[0].size_gb  10 -> 20  # forces replacement  main.ncl:40
      ! undoing this is lossy: the data is gone

+/- replace server proxy  # the new one is made first; asked for with --replace

  - delete key old
      ! this cannot be undone: the key cannot be made again

  > read image debian

  » forget value note  # the state drops it, the object stays

Plan: 1 to create, 1 to update, 2 to replace, 1 to delete, 1 to read, 1 to forget, 4 unchanged.
"##;
    assert_eq!(shown(&sample(of_every_sort())), expect);
}

#[test]
fn a_plan_of_many_routine_changes_lists_them_by_name() {
    let mut changes: Vec<_> = (0..60)
        .map(|number| change(ChangeKind::Create, "value", &format!("r{number:02}"), vec![field("a", Value::Null, "b")]))
        .collect();
    for name in ["data", "logs"] {
        changes.push(ResourceChange { undo: lossy("the data is gone"), ..change(ChangeKind::Delete, "volume", name, vec![]) });
    }
    let expect = r"Provisioning will:

  + create 60 of kind value:
      r00  r01  r02  r03  r04  r05  r06  r07  r08  r09  r10  r11  r12  r13  r14  r15  r16  r17
      r18  r19  r20  r21  r22  r23  r24  r25  r26  r27  r28  r29  r30  r31  r32  r33  r34  r35
      r36  r37  r38  r39  r40  r41  r42  r43  r44  r45  r46  r47  r48  r49  r50  r51  r52  r53
      r54  r55  r56  r57  r58  r59

  - delete 2 of kind volume:
      data  logs
      ! undoing this is lossy: the data is gone

The fields of what is listed by name are in `provisioning plan --json`.
Plan: 60 to create, 0 to update, 0 to replace, 2 to delete, 4 unchanged.
";
    assert_eq!(shown(&sample(changes)), expect);
}

#[test]
fn nothing_to_do_is_one_sentence() {
    let none = |command, unchanged| shown(&Plan { command, unchanged, ..sample(vec![]) });
    assert_eq!(none(Command::Apply, 4), "No changes. The world is as declared (4 resources).\n");
    let many = "No changes. The world is as declared (100 resources, 4 compared field by field).\n";
    assert_eq!(none(Command::Apply, 100), many);
    assert_eq!(none(Command::Apply, 0), "No changes. Nothing is declared, and nothing is there.\n");
    assert_eq!(none(Command::Destroy, 0), "No changes. There is nothing to remove.\n");
    assert_eq!(none(Command::Refresh, 4), "No changes. The state agrees with the world.\n");
}

#[test]
fn outputs_that_change_are_shown_as_they_are_written() {
    let output = |sensitive| Output { value: "${web.address}".into(), sensitive, origin: None };
    let changed = Plan {
        outputs: BTreeMap::from([("address".to_owned(), output(false)), ("secret".to_owned(), output(true))]),
        changed_outputs: ["address", "gone", "secret"].map(str::to_owned).to_vec(),
        ..sample(vec![])
    };
    let expect = "Provisioning will:

  ~ output address  \"${web.address}\"
  - output gone
  + output secret  (sensitive)

Plan: 0 to create, 0 to update, 0 to replace, 0 to delete, 4 unchanged.
";
    let given = OutputValue { value: Value::Unknown, sensitive: false };
    let given = BTreeMap::from(["address", "gone"].map(|name| (name.to_owned(), given.clone())));
    assert_eq!(plain(&plan(&changed, &given, View::SHORT)), expect);
}
