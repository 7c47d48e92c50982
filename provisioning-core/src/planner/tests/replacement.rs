//! Replacements: deleting first, making first, and what that asks of others.

use super::world::World;
use super::{check, check_in};

/// Lets a thing be replaced by another that exists beside it: by zone and name.
fn first(zone: &str, more: &str) -> String {
    format!("{{ zone = \"{zone}\", name = \"web-{zone}\", lifecycle = {{ create_before_destroy = true }}, {more} }}")
}

#[test]
fn a_field_that_forces_it_replaces_and_the_old_object_goes_first() {
    check(
        "web = { zone = \"a\", size = 1 }",
        "web = { zone = \"b\", size = 2 }",
        "",
        "replace web (size 1->2, !zone a->b) | web/delete ; web/create < web/delete",
    );
}

#[test]
fn old_dependents_go_before_it_and_new_ones_come_after_it() {
    check(
        "net = { zone = \"a\" }\nweb = { zone = \"${net.zone}\", from = \"${net.id}\" }",
        "net = { zone = \"b\" }\nweb = { zone = \"${net.zone}\", from = \"${net.id}\" }",
        "",
        "replace net (!zone a->b), replace web (from id-net->?, !zone a->b)
         | web/delete ; net/delete < web/delete ; net/create < net/delete ; web/create < net/create web/delete",
    );
}

#[test]
fn an_unknown_value_in_a_field_that_forces_it_announces_a_replacement() {
    check(
        "web = { zone = \"a\" }",
        "net = {}\nweb = { zone = \"${net.id}\" }",
        "",
        "create net, replace web (!zone a->?) | net/create ; web/delete ; web/create < net/create web/delete",
    );
}

#[test]
fn it_can_be_asked_for() {
    check(
        "web = {}\ndns = { from = \"${web.id}\" }",
        "web = {}\ndns = { from = \"${web.id}\" }",
        "--replace web",
        "replace web [asked for], update dns (from id-web->?) | web/delete ; web/create < web/delete ; dns/update < web/create",
    );
    check("", "web = {}", "--replace web", "create web | web/create");
}

#[test]
fn made_first_the_old_object_goes_when_nobody_uses_it_any_more() {
    check(
        &format!("web = {}\ndns = {{ from = \"${{web.id}}\" }}", first("a", "")),
        &format!("web = {}\ndns = {{ from = \"${{web.id}}\" }}", first("b", "")),
        "",
        "replace-before web (!name web-a->web-b, !zone a->b), update dns (from id-web->?)
         | web/create ; dns/update < web/create ; web/delete < dns/update web/create",
    );
}

#[test]
fn making_first_spreads_to_what_it_depends_on() {
    let document = |zone: &str| {
        format!("net = {{ zone = \"{zone}\", name = \"net-{zone}\" }}\nweb = {}", first(zone, "from = \"${net.id}\""))
    };
    check(
        &document("a"),
        &document("b"),
        "",
        "replace-before net (!name net-a->net-b, !zone a->b), replace-before web (from id-net->?, !name web-a->web-b, !zone a->b)
         | net/create ; web/create < net/create ; web/delete < web/create ; net/delete < net/create web/create web/delete",
    );
}

#[test]
fn it_spreads_only_where_the_old_object_used_the_old_one() {
    check(
        &format!("net = {{ zone = \"a\" }}\nweb = {}", first("a", "")),
        &format!("net = {{ zone = \"b\" }}\nweb = {}", first("b", "from = \"${net.id}\"")),
        "",
        "replace net (!zone a->b), replace-before web (from -->?, !name web-a->web-b, !zone a->b)
         | net/delete ; net/create < net/delete ; web/create < net/create ; web/delete < web/create",
    );
}

#[test]
fn it_spreads_on_ways_around_too() {
    // The old web was on the net itself; the new one gets there across something that does not change.
    check(
        &format!(
            "net = {{ zone = \"a\", name = \"net-a\" }}\nmiddle = {{ depends_on = [\"net\"] }}\nweb = {}",
            first("a", "from = \"${net.id}\"")
        ),
        &format!(
            "net = {{ zone = \"b\", name = \"net-b\" }}\nmiddle = {{ depends_on = [\"net\"] }}\nweb = {}",
            first("b", "depends_on = [\"middle\"]")
        ),
        "",
        "replace-before net (!name net-a->net-b, !zone a->b), replace-before web (from id-net->-, !name web-a->web-b, !zone a->b)
         | net/create ; web/create < net/create ; web/delete < web/create ; net/delete < net/create web/create web/delete",
    );
}

#[test]
fn who_stops_using_it_gives_way_to_deleting_first() {
    // The disk is in the net and used by the web, which is put into the net instead: nothing could be the first step.
    check(
        "net = { zone = \"a\" }\ndisk = { from = \"${net.id}\" }\nweb = { from = \"${disk.id}\" }",
        "net = { zone = \"b\" }\nweb = { from = \"${net.id}\" }",
        "",
        "replace net (!zone a->b), update web (from id-disk->?), delete disk [no longer declared]
         | disk/delete ; net/delete < disk/delete ; net/create < net/delete ; web/update < net/create",
    );
}

#[test]
fn another_kind_or_provider_is_another_object() {
    check(
        "web = { kind = \"note\", provider = \"shelf\", input = 1 }",
        "web = {}",
        "",
        "replace web (name -->web) [it was a `note` by `shelf`] | web/delete ; web/create < web/delete",
    );
    let providers = "[providers]\nfake1 = { type = \"fake\" }\nfake2 = { type = \"fake\" }\n[resources]\n";
    check(
        &format!("{providers}web = {{ kind = \"thing\", name = \"web\", provider = \"fake1\" }}"),
        &format!("{providers}web = {{ kind = \"thing\", name = \"web\", provider = \"fake2\" }}"),
        "",
        "replace web (name -->web) [it was a `thing` by `fake1`] | web/delete ; web/create < web/delete",
    );
}

#[test]
fn another_kind_cannot_be_made_first() {
    check(
        "web = { kind = \"note\", provider = \"shelf\", input = 1 }",
        "web = { lifecycle = { create_before_destroy = true } }",
        "",
        "invalid: `resources.web.lifecycle.create_before_destroy`: is replaced by a new one first, which cannot be of another \
         kind or provider; hint: give the new one another name, or take `create_before_destroy` away",
    );
}

#[test]
fn a_tainted_object_is_replaced() {
    let mut world = World::applied("");
    let plan = world.plan("web = {}", "").expect("a plan");
    world.carry_out(&plan);
    world.state.get_mut("web").expect("a row").tainted = true;
    check_in(
        &mut world,
        "web = {}",
        "",
        "replace web [it was identified and never finished] | web/delete ; web/create < web/delete",
    );
}

#[test]
fn a_tainted_object_goes_first_whatever_was_asked_for() {
    let document = |zone: &str| format!("web = {}\ndns = {{ from = \"${{web.id}}\" }}", first(zone, ""));
    let mut world = World::applied(&document("a"));
    let plan = world.plan(&document("b"), "").expect("a plan");
    world.carry_out_until(&plan, "dns/update");
    world.state.get_mut("web").expect("a row").tainted = true;
    check_in(
        &mut world,
        &document("b"),
        "",
        "replace web [it was identified and never finished], update dns (from id-web->?), delete web [left over from a replacement]
         | web/delete ; web/create < web/delete ; dns/update < web/create ; web/delete-deposed-1 < dns/update",
    );
}

#[test]
fn what_a_broken_run_left_over_is_deleted_when_nobody_uses_it() {
    let document = |zone: &str| format!("web = {}\ndns = {{ from = \"${{web.id}}\" }}", first(zone, ""));
    let mut world = World::applied(&document("a"));
    let plan = world.plan(&document("b"), "").expect("a plan");
    world.carry_out_until(&plan, "dns/update");
    assert_eq!(world.state["web"].deposed.len(), 1);
    check_in(
        &mut world,
        &document("b"),
        "",
        "update dns (from id-web->id-web.2), delete web [left over from a replacement]
         | dns/update ; web/delete-deposed-1 < dns/update",
    );
    assert!(world.state["web"].deposed.is_empty() && !world.objects.contains_key("id-web"));
}

#[test]
fn what_is_left_over_stays_while_a_user_of_it_does_not_take_part() {
    let document = |zone: &str| format!("web = {}\ndns = {{ from = \"${{web.id}}\" }}", first(zone, ""));
    let mut world = World::applied(&document("a"));
    let plan = world.plan(&document("b"), "").expect("a plan");
    world.carry_out_until(&plan, "dns/update");
    check_in(&mut world, &document("b"), "-t web", "nothing");
}

#[test]
fn what_is_left_over_still_depends_on_what_it_was_made_with() {
    let before = format!("old = {{}}\nweb = {}", first("a", "from = \"${old.id}\""));
    let after = format!("new = {{}}\nweb = {}", first("b", "from = \"${new.id}\""));
    let mut world = World::applied(&before);
    let plan = world.plan(&after, "").expect("a plan");
    world.carry_out_until(&plan, "web/delete");
    check_in(
        &mut world,
        &after,
        "",
        "delete old [no longer declared], delete web [left over from a replacement]
         | web/delete-deposed-1 ; old/delete < web/delete-deposed-1",
    );
}

#[test]
fn what_is_left_over_of_one_kind_goes_before_another_takes_its_place() {
    let mut world = World::applied(&format!("web = {}", first("a", "")));
    let plan = world.plan(&format!("web = {}", first("b", "")), "").expect("a plan");
    world.carry_out_until(&plan, "web/delete");
    check_in(
        &mut world,
        "web = { kind = \"note\", provider = \"shelf\", input = 1 }",
        "",
        "replace web (input -->1) [it was a `thing` by `lab`], delete web [left over from a replacement]
         | web/delete ; web/delete-deposed-1 ; web/create < web/delete web/delete-deposed-1",
    );
}

#[test]
fn a_destroy_takes_what_is_left_over_along() {
    let before = first("a", "");
    let mut world = World::applied(&format!("web = {before}"));
    let after = format!("web = {}", first("b", ""));
    let plan = world.plan(&after, "").expect("a plan");
    world.carry_out_until(&plan, "web/delete");
    check_in(
        &mut world,
        &after,
        "destroy",
        "delete web, delete web [left over from a replacement] | web/delete ; web/delete-deposed-1",
    );
}

#[test]
fn a_row_with_nothing_but_leftovers_goes_with_them() {
    let mut world = World::applied(&format!("web = {}", first("a", "")));
    let after = format!("web = {}", first("b", ""));
    let plan = world.plan(&after, "").expect("a plan");
    world.carry_out_until(&plan, "web/delete");
    let row = world.state.get_mut("web").expect("a row");
    let now = row.object.take().expect("an object");
    world.objects.remove(&now.id);
    check_in(&mut world, "", "", "delete web [left over from a replacement] | web/delete-deposed-1");
    assert!(world.state.is_empty() && world.objects.is_empty());
}
