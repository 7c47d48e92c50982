//! Renames: a row goes on under another name.

use super::world::World;
use super::{check, check_in};

const OLD: &str = "net = {}\nweb = { size = 1, zone = \"a\", name = \"web\", from = \"${net.id}\" }";

/// The same under another name.
fn new(fields: &str) -> String {
    format!("net = {{}}\nsite = {{ name = \"web\", from = \"${{net.id}}\", lifecycle = {{ moved_from = \"web\" }}, {fields} }}")
}

#[test]
fn a_renamed_resource_stays_as_it_is() {
    let after = new("size = 1, zone = \"a\"");
    check(OLD, &after, "", "rename site [it was `web`] | site/rename");
    let mut world = World::applied(OLD);
    world.apply(&after);
    assert!(world.state.contains_key("site") && !world.state.contains_key("web"));
    check_in(&mut world, &after, "destroy", "delete net, delete site | site/delete ; net/delete < site/delete");
}

#[test]
fn a_rename_comes_before_every_other_change_of_it() {
    check(
        OLD,
        &new("size = 2, zone = \"a\""),
        "",
        "rename site [it was `web`], update site (size 1->2) | site/rename ; site/update < site/rename",
    );
    check(
        OLD,
        &new("size = 1, zone = \"b\""),
        "",
        "rename site [it was `web`], replace site (!zone a->b)
         | site/rename ; site/delete < site/rename ; site/create < site/delete site/rename",
    );
}

#[test]
fn a_rename_comes_before_what_refers_to_the_new_name() {
    let after = format!("{}\ndns = {{ from = \"${{site.id}}\" }}", new("size = 1, zone = \"a\""));
    check(OLD, &after, "", "rename site [it was `web`], create dns | site/rename ; dns/create < site/rename");
}

#[test]
fn what_referred_to_the_old_name_learns_the_new_one() {
    let before = format!("{OLD}\ndns = {{ from = \"${{web.id}}\" }}");
    let after = format!("{}\ndns = {{ from = \"${{site.id}}\" }}", new("size = 1, zone = \"a\""));
    check(
        &before,
        &after,
        "",
        "rename site [it was `web`], refresh dns [what it depends on changes] | site/rename ; dns/refresh < site/rename",
    );
    let mut world = World::applied(&before);
    world.apply(&after);
    check_in(
        &mut world,
        &after,
        "destroy",
        "delete dns, delete net, delete site | dns/delete ; site/delete < dns/delete ; net/delete < site/delete",
    );
}

#[test]
fn old_objects_are_deleted_in_order_also_when_they_are_renamed() {
    let before = format!("{OLD}\ndns = {{ from = \"${{web.id}}\" }}");
    check(
        &before,
        &new("size = 1, zone = \"b\""),
        "",
        "rename site [it was `web`], replace site (!zone a->b), delete dns [no longer declared]
         | dns/delete ; site/rename ; site/delete < dns/delete site/rename ; site/create < site/delete site/rename",
    );
}

#[test]
fn a_renamed_resource_is_read_under_its_old_name() {
    let mut world = World::applied(OLD);
    world.meddle("id-web", "size", 9);
    check_in(
        &mut world,
        &new("size = 1, zone = \"a\""),
        "",
        "rename site [it was `web`], update site (~size 9->1) [changed outside] | site/rename ; site/update < site/rename",
    );
}

#[test]
fn the_old_name_may_be_used_again_only_after_the_rename() {
    let after = format!("{}\nweb = {{ name = \"other\" }}", new("size = 1, zone = \"a\""));
    check(OLD, &after, "", "invalid: `resources.site.lifecycle.moved_from`: `web` was renamed to this and is still declared");
    let mut world = World::applied(OLD);
    world.apply(&new("size = 1, zone = \"a\""));
    check_in(&mut world, &after, "", "create web | web/create");
}

#[test]
fn one_row_is_renamed_once() {
    check(
        "web = { name = \"web\" }",
        "one = { name = \"web\", lifecycle = { moved_from = \"web\" } }\ntwo = { lifecycle = { moved_from = \"web\" } }",
        "",
        "invalid: `resources.two.lifecycle.moved_from`: `web` was renamed to `one` already",
    );
}

#[test]
fn a_renamed_resource_that_does_not_take_part_is_not_deleted() {
    let after = new("size = 1, zone = \"a\"");
    check(OLD, &after, "-x site", "nothing");
    check(OLD, &after, "-x web", "nothing");
    check(OLD, &after, "-t net", "nothing");
    check(OLD, &after, "-t web", "rename site [it was `web`] | site/rename");
}

#[test]
fn a_name_that_was_never_there_is_no_rename() {
    check("net = {}", "net = {}\nweb = { lifecycle = { moved_from = \"www\" } }", "", "create web | web/create");
}

#[test]
fn a_service_moves_along_with_its_host_and_under_its_own_new_name() {
    let flag = |name: &str, host: &str, more: &str| {
        format!("[services]\n{name} = {{ service = \"flag\", on = [\"{host}\"], config = {{ value = 1 }}, {more} }}")
    };
    let host = |name: &str, more: &str| format!("{name} = {{ name = \"web\", {more} }}\n");
    let before = format!("{}{}", host("web", ""), flag("flag", "web", ""));
    check(
        &before,
        &format!("{}{}", host("site", "lifecycle = { moved_from = \"web\" }"), flag("flag", "site", "")),
        "",
        "rename site [it was `web`], rename flag@site [it was `flag@web`] | site/rename ; flag@site/rename",
    );
    check(
        &before,
        &format!("{}{}", host("web", ""), flag("banner", "web", "lifecycle = { moved_from = \"flag\" }")),
        "",
        "rename banner@web [it was `flag@web`] | banner@web/rename",
    );
}

#[test]
fn a_destroy_under_a_new_name_finds_the_row_of_the_old_one() {
    check(OLD, &new("size = 1"), "destroy", "delete net, delete web | web/delete ; net/delete < web/delete");
}

#[test]
fn what_is_left_over_goes_under_the_new_name() {
    let document = |zone: &str| {
        format!("web = {{ zone = \"{zone}\", name = \"web-{zone}\", lifecycle = {{ create_before_destroy = true }} }}")
    };
    let mut world = World::applied(&document("a"));
    let plan = world.plan(&document("b"), "").expect("a plan");
    world.carry_out_until(&plan, "web/delete");
    check_in(
        &mut world,
        "site = { zone = \"b\", name = \"web-b\", lifecycle = { moved_from = \"web\" } }",
        "",
        "rename site [it was `web`], delete site [left over from a replacement]
         | site/rename ; site/delete-deposed-1 < site/rename",
    );
}
