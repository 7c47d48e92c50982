//! Destroying, forgetting, and what must not be removed.

use super::world::World;
use super::{check, check_in};

const THREE: &str = "net = {}\nweb = { from = \"${net.id}\" }\ndns = { from = \"${web.id}\" }";

#[test]
fn a_destroy_goes_backwards() {
    check(
        THREE,
        THREE,
        "destroy",
        "delete dns, delete net, delete web | dns/delete ; web/delete < dns/delete ; net/delete < web/delete",
    );
    check("", THREE, "destroy", "nothing");
}

#[test]
fn a_destroy_needs_nothing_of_the_declarations() {
    check(
        THREE,
        "web = { from = \"${nobody.id}\" }",
        "destroy -t web",
        "delete dns, delete web | dns/delete ; web/delete < dns/delete",
    );
}

#[test]
fn a_destroy_passes_over_what_is_gone() {
    let mut world = World::applied(THREE);
    world.objects.remove("id-web");
    check_in(
        &mut world,
        THREE,
        "destroy",
        "delete dns, delete net, forget web [gone already] | dns/delete ; web/forget < dns/delete ; net/delete < web/forget",
    );
}

#[test]
fn a_row_that_is_gone_and_not_declared_is_forgotten() {
    let mut world = World::applied("web = {}");
    world.objects.remove("id-web");
    check_in(&mut world, "", "", "forget web [gone already] | web/forget");
}

#[test]
fn dependencies_in_a_circle_do_not_keep_a_state_from_going() {
    let mut world = World::applied(THREE);
    let (net, dns) = (world.state["net"].name.clone(), world.state["dns"].name.clone());
    world.state.get_mut(&net).expect("a row").depends_on.push(dns);
    check_in(&mut world, THREE, "destroy", "delete dns, delete net, delete web | dns/delete ; net/delete ; web/delete");
}

#[test]
fn what_is_protected_does_not_go() {
    let protected = "web = { zone = \"a\", lifecycle = { prevent_destroy = true } }";
    let hint = "hint: take `prevent_destroy` out of its lifecycle first, or leave it out with `--exclude`";
    let deleted = format!("conflict: `web` is protected and would be deleted; {hint}");
    check(protected, "", "", &deleted);
    check(protected, protected, "destroy", &deleted);
    check(
        protected,
        &protected.replace("\"a\"", "\"b\""),
        "",
        &format!("conflict: `web` is protected and would be replaced because of `zone`; {hint}"),
    );
    let two = format!("db = {{ lifecycle = {{ prevent_destroy = true }} }}\n{protected}");
    check(&two, "", "", &format!("conflict: `db` is protected and would be deleted, and 1 more; {hint}"));
    check(protected, &protected.replace("\"a\"", "\"a\", size = 1"), "", "update web (size -->1) | web/update");
    check(&two, "", "destroy -x web -x db", "nothing");
}

#[test]
fn protection_counts_as_it_is_declared_and_is_kept_for_when_it_is_not() {
    let (bare, protected) = ("web = {}", "web = { lifecycle = { prevent_destroy = true } }");
    let hint = "hint: take `prevent_destroy` out of its lifecycle first, or leave it out with `--exclude`";
    check(bare, protected, "destroy", &format!("conflict: `web` is protected and would be deleted; {hint}"));
    check(protected, bare, "destroy", "delete web | web/delete");
    check(bare, protected, "", "refresh web [it is protected from now on] | web/refresh");
    check(protected, bare, "", "refresh web [it is protected no more] | web/refresh");
    let mut world = World::applied(bare);
    world.apply(protected);
    check_in(&mut world, "", "", &format!("conflict: `web` is protected and would be deleted; {hint}"));
}

#[test]
fn forgetting_drops_rows_and_leaves_objects() {
    let mut world = World::applied(THREE);
    check_in(&mut world, THREE, "forget -t web -t dns", "forget dns, forget web | dns/forget ; web/forget < dns/forget");
    assert_eq!(world.objects.len(), 3);
    check_in(&mut world, THREE, "forget", "invalid: nothing is named that the state shall drop; hint: name one resource or more");
}

#[test]
fn a_provider_is_declared_until_everything_it_made_is_gone() {
    let mut world = World::applied("web = {}");
    let without = "[providers]\nshelf = { type = \"shelf\" }";
    let advice = "declare it until everything it made is gone, or drop that from the state with `provisioning forget`";
    let known = format!("invalid: the provider `lab` is not declared; hint: {advice}");
    check_in(&mut world, without, "", &known);
    check_in(&mut world, without, "destroy", &known);
    check_in(&mut world, without, "forget -t web", "forget web | web/forget");
    check_in(&mut World::applied(""), without, "", "nothing");
}

#[test]
fn a_provider_that_refers_to_a_resource_goes_before_it() {
    let document = "[providers]\nfake1 = { type = \"fake\" }\nfake2 = { type = \"fake\", region = \"${gate.address}\" }\n[resources]\n\
        gate = { kind = \"thing\", name = \"gate\", provider = \"fake1\" }\nweb = { kind = \"thing\", name = \"web\", provider = \"fake2\" }";
    check("", document, "", "create gate, create web | gate/create ; web/create < gate/create");
    check(document, document, "", "nothing");
    check(document, document, "destroy", "delete gate, delete web | web/delete ; gate/delete < web/delete");
}
