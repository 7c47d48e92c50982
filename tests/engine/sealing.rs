//! Secrets of the workspace: read where they are needed, kept sealed, and had again when the state needs them.

use provisioning_core::engine::{Control, PlanOptions, Refresh};
use provisioning_core::error::{Error, ErrorKind};
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::seal::Keyring;
use provisioning_core::testing::SeededIds;
use provisioning_core::value::{Secret, Value};
use serde_json::json;

use crate::bank::{Bank, House};

const ACCOUNT: &str = "[resources.ann]\nkind = 'account'\nlogin = 'ann'\npassword = '${secret.ann}'\n";

fn told(error: &Error) -> String {
    format!("{error} | {}", error.hint().unwrap_or_default())
}

fn secret(text: &str) -> Value {
    Value::Secret(Secret::new(text.into()))
}

#[tokio::test]
async fn a_rollback_restores_the_old_secret() {
    let house = House::with_keys();
    house.secrets.set("ann", "the first password");
    house.apply(ACCOUNT).await;
    let before = house.engine.state().await.expect("rows");
    house.secrets.set("ann", "the second password");
    assert_eq!(house.apply(ACCOUNT).await, ["ann/update"], "a changed secret is a change");
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("the second password"));
    house.roll_back().await;
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("the first password"));
    assert_eq!(house.engine.state().await.expect("rows")["ann"].inputs, before["ann"].inputs);
    // What is declared is the reference still, and leads to the second one.
    assert_eq!(house.apply(ACCOUNT).await, ["ann/update"]);
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("the second password"));
    assert!(house.plan(ACCOUNT).await.is_empty());
}

#[tokio::test]
async fn a_destroyed_account_is_made_again_with_a_secret_that_is_gone() {
    let house = House::with_keys();
    house.secrets.set("ann", "the first password");
    let document = format!("{ACCOUNT}letter = 'dear ${{secret.ann}}'\n");
    house.apply(&document).await;
    house.apply("").await;
    house.secrets.remove("ann");
    house.roll_back().await;
    let account = house.bank.account("ann");
    assert_eq!(account.password.as_deref(), Some("the first password"));
    assert_eq!(account.letter.as_deref(), Some("dear the first password"), "also what is write-only");
}

#[tokio::test]
async fn without_keys_a_rollback_works_as_long_as_the_secret_is_the_same() {
    let house = House::without_keys();
    house.secrets.set("ann", "the first password");
    house.apply(ACCOUNT).await;
    house.apply(&format!("{ACCOUNT}note = 'new'\n")).await;
    house.roll_back().await;
    assert_eq!(house.engine.state().await.expect("rows")["ann"].written.field("password"), Some(&"${secret.ann}".into()));
    house.secrets.set("ann", "the second password");
    house.apply(ACCOUNT).await;
    let error = house.engine.plan_rollback(None).await.expect_err("the first one is kept nowhere");
    let expected =
        "`ann` cannot be made as it was: only a digest is kept of its `password` | declare what you want, and apply that";
    assert_eq!((error.kind(), told(&error).as_str()), (ErrorKind::Conflict, expected));
}

const LATER: &str = "[resources.bob]\nkind = 'account'\nlogin = 'bob'\nnote = { from = 'no. ${ann.number}' }\n";

#[tokio::test]
async fn a_secret_output_is_had_again_in_a_later_run() {
    for refresh in [Refresh::Read, Refresh::Skip] {
        let house = House::with_keys();
        house.secrets.set("ann", "the first password");
        house.apply(ACCOUNT).await;
        // The bank tells a number once; an update does not lose it, either.
        house.apply(&format!("{ACCOUNT}note = 'new'\n")).await;
        house.bank.meddle("ann", "meddled with");
        let document = format!("{ACCOUNT}note = 'new'\n{LATER}[outputs]\nnumber = '${{ann.number}}'\n");
        let options = PlanOptions { refresh, ..PlanOptions::new(Command::Apply) };
        house.bank.take_calls();
        let plan = house.engine.plan(&house.declared(&document).expect("right"), &options).await.expect("a plan");
        assert_eq!(house.carry_out(&plan).await.outcome, Outcome::Completed);
        assert_eq!(house.bank.account("bob").note, json!({ "from": format!("no. {}", Bank::number(1)) }));
        let asked: Vec<_> = house.bank.take_calls().into_iter().filter(|call| call == "read").collect();
        assert_eq!(asked.len(), usize::from(refresh == Refresh::Read), "it is not asked for its number");
        let output = house.engine.outputs().await.expect("outputs")["number"].clone();
        assert_eq!((output.value, output.sensitive), (secret(&Bank::number(1)), true));
        assert_eq!(house.engine.verify().await.expect("read").problem, None);
    }
}

#[tokio::test]
async fn a_resumed_run_has_the_secret_outputs_of_what_it_did_before() {
    let house = House::with_keys();
    house.secrets.set("ann", "the first password");
    let plan = house.plan(&format!("{ACCOUNT}{LATER}")).await;
    house.bank.refuse("create bob");
    assert_eq!(house.carry_out(&plan).await.outcome, Outcome::Failed);
    house.bank.take_calls();
    let report = house.second().resume(None, &Control::new()).await.expect("a report");
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.failures);
    assert_eq!(house.bank.take_calls(), ["create bob"], "nothing is read again");
    assert_eq!(house.bank.account("bob").note, json!({ "from": format!("no. {}", Bank::number(1)) }));
}

#[tokio::test]
async fn a_literal_secret_is_refused_where_it_stands_unless_there_are_keys() {
    let document = "[resources.ann]\nkind = 'account'\nlogin = 'ann'\npassword = 'open sesame'\nsafe = { name = 's', code = '1234567' }\n\
        [providers.bank]\ntype = 'bank'\ntoken = 'letmein'\n";
    let house = House::without_keys();
    let desired = house.declared(document).expect("it can be read");
    let planned = house.engine.plan(&desired, &PlanOptions::new(Command::Apply)).await.expect_err("nothing could keep it");
    let refused = house.engine.validate(&desired).expect_err("nothing could keep it");
    let message = "is sensitive and stands here itself; the workspace has no keys under which it could be kept";
    let told: Vec<_> = refused.diagnostics().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            format!("main.toml:10:9: `providers.bank.token`: {message}"),
            format!("main.toml:6:12: `resources.ann.password`: {message}"),
            format!("main.toml:7:1: `resources.ann.safe.code`: {message}"),
        ]
    );
    assert_eq!(refused.hint(), Some("keep it with `provisioning secrets set NAME` and write `${secret.NAME}`"));
    assert_eq!(planned.diagnostics(), refused.diagnostics());

    let house = House::with_keys();
    house.engine.validate(&house.declared(document).expect("right")).expect("there are keys");
    house.apply(document).await;
    let account = house.bank.account("ann");
    assert_eq!((account.password.as_deref(), &account.safe["code"]), (Some("open sesame"), &json!("1234567")));
    assert_eq!(house.bank.tokens(), ["letmein"]);
    assert!(house.plan(document).await.is_empty());
    house.apply(&document.replace("open sesame", "open barley")).await;
    house.roll_back().await;
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("open sesame"));
    assert!(house.plan(document).await.is_empty());
}

#[tokio::test]
async fn an_unknown_secret_is_reported_with_the_nearest_name_and_its_place() {
    let house = House::without_keys();
    house.secrets.set("database", "x");
    house.secrets.lock();
    let cases = [
        (
            "password = '${secret.databse}'",
            "main.toml:7:12: `resources.ann.password`: `${secret.databse}`: there is no secret `databse` | did you mean `database`?",
        ),
        (
            "note = ['a ${secret.database.x}']",
            "main.toml:7:8: `resources.ann.note`: `${secret.database.x}`: a secret has no parts | write `${secret.NAME}`",
        ),
        (
            "[outputs]\nkey = '${secret.k}'",
            "main.toml:8:7: `outputs.key`: `${secret.k}`: there is no secret `k` | known here: `database`",
        ),
    ];
    for (text, expected) in cases {
        let document = format!("[resources.ann]\nkind = 'account'\nlogin = 'ann'\n{text}\n");
        let desired = house.declared(&document).expect("it can be read");
        let error = house.engine.validate(&desired).expect_err(text);
        assert_eq!(told(&error), expected);
        let planned = house.engine.plan(&desired, &PlanOptions::new(Command::Apply)).await.expect_err(text);
        assert_eq!(told(&planned), expected);
    }
    assert_eq!(house.secrets.take_reads(), [""; 0], "validating reads no secret");
    house
        .engine
        .validate(&house.declared(&ACCOUNT.replace("secret.ann", "secret.database")).expect("right"))
        .expect("it needs no identity");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_an_error_that_names_who_needs_it() {
    let house = House::without_keys();
    house.secrets.set("ann", "the first password");
    house.secrets.lock();
    let error = house.try_plan(ACCOUNT).await.expect_err("no identity");
    let expected = "main.toml:7:12: `resources.ann.password`: the secret `ann` cannot be read: no identity opens it | bring the right identity";
    assert_eq!((error.kind(), told(&error).as_str()), (ErrorKind::Denied, expected));
    house.secrets.unlock();
    let plan = house.plan(ACCOUNT).await;
    house.secrets.lock();
    let error = house.engine.apply(&plan, &Control::new()).await.expect_err("no identity");
    let expected =
        "the step `ann/create` needs the secret `ann`, which cannot be read: no identity opens it | bring the right identity";
    assert_eq!((error.kind(), told(&error).as_str()), (ErrorKind::Denied, expected));
    assert!(house.engine.status().await.expect("status").lease.is_none(), "it was read before the workspace was taken");
    assert!(house.engine.runs().await.expect("runs").is_empty());
}

#[tokio::test]
async fn each_secret_is_read_once_and_only_where_it_is_referred_to() {
    let house = House::with_keys();
    for name in ["ann", "bob", "token", "unused"] {
        house.secrets.set(name, format!("the secret of {name}"));
    }
    let document = format!(
        "{ACCOUNT}note = 'as ${{secret.ann}} and ${{secret.bob}}'\n[providers.bank]\ntype = 'bank'\ntoken = '${{secret.token}}'\n"
    );
    let plan = house.plan(&document).await;
    assert_eq!(house.secrets.take_reads(), ["ann", "bob", "token"]);
    assert_eq!(plan.steps[0].inputs.field("password"), Some(&"${secret.ann}".into()), "the plan has the reference");
    house.carry_out(&plan).await;
    assert_eq!(house.secrets.take_reads(), ["ann", "bob", "token"]);
    let account = house.bank.account("ann");
    assert_eq!(account.note, json!("as the secret of ann and the secret of bob"));
    assert_eq!(house.bank.tokens(), ["the secret of token"]);
    assert!(house.plan(&document).await.is_empty());
    house.secrets.take_reads();
    house.apply("[providers.bank]\ntype = 'bank'\ntoken = '${secret.token}'\n").await;
    assert_eq!(house.secrets.take_reads(), ["token", "token"], "a removal needs who removes it");
}

#[tokio::test]
async fn whoever_has_no_identity_can_look_and_changes_nothing() {
    let house = House::with_keys();
    house.secrets.set("ann", "the first password");
    let document = format!("{ACCOUNT}{LATER}[outputs]\nnumber = '${{ann.number}}'\nopen = '${{secret.ann}}'\n");
    house.apply(&document).await;
    let outputs = house.engine.outputs().await.expect("outputs");
    assert_eq!((&outputs["open"].value, outputs["open"].sensitive), (&secret("the first password"), true));
    house.secrets.lock();
    let outputs = house.engine.outputs().await.expect("outputs");
    assert!(outputs.values().all(|output| output.sensitive && !output.value.has_secret()), "{outputs:?}");
    assert_eq!(house.engine.verify().await.expect("read").problem, None);
    assert_eq!(house.engine.state().await.expect("rows").len(), 2);
    assert_eq!(house.try_plan(&document).await.expect_err("no keys").kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn keys_that_come_later_and_keys_that_change_make_no_difference_to_a_plan() {
    let house = House::without_keys();
    house.secrets.set("ann", "the first password");
    house.apply(ACCOUNT).await;
    let ids = SeededIds::new(1);
    let ring = Keyring::fresh(&ids);
    let _same = house.secrets.clone().with_keys(ring.clone());
    assert!(house.plan(ACCOUNT).await.is_empty());
    house.apply(&format!("{ACCOUNT}note = 1\n")).await;
    let _same = house.secrets.clone().with_keys(ring.rotated(&ids));
    assert!(house.plan(&format!("{ACCOUNT}note = 1\n")).await.is_empty());
    house.secrets.set("ann", "the second password");
    house.apply(ACCOUNT).await;
    house.roll_back().await;
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("the first password"), "the old key still opens it");
}

#[tokio::test]
async fn a_resource_that_gets_another_name_keeps_its_secrets() {
    let house = House::with_keys();
    house.secrets.set("ann", "the first password");
    house.apply(ACCOUNT).await;
    let renamed = ACCOUNT.replace("resources.ann", "resources.anna") + "lifecycle = { moved_from = 'ann' }\n";
    let document = format!("{renamed}{}", LATER.replace("ann.", "anna."));
    assert_eq!(house.apply(&document).await, ["anna/rename", "bob/create"]);
    assert_eq!(house.bank.account("bob").note, json!({ "from": format!("no. {}", Bank::number(1)) }));
}

#[tokio::test]
async fn what_is_settled_needs_no_secret_of_what_was_not_begun() {
    let house = House::with_keys();
    house.secrets.set("ann", "the first password");
    house.secrets.set("bob", "the other password");
    let bob = "[resources.bob]\nkind = 'account'\nlogin = 'bob'\npassword = '${secret.bob}'\nnote = '${ann.id}'\n";
    let plan = house.plan(&format!("{ACCOUNT}{bob}")).await;
    house.bank.lose("ann");
    let report = house.carry_out(&plan).await;
    assert_eq!((report.outcome, report.in_doubt.len()), (Outcome::Failed, 1), "{:?}", report.failures);
    house.secrets.remove("bob");
    assert_eq!(house.apply(ACCOUNT).await, [""; 0], "it was made, and is taken up");
    assert_eq!(house.bank.account("ann").password.as_deref(), Some("the first password"));
}

#[tokio::test]
async fn a_plan_is_refused_when_a_secret_that_it_was_made_with_moved() {
    for house in [House::with_keys(), House::without_keys()] {
        house.secrets.set("ann", "the first password");
        let plan = house.plan(ACCOUNT).await;
        house.secrets.set("ann", "the second password");
        let error = house.engine.apply(&plan, &Control::new()).await.expect_err("it moved");
        let expected = "the secret `ann` is not the one that the plan was made with | \
            plan again; `resume` goes on with a run that was begun";
        assert_eq!((error.kind(), told(&error).as_str()), (ErrorKind::Conflict, expected));
        assert!(house.engine.runs().await.expect("runs").is_empty(), "nothing was begun");
        house.secrets.set("ann", "the first password");
        house.engine.apply(&plan, &Control::new()).await.expect("it is the same again");
    }
}

#[tokio::test]
async fn a_secret_does_not_name_an_object() {
    let house = House::with_keys();
    house.secrets.set("ann", "the first password");
    let document = "[resources.ann]\nkind = 'account'\nlogin = 'user-${secret.ann}'\npassword = 'x'\n";
    let error = house.try_plan(document).await.expect_err("refused");
    let expected = "`resources.ann.login`: a secret cannot stand here: this is what the object is known by, and it is shown";
    assert!(error.to_string().ends_with(expected), "{error}");
}
