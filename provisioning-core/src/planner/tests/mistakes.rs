//! What is wrong with declarations, each with its place and what to do about it.

use super::check;
use super::world::World;

#[test]
fn an_unknown_name_is_reported_with_the_nearest() {
    check(
        "",
        "network = {}\nweb = { from = \"${netwrk.id}\", depends_on = [\"netork\"], after = [\"x\"] }",
        "",
        "invalid: `resources.web.from`: `${netwrk.id}`: there is no resource `netwrk`; hint: did you mean `network`? \
         + `resources.web.depends_on`: there is no resource `netork`; hint: did you mean `network`? \
         + `resources.web.after`: there is no resource `x`; hint: known here: `network`, `web`",
    );
}

#[test]
fn an_unknown_output_is_reported_with_the_nearest() {
    check(
        "",
        "net = {}\nweb = { from = \"${net.adress}\" }\n[outputs]\nx = \"${net.ident}\"",
        "",
        "invalid: `resources.web.from`: `${net.adress}`: a `thing` has no output `adress`; hint: did you mean `address`? \
         + `outputs.x`: `${net.ident}`: a `thing` has no output `ident`; hint: did you mean `id`?",
    );
}

#[test]
fn a_circle_is_reported_with_its_way() {
    check(
        "",
        "a = { from = \"${b.id}\" }\nb = { depends_on = [\"c\"] }\nc = { after = [\"a\"] }\nd = { from = \"${a.id}\" }",
        "",
        "invalid: these resources depend on one another in a circle: `a` needs `b` needs `c` needs `a`; \
         hint: take one of the references or `depends_on` away",
    );
    check(
        "",
        "a = { from = \"${a.id}\" }",
        "",
        "invalid: these resources depend on one another in a circle: `a` needs `a`; \
         hint: take one of the references or `depends_on` away",
    );
}

#[test]
fn what_is_kept_as_a_digest_cannot_be_referred_to() {
    check(
        "",
        "key = { kind = \"vault\", provider = \"shelf\", text = \"x\" }\nweb = { from = \"${key.text}\" }",
        "",
        "invalid: `resources.web.from`: `${key.text}`: only a digest of `text` is kept",
    );
}

#[test]
fn a_reserved_word_is_not_a_resource() {
    check(
        "",
        "web = { from = \"${env.HOME}\" }",
        "",
        "invalid: `resources.web.from`: `${env.HOME}`: only the document of a workspace can refer to that; hint: put the value itself there",
    );
}

#[test]
fn a_type_is_checked_again_when_the_reference_is_known() {
    check(
        "net = {}",
        "net = {}\nweb = { size = \"${net.address}\" }",
        "",
        "invalid: `resources.web.size`: expected integer, found the string `address-net`",
    );
    check(
        "",
        "net = {}\nweb = { size = \"${net.revision}\" }",
        "",
        "create net, create web | net/create ; web/create < net/create",
    );
}

#[test]
fn a_reference_to_a_field_that_is_not_set_is_reported() {
    check(
        "",
        "net = {}\nweb = { size = \"${net.size}\" }",
        "",
        "invalid: `resources.web.size`: `${net.size}`: `net` has no `size`; hint: known here: `address`, `connection`, `id`, `name`, \
         `password`, `revision`",
    );
}

#[test]
fn a_service_on_several_hosts_is_referred_to_on_one() {
    check(
        "",
        "a = {}\nb = {}\nweb = { from = \"${flag.raised}\" }\n[services]\nflag = { service = \"flag\", on = [\"a\", \"b\"], config = { value = 1 } }",
        "",
        "invalid: `resources.web.from`: `${flag.raised}`: the service `flag` runs on several hosts; hint: name one, such as `flag@a`",
    );
}

#[test]
fn a_service_needs_a_host_that_can_be_reached() {
    check(
        "",
        "key = { kind = \"vault\", provider = \"shelf\" }\n[services]\nflag = { service = \"flag\", on = [\"key\"], config = { value = 1 } }",
        "",
        "invalid: `services.flag.on`: `key` is a `vault`, which has no `connection`: no service can run on it",
    );
}

#[test]
fn an_unknown_field_cannot_be_ignored() {
    check(
        "",
        "web = { lifecycle = { ignore_changes = [\"*\", \"sise\"] } }",
        "",
        "invalid: `resources.web.lifecycle.ignore_changes`: a `thing` has no field `sise`; hint: did you mean `size`?",
    );
}

#[test]
fn a_provider_cannot_refer_to_what_it_makes_itself() {
    check(
        "",
        "[providers]\nfake1 = { type = \"fake\", region = \"${web.id}\" }\n[resources]\nweb = { kind = \"thing\", name = \"web\" }",
        "",
        "invalid: these resources depend on one another in a circle: `web` needs `web`; \
         hint: take one of the references or `depends_on` away",
    );
}

#[test]
fn of_many_declarations_every_one_is_linked_and_every_mistake_is_told_in_order() {
    let count = 10_000;
    let document = |region: &str, wrong: &[usize]| -> String {
        let on = |number: usize| if wrong.contains(&number) { "nobody".to_owned() } else { format!("t{}", number - 1) };
        let others = (10_001..10_000 + count).map(|number| format!("t{number} = {{ from = \"${{{}.id}}\" }}\n", on(number)));
        let others: String = others.collect();
        let first = "[resources]\nt10000 = { kind = \"thing\", name = \"first\" }\n";
        format!("[providers]\nlab = {{ type = \"fake\", region = \"{region}\" }}\n{first}{others}")
    };
    let world = World::empty();
    let plan = world.plan(&document("eu", &[]), "").expect("linked");
    assert_eq!(plan.steps.len(), count);
    let in_a_row = plan.steps.windows(2).all(|pair| pair[1].requires == [pair[0].id.clone()]);
    assert!(in_a_row, "each after the one before it");

    let wrong = [10_001, 14_000, 15_000, 19_999];
    let error = world.plan(&document("${no.id}", &wrong), "").expect_err("nobody is there");
    let told: Vec<_> = error.diagnostics().iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(told[0], "providers.lab.region");
    assert_eq!(told[1..], wrong.map(|number| format!("resources.t{number}.from")));
}
