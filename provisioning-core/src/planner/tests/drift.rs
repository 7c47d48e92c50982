//! What changed outside of any run.

use super::check_in;
use super::world::World;

const WEB: &str = "web = { size = 1, zone = \"a\" }\ndns = { from = \"${web.address}\" }";

#[test]
fn a_field_that_changed_outside_is_set_again() {
    let mut world = World::applied(WEB);
    world.meddle("id-web", "size", 9);
    check_in(&mut world, WEB, "", "update web (~size 9->1) [changed outside] | web/update");
}

#[test]
fn without_a_refresh_the_state_is_believed() {
    let mut world = World::applied(WEB);
    world.meddle("id-web", "size", 9);
    check_in(&mut world, WEB, "--no-refresh", "nothing");
}

#[test]
fn a_field_that_was_edited_too_is_not_called_drifted() {
    let mut world = World::applied(WEB);
    world.meddle("id-web", "size", 9);
    let after = WEB.replace("size = 1", "size = 2");
    check_in(&mut world, &after, "", "update web (size 9->2) | web/update");
    let mut world = World::applied(WEB);
    world.meddle("id-web", "size", 9);
    check_in(&mut world, &WEB.replace("size = 1", "size = 9"), "", "refresh web [its outputs changed outside] | web/refresh");
}

#[test]
fn a_drifted_field_that_cannot_change_in_place_replaces() {
    let mut world = World::applied(WEB);
    world.meddle("id-web", "zone", "b");
    check_in(
        &mut world,
        WEB,
        "",
        "replace web (!~zone b->a) [changed outside], update dns (from address-web->?)
         | web/delete ; web/create < web/delete ; dns/update < web/create",
    );
}

#[test]
fn an_object_that_is_gone_is_made_anew() {
    let mut world = World::applied(WEB);
    world.objects.remove("id-web");
    check_in(
        &mut world,
        WEB,
        "",
        "create web [gone: it was removed outside], update dns (from address-web->?) | web/create ; dns/update < web/create",
    );
}

#[test]
fn an_output_that_changed_outside_is_taken_in_and_reaches_dependents() {
    let mut world = World::applied(WEB);
    world.meddle("id-web", "address", "elsewhere");
    check_in(
        &mut world,
        WEB,
        "",
        "refresh web [its outputs changed outside], update dns (from address-web->elsewhere)
         | web/refresh ; dns/update < web/refresh",
    );
}

#[test]
fn a_refresh_takes_in_what_changed_and_drops_what_is_gone() {
    let mut world = World::applied(WEB);
    world.meddle("id-web", "size", 9);
    world.objects.remove("id-dns");
    check_in(&mut world, WEB, "refresh", "refresh dns [gone], refresh web [changed outside] | dns/refresh ; web/refresh");
    assert!(!world.state.contains_key("dns"));
    check_in(&mut world, WEB, "", "update web (~size 9->1) [changed outside], create dns | web/update ; dns/create < web/update");
}

#[test]
fn a_refresh_may_be_of_some_resources_and_what_they_need() {
    let mut world = World::applied(WEB);
    world.meddle("id-web", "size", 9);
    world.meddle("id-dns", "size", 9);
    check_in(&mut world, WEB, "refresh -t web", "refresh web [changed outside] | web/refresh");
    check_in(&mut world, WEB, "refresh -x web", "refresh dns [changed outside] | dns/refresh");
}

#[test]
fn a_secret_that_is_reported_in_the_clear_is_not_drift() {
    let document = "db = {}\nweb = { size = 1, from = \"${db.password}\" }";
    let mut world = World::applied(document);
    check_in(&mut world, document, "", "nothing");
}
