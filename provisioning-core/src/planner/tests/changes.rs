//! Creates, updates, deletes and nothing: what a change is, and the order of forward steps.

use super::world::World;
use super::{check, check_in};
use crate::resource::StateRow;
use crate::value::Value;

#[test]
fn a_resource_is_made_after_what_it_refers_to() {
    check(
        "",
        r#"
        net = {}
        web = { from = "${net.id}" }
        dns = { from = ["${web.address}", "${net.id}"] }
        "#,
        "",
        "create net, create web, create dns | net/create ; web/create < net/create ; dns/create < net/create web/create",
    );
}

#[test]
fn nothing_changes_where_everything_is_as_declared() {
    let document = r#"
        net = { size = 1 }
        web = { from = { net = "${net.id}", list = [1, 2.0] }, depends_on = ["net"] }
        note = { kind = "note", provider = "shelf", input = "${web.address}" }
    "#;
    check(document, document, "", "nothing");
    check(document, document, "--no-refresh", "nothing");
}

#[test]
fn a_changed_field_is_updated_in_place() {
    check("web = { size = 1 }", "web = { size = 2 }", "", "update web (size 1->2) | web/update");
    check("web = { size = 1 }", "web = {}", "", "update web (size 1->-) | web/update");
    check("web = {}", "web = { size = 1 }", "", "update web (size -->1) | web/update");
}

#[test]
fn what_is_no_longer_declared_is_deleted_after_what_was_made_on_it() {
    check(
        r#"
        net = {}
        web = { from = "${net.id}" }
        dns = { depends_on = ["web"] }
        "#,
        "dns = {}",
        "",
        "refresh dns [what it depends on changes], delete net [no longer declared], delete web [no longer declared]
         | dns/refresh ; web/delete < dns/refresh ; net/delete < web/delete",
    );
}

#[test]
fn what_is_used_goes_after_those_that_used_it_have_stopped_to() {
    check(
        r#"
        disk = {}
        web = { from = "${disk.id}" }
        "#,
        "web = {}",
        "",
        "update web (from id-disk->-), delete disk [no longer declared] | web/update ; disk/delete < web/update",
    );
}

#[test]
fn an_update_is_known_after_apply_where_it_refers_to_something_new() {
    check(
        "web = {}",
        r#"
        net = {}
        web = { from = "${net.id}" }
        "#,
        "",
        "create net, update web (from -->?) | net/create ; web/update < net/create",
    );
}

#[test]
fn an_output_that_follows_a_changed_field_is_unknown_and_others_stay() {
    let before = r#"
        net = { size = 1 }
        web = { from = "${net.revision}" }
        dns = { from = "${net.address}" }
    "#;
    let after = r#"
        net = { size = 2 }
        web = { from = "${net.revision}" }
        dns = { from = "${net.address}" }
    "#;
    check(before, after, "", "update net (size 1->2), update web (from 0->?) | net/update ; web/update < net/update");
}

#[test]
fn an_input_is_seen_by_references_before_it_is_applied() {
    check(
        r#"
        net = { size = 1 }
        web = { size = "${net.size}" }
        "#,
        r#"
        net = { size = 2 }
        web = { size = "${net.size}" }
        "#,
        "",
        "update net (size 1->2), update web (size 1->2) | net/update ; web/update < net/update",
    );
}

#[test]
fn a_field_that_is_taken_away_is_unknown_to_those_that_refer_to_it() {
    check(
        r#"
        net = { size = 1 }
        web = { from = ["${net.name}"] }
        "#,
        r#"
        net = {}
        web = { from = ["${net.name}"] }
        "#,
        "",
        "update net (size 1->-) | net/update",
    );
}

#[test]
fn steps_are_ordered_across_resources_that_do_not_change() {
    check(
        r#"
        net = { size = 1 }
        middle = { depends_on = ["net"] }
        web = { size = 1, depends_on = ["middle"] }
        "#,
        r#"
        net = { size = 2 }
        middle = { depends_on = ["net"] }
        web = { size = 2, depends_on = ["middle"] }
        "#,
        "",
        "update net (size 1->2), update web (size 1->2) | net/update ; web/update < net/update",
    );
}

#[test]
fn a_soft_dependency_orders_and_is_not_required() {
    check(
        "",
        r#"
        log = {}
        web = { after = ["log"] }
        dns = { after = ["log", "web"], depends_on = ["web"] }
        "#,
        "",
        "create log, create web, create dns | log/create ; web/create < ~log/create ; dns/create < web/create ~log/create",
    );
}

#[test]
fn a_way_with_a_soft_part_is_soft_unless_another_way_is_not() {
    let before = r#"
        net = { size = 1 }
        middle = { depends_on = ["net"] }
        web = { size = 1, after = ["middle"] }
        dns = { size = 1, after = ["web"], depends_on = ["middle"] }
    "#;
    let after = before.replace("size = 1", "size = 2");
    check(
        before,
        &after,
        "",
        "update net (size 1->2), update web (size 1->2), update dns (size 1->2)
         | net/update ; web/update < ~net/update ; dns/update < net/update ~web/update",
    );
}

#[test]
fn a_dependency_that_is_only_declared_is_kept_for_the_day_of_removal() {
    let before = "db = {}\nweb = {}";
    let after = "db = {}\nweb = { depends_on = [\"db\"] }";
    check(before, after, "", "refresh web [what it depends on changes] | web/refresh");
    let mut world = World::applied(before);
    world.apply(after);
    check_in(&mut world, after, "destroy", "delete db, delete web | web/delete ; db/delete < web/delete");
}

#[test]
fn what_stands_in_the_state_alone_follows_its_dependencies_too() {
    check(
        "db = {}\nnote = { kind = \"note\", provider = \"shelf\", input = 1 }",
        "db = {}\nnote = { kind = \"note\", provider = \"shelf\", input = 1, depends_on = [\"db\"] }",
        "",
        "refresh note [what it depends on changes] | note/refresh",
    );
}

#[test]
fn ignored_changes_are_not_acted_on() {
    let before = "web = { size = 1, zone = \"a\", lifecycle = { ignore_changes = [\"size\", \"zone\"] } }";
    let after = "web = { size = 2, zone = \"b\", lifecycle = { ignore_changes = [\"size\", \"zone\"] } }";
    check(before, after, "", "nothing");
    check(before, "web = { size = 2, from = 1, lifecycle = { ignore_changes = [\"*\"] } }", "", "nothing");
}

#[test]
fn ignored_fields_stay_as_they_are_under_another_update() {
    let mut world = World::applied("web = { size = 1, from = \"a\" }");
    world.meddle("id-web", "size", 5);
    world.meddle("id-web", "zone", "${odd}");
    let after = "web = { size = 2, from = \"b\", lifecycle = { ignore_changes = [\"size\", \"zone\"] } }\ndns = { from = \"${web.size}\" }";
    check_in(&mut world, after, "", "update web (from a->b), create dns | web/update ; dns/create < web/update");
    let (_, web) = &world.objects["id-web"];
    assert_eq!((web.field("size"), web.field("from")), (Some(&Value::Integer(5)), Some(&"b".into())));
    let (_, dns) = &world.objects["id-dns"];
    assert_eq!(dns.field("from"), Some(&Value::Integer(5)));
}

#[test]
fn a_new_object_begins_with_ignored_fields_as_declared() {
    let lifecycle = "lifecycle = { ignore_changes = [\"size\"] }";
    let mut world = World::applied(&format!("web = {{ size = 1, zone = \"a\", {lifecycle} }}"));
    let after = format!("web = {{ size = 2, zone = \"b\", {lifecycle} }}");
    check_in(&mut world, &after, "", "replace web (!zone a->b) | web/delete ; web/create < web/delete");
    assert_eq!(world.objects["id-web.2"].1.field("size"), Some(&Value::Integer(2)));
}

#[test]
fn what_is_kept_as_a_digest_is_compared_by_it() {
    let before = "key = { kind = \"vault\", provider = \"shelf\", text = \"one\" }";
    check(before, before, "", "nothing");
    let after = "key = { kind = \"vault\", provider = \"shelf\", text = \"two\" }";
    check(before, after, "", "update key (text ***->***) | key/update");
}

#[test]
fn a_secret_output_reaches_its_dependents_in_the_same_run() {
    let before = "db = {}";
    let document = "db = {}\nweb = { from = \"${db.password}\" }";
    check("", document, "", "create db, create web | db/create ; web/create < db/create");
    let mut world = World::applied("");
    world.apply(document);
    check_in(&mut world, document, "", "nothing");
    check_in(
        &mut World::applied(before),
        document,
        "",
        "invalid: `resources.web.from`: `${db.password}` is a secret of which only a digest was kept; \
         hint: replace the resource that made it, so that it is known in the same run",
    );
    check_in(
        &mut world,
        "db = {}\nweb = { size = 2, from = \"${db.password}\" }",
        "--replace db",
        "replace db [asked for], update web (from ***->?, size -->2)
         | db/delete ; db/create < db/delete ; web/update < db/create",
    );
}

#[test]
fn a_text_with_a_secret_in_it_is_as_it_was_until_something_about_it_changes() {
    let document = "db = {}\nweb = { from = \"at ${db.password}\" }";
    check(document, document, "", "nothing");
    check(
        document,
        document,
        "--replace db",
        "replace db [asked for], update web (from ***->?) | db/delete ; db/create < db/delete ; web/update < db/create",
    );
    check(
        document,
        "db = {}\nweb = { from = \"by ${db.password}\" }",
        "",
        "invalid: `resources.web.from`: `${db.password}` is a secret of which only a digest was kept; \
         hint: replace the resource that made it, so that it is known in the same run",
    );
}

#[test]
fn outputs_are_part_of_the_plan_and_may_stand_alone() {
    let world = World::applied("web = {}");
    let document = "web = {}\n[outputs]\naddress = \"${web.address}\"";
    let plan = world.plan(document, "").expect("a plan");
    assert_eq!(plan.outputs["address"].value, "${web.address}".into());
    assert!(plan.steps.is_empty());
    assert!(world.plan(document, "destroy").expect("a plan").outputs.is_empty());
}

#[test]
fn one_edit_among_many_costs_that_one_and_what_depends_on_it() {
    let many = (0..50).map(|number| format!("other{number} = {{ size = {number} }}")).collect::<Vec<_>>().join("\n");
    let document = |size: u32| format!("{many}\nnet = {{ size = {size} }}\nweb = {{ from = \"${{net.id}}\" }}\n");
    let mut world = World::applied(&document(1));
    let unchanged = world.plan(&document(1), "").expect("planned");
    assert_eq!((unchanged.unchanged, unchanged.compared), (52, 0));
    let edited = world.plan(&document(2), "").expect("planned");
    assert_eq!((edited.steps.len(), edited.unchanged, edited.compared), (1, 51, 2));
    world.carry_out(&edited);
    assert_eq!(world.plan(&document(2), "").expect("planned").compared, 0);
}

#[test]
fn what_was_refreshed_after_its_dependency_changed_still_follows_it() {
    let document = |size: u32| format!("net = {{ size = {size} }}\nweb = {{ from = \"${{net.size}}\" }}\n");
    let mut world = World::applied(&document(1));
    world.carry_out(&world.plan(&document(2), "-t net").expect("planned"));
    world.meddle("id-web", "revision", 9);
    let refresh = world.plan(&document(2), "refresh").expect("planned");
    assert_eq!(refresh.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["web/refresh"]);
    world.carry_out(&refresh);
    check_in(&mut world, &document(2), "", "update web (from 1->2) | web/update");
}

#[test]
fn of_many_resources_only_what_was_edited_and_what_needs_it_is_compared() {
    let document = |numbers: std::ops::Range<usize>, edited: usize| -> String {
        let size = |number: usize| if number == edited { 2 } else { 1 };
        let from = |number: usize| match number % 3 {
            0 => String::new(),
            _ => format!(", from = \"${{t{}.id}}\"", number - 1),
        };
        let line = |number| format!("t{number} = {{ size = {}{} }}", size(number), from(number));
        numbers.map(line).collect::<Vec<_>>().join("\n")
    };
    let mut world = World::applied(&document(3000..3003, 0));
    // The rows of all others are like these three.
    for first in (3003..12_000).step_by(3) {
        for (place, like) in ["t3000", "t3001", "t3002"].into_iter().enumerate() {
            let row = serde_json::to_string(&world.state[like]).expect("it serialises");
            let other = |text: String, back: usize| text.replace(&format!("t{}", 3000 + back), &format!("t{}", first + back));
            let row: StateRow = serde_json::from_str(&(0..=place).fold(row, other)).expect("a row");
            world.state.insert(row.name.clone(), row);
        }
    }
    let plan = world.plan(&document(3000..12_000, 9_000), "--no-refresh").expect("a plan");
    let changed: Vec<_> = plan.changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!((changed, plan.unchanged, plan.compared), (vec!["t9000"], 8_999, 2), "itself, and what needs it");
}
