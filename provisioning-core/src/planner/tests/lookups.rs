//! Lookups: asked before the plan where their query is known, read by the run where it is not.

use super::world::World;
use super::{check, check_in};

fn image(name: &str) -> String {
    format!("[lookups]\nimage = {{ kind = \"image\", name = \"{name}\" }}")
}

#[test]
fn a_lookup_whose_query_is_known_is_answered_in_the_plan() {
    let document = format!("web = {{ from = \"${{image.id}}\" }}\n{}", image("debian"));
    check("", &document, "", "create web | web/create");
    let world = World::applied(&document);
    assert_eq!(world.objects["id-web"].1.field("from"), Some(&"img-debian".into()));
    let plan = world.plan(&document, "").expect("a plan");
    assert_eq!(plan.lookups["image"].field("id"), Some(&"img-debian".into()));
    let after = format!("web = {{ from = \"${{image.id}}\" }}\n{}", image("alpine"));
    check(&document, &after, "", "update web (from img-debian->img-alpine) | web/update");
}

#[test]
fn a_lookup_whose_query_is_unknown_is_a_step() {
    let document = format!("net = {{}}\nweb = {{ from = \"${{image.id}}\" }}\n{}", image("${net.address}"));
    check(
        "",
        &document,
        "",
        "create net, read image [its query is known after apply], create web
         | net/create ; image/read < net/create ; web/create < image/read",
    );
    check(&document, &document, "", "nothing");
}

#[test]
fn a_lookup_of_something_new_waits_for_it() {
    check(
        "",
        &format!("net = {{}}\n{}", image("${net.name}")),
        "",
        "create net, read image [it comes after `net`, which changes] | net/create ; image/read < net/create",
    );
}

#[test]
fn a_lookup_waits_for_changes_of_what_it_depends_on_by_name_only() {
    let document = |size: u8, more: &str| format!("net = {{ size = {size} }}\n[lookups]\nimage = {{ kind = \"image\", {more} }}");
    let (refers, depends) = ("name = \"${net.name}\"", "name = \"x\", depends_on = [\"net\"]");
    check(&document(1, refers), &document(2, refers), "", "update net (size 1->2) | net/update");
    check(
        &document(1, depends),
        &document(2, depends),
        "",
        "update net (size 1->2), read image [it comes after `net`, which changes] | net/update ; image/read < net/update",
    );
}

#[test]
fn a_lookup_by_a_provider_that_is_not_known_yet_is_a_step() {
    let document = "[providers]\nfake1 = { type = \"fake\" }\nfake2 = { type = \"fake\", region = \"${net.address}\" }\n\
        [resources]\nnet = { kind = \"thing\", name = \"net\", provider = \"fake1\" }\n\
        [lookups]\nimage = { kind = \"image\", provider = \"fake2\", name = \"debian\" }";
    check(
        "",
        document,
        "",
        "create net, read image [the settings of its provider are known after apply] | net/create ; image/read < net/create",
    );
    check(document, document, "", "nothing");
}

#[test]
fn a_destroy_asks_only_for_the_lookups_that_lead_to_what_goes() {
    let document = "[providers]\nfake1 = { type = \"fake\" }\nfake2 = { type = \"fake\", region = \"${image.id}\" }\n\
        [resources]\nnet = { kind = \"thing\", name = \"net\", provider = \"fake2\" }\n\
        [lookups]\nimage = { kind = \"image\", provider = \"fake1\", name = \"debian\" }\n\
        other = { kind = \"image\", provider = \"fake1\", name = \"other\" }";
    let world = World::applied(document);
    let plan = world.plan(document, "destroy").expect("a plan");
    assert_eq!(plan.lookups.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["image"]);
    check(document, document, "destroy", "delete net | net/delete");
}

#[test]
fn a_resource_cannot_become_a_lookup_under_its_name() {
    check_in(
        &mut World::applied("image = {}"),
        &image("debian"),
        "",
        "invalid: `lookups.image`: is a lookup now, and the state has a `thing` of that name; \
         hint: give the lookup another name; the resource is then deleted",
    );
}
