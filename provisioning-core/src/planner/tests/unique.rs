//! Unique values: one owner at a time, and who takes one over waits for it.

use super::world::World;
use super::{check, check_in};

#[test]
fn two_declarations_cannot_claim_one_value() {
    check(
        "",
        "one = { name = \"web\" }\ntwo = { name = \"web\" }",
        "",
        "invalid: `resources.two.name`: `web` belongs to `one` already",
    );
}

#[test]
fn a_value_that_another_has_and_keeps_cannot_be_claimed() {
    check(
        "one = { name = \"web\" }",
        "one = { name = \"web\" }\ntwo = { name = \"web\" }",
        "",
        "invalid: `resources.two.name`: `web` belongs to `one` already",
    );
    check(
        "one = { name = \"web\" }",
        "two = { name = \"web\" }",
        "-t two",
        "invalid: `resources.two.name`: `web` belongs to `one` already",
    );
}

#[test]
fn a_value_is_unique_among_the_objects_of_one_kind_and_provider() {
    let providers = "[providers]\nfake1 = { type = \"fake\" }\nfake2 = { type = \"fake\" }\n[resources]\n";
    let text = format!(
        "{providers}one = {{ kind = \"thing\", name = \"web\", provider = \"fake1\" }}\ntwo = {{ kind = \"thing\", name = \"web\", provider = \"fake2\" }}"
    );
    let world = World::empty();
    assert_eq!(world.plan(&text, "").expect("a plan").steps.len(), 2);
}

#[test]
fn a_value_is_taken_over_after_its_owner_went() {
    check(
        "one = { name = \"web\" }",
        "two = { name = \"web\" }",
        "",
        "create two, delete one [no longer declared] | one/delete ; two/create < one/delete",
    );
}

#[test]
fn a_value_is_taken_over_after_its_owner_was_replaced_or_changed() {
    check(
        "one = { name = \"web\" }",
        "one = { name = \"www\" }\ntwo = { name = \"web\" }",
        "",
        "replace one (!name web->www), create two | one/delete ; one/create < one/delete ; two/create < one/delete",
    );
    let vault = |name: &str, label: &str| format!("{name} = {{ kind = \"vault\", provider = \"shelf\", label = \"{label}\" }}\n");
    check(
        &vault("one", "a"),
        &format!("{}{}", vault("one", "b"), vault("two", "a")),
        "",
        "update one (label a->b), create two | one/update ; two/create < one/update",
    );
}

#[test]
fn two_that_are_deleted_first_may_swap_their_values() {
    check(
        "one = { name = \"a\" }\ntwo = { name = \"b\" }",
        "one = { name = \"b\" }\ntwo = { name = \"a\" }",
        "",
        "replace one (!name a->b), replace two (!name b->a)
         | one/delete ; two/delete ; one/create < one/delete two/delete ; two/create < one/delete two/delete",
    );
}

#[test]
fn two_that_change_in_place_cannot_swap_their_values_at_once() {
    let vaults = |one: &str, two: &str| {
        format!(
            "one = {{ kind = \"vault\", provider = \"shelf\", label = \"{one}\" }}\ntwo = {{ kind = \"vault\", provider = \"shelf\", label = \"{two}\" }}"
        )
    };
    check(
        &vaults("a", "b"),
        &vaults("b", "a"),
        "",
        "conflict: the steps of the plan wait for one another: `one/update` after `two/update` after `one/update`; \
         hint: make one of these changes alone first, with `--target`",
    );
}

#[test]
fn nobody_is_made_first_under_the_name_of_the_old_one() {
    let lifecycle = "lifecycle = { create_before_destroy = true }";
    check(
        &format!("web = {{ zone = \"a\", {lifecycle} }}"),
        &format!("web = {{ zone = \"b\", {lifecycle} }}"),
        "",
        "invalid: `resources.web.lifecycle.create_before_destroy`: is replaced by a new one first, and both would have the same \
         `name`; hint: change that field too, or take `create_before_destroy` away",
    );
    check(
        &format!("net = {{ zone = \"a\" }}\nweb = {{ name = \"web-a\", from = \"${{net.id}}\", {lifecycle} }}"),
        &format!("net = {{ zone = \"b\" }}\nweb = {{ name = \"web-b\", from = \"${{net.id}}\", {lifecycle} }}"),
        "",
        "invalid: `resources.net.lifecycle.create_before_destroy`: is replaced by a new one first, because something that needs it \
         is, and both would have the same `name`; hint: change that field too, or take `create_before_destroy` away",
    );
}

#[test]
fn a_value_of_what_is_left_over_is_free_when_that_went() {
    let web = |name: &str| format!("web = {{ name = \"{name}\", lifecycle = {{ create_before_destroy = true }} }}");
    let mut world = World::applied(&web("a"));
    let plan = world.plan(&web("b"), "").expect("a plan");
    world.carry_out_until(&plan, "web/delete");
    check_in(
        &mut world,
        &format!("{}\ndns = {{ name = \"a\" }}", web("b")),
        "",
        "create dns, delete web [left over from a replacement] | web/delete-deposed-1 ; dns/create < web/delete-deposed-1",
    );
}
