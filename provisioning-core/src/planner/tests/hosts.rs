//! Services: one per host, checked on hosts that stay, applied again on new ones, dropped with their hosts.

use super::world::World;
use super::{check, check_in, render};
use crate::value::Value;

/// Hosts with the flag on some of them.
fn flag(hosts: &str, on: &str, value: &str) -> String {
    format!("{hosts}\n[services]\nflag = {{ service = \"flag\", on = [{on}], config = {{ value = \"{value}\" }} }}")
}

#[test]
fn a_service_is_applied_on_each_of_its_hosts_after_them() {
    check(
        "",
        &flag("web = {}\ndb = {}", "\"web\", \"db\"", "${db.address}"),
        "",
        "create db, create flag@db, create web, create flag@web
         | db/create ; flag@db/apply < db/create ; web/create ; flag@web/apply < db/create web/create",
    );
}

#[test]
fn a_service_in_its_condition_is_left_alone() {
    let document = flag("web = {}", "\"web\"", "up");
    check(&document, &document, "", "nothing");
}

#[test]
fn a_changed_service_is_applied_again_and_its_outputs_are_known_after() {
    let document = |value: &str| flag("web = {}\ndns = { from = \"${flag.raised}\" }", "\"web\"", value);
    check(
        &document("up"),
        &document("down"),
        "",
        "update flag@web (value up->down), update dns (from 1->?) | flag@web/apply ; dns/update < flag@web/apply",
    );
}

#[test]
fn a_service_that_changed_outside_is_applied_again() {
    let document = flag("web = {}\ndns = { from = \"${flag@web.raised}\" }", "\"web\"", "up");
    let mut world = World::applied(&document);
    world.flags.insert("web".into(), ("half".into(), 7));
    check_in(
        &mut world,
        &document,
        "",
        "update flag@web [changed outside: it says half], update dns (from 1->?) | flag@web/apply ; dns/update < flag@web/apply",
    );
    world.flags.insert("web".into(), ("up".into(), 9));
    check_in(
        &mut world,
        &document,
        "",
        "refresh flag@web [its outputs changed outside], update dns (from 8->9) | flag@web/refresh ; dns/update < flag@web/refresh",
    );
    world.flags.clear();
    check_in(
        &mut world,
        &document,
        "",
        "create flag@web [gone: it was removed outside], update dns (from 9->?) | flag@web/apply ; dns/update < flag@web/apply",
    );
    check_in(&mut world, &document, "--no-refresh", "nothing");
}

#[test]
fn a_host_that_does_not_say_now_how_to_connect_is_asked_the_way_the_state_knows() {
    let document = flag("web = {}", "\"web\"", "up");
    let mut world = World::applied(&document);
    let (_, outputs) = world.objects.get_mut("id-web").expect("it is there");
    let silent = outputs.as_map().expect("fields").iter().filter(|(name, _)| name.as_ref() != "connection");
    *outputs = Value::map(silent.map(|(name, value)| (name.clone(), value.clone())));
    world.flags.insert("web".into(), ("half".into(), 7));
    let plan = world.plan(&document, "");
    assert_eq!(
        render::flat(&render::result(&plan)),
        render::flat(
            "refresh web [its outputs changed outside], update flag@web [changed outside: it says half]
             | web/refresh ; flag@web/apply < web/refresh"
        )
    );
}

#[test]
fn a_replaced_host_gets_its_services_again() {
    check(
        &flag("web = { zone = \"a\" }", "\"web\"", "up"),
        &flag("web = { zone = \"b\" }", "\"web\"", "up"),
        "",
        "replace web (!zone a->b), create flag@web [its host `web` is new]
         | web/delete ; web/create < web/delete ; flag@web/apply < web/create",
    );
}

#[test]
fn a_service_that_is_no_longer_declared_goes_with_a_replaced_host() {
    check(
        &flag("web = { zone = \"a\" }", "\"web\"", "up"),
        "web = { zone = \"b\" }",
        "",
        "forget flag@web [goes with its host], replace web (!zone a->b)
         | web/delete ; flag@web/forget < web/delete ; web/create < web/delete",
    );
}

#[test]
fn a_service_is_removed_from_the_machine_that_its_host_was() {
    let machine = |name: &str| {
        format!(
            "web = {{ kind = \"machine\", provider = \"shelf\", name = \"{name}\", lifecycle = {{ create_before_destroy = true }} }}"
        )
    };
    check(
        &flag(&machine("a"), "\"web\"", "up"),
        &machine("b"),
        "",
        "delete flag@web [no longer declared], replace-before web (!name a->b)
         | flag@web/remove ; web/create < flag@web/remove ; web/delete < flag@web/remove web/create",
    );
}

#[test]
fn a_host_that_is_gone_gets_its_services_again() {
    let document = flag("web = {}", "\"web\"", "up");
    let mut world = World::applied(&document);
    world.objects.remove("id-web");
    world.flags.clear();
    check_in(
        &mut world,
        &document,
        "",
        "create web [gone: it was removed outside], create flag@web [its host `web` is new] | web/create ; flag@web/apply < web/create",
    );
}

#[test]
fn a_service_that_is_no_longer_declared_is_removed_from_a_host_that_stays() {
    check(
        &flag("web = {}\ndb = {}", "\"web\", \"db\"", "up"),
        &flag("web = {}\ndb = {}", "\"db\"", "up"),
        "",
        "delete flag@web [no longer declared] | flag@web/remove",
    );
}

#[test]
fn a_service_is_forgotten_after_its_host_went() {
    check(
        &flag("web = {}", "\"web\"", "up"),
        "",
        "",
        "forget flag@web [goes with its host], delete web [no longer declared] | web/delete ; flag@web/forget < web/delete",
    );
    let document = flag("web = {}", "\"web\"", "up");
    check(
        &document,
        &document,
        "destroy",
        "forget flag@web [goes with its host], delete web | web/delete ; flag@web/forget < web/delete",
    );
}

#[test]
fn a_service_on_a_host_that_vanished_is_forgotten() {
    let mut world = World::applied(&flag("web = {}\ndb = {}", "\"web\", \"db\"", "up"));
    world.objects.remove("id-web");
    world.flags.remove("web");
    check_in(
        &mut world,
        "db = {}",
        "",
        "delete flag@db [no longer declared], forget flag@web [its host is gone], forget web [gone already]
         | flag@db/remove ; flag@web/forget ; web/forget < flag@web/forget",
    );
}

#[test]
fn a_service_is_removed_properly_from_a_host_that_is_there_anyway() {
    let document = flag("web = { kind = \"machine\", provider = \"shelf\", name = \"web\" }", "\"web\"", "up");
    check(&document, &document, "destroy", "delete flag@web, delete web | flag@web/remove ; web/delete < flag@web/remove");
    check(&document, &document, "destroy -t flag", "delete flag@web | flag@web/remove");
}

#[test]
fn what_a_service_refers_to_goes_after_its_host() {
    let document = flag("db = {}\nweb = {}", "\"web\"", "${db.address}");
    check(
        &document,
        "",
        "",
        "delete db [no longer declared], forget flag@web [goes with its host], delete web [no longer declared]
         | web/delete ; flag@web/forget < web/delete ; db/delete < flag@web/forget",
    );
}

#[test]
fn a_service_that_refers_to_something_on_its_own_host_goes_with_both() {
    let document = flag("web = {}\ndb = { from = \"${web.id}\" }", "\"web\"", "${db.address}");
    check(
        &document,
        "",
        "",
        "delete db [no longer declared], forget flag@web [goes with its host], delete web [no longer declared]
         | db/delete ; web/delete < db/delete ; flag@web/forget < web/delete",
    );
}

#[test]
fn a_service_is_removed_with_what_it_was_applied_with() {
    let before = flag("db = {}\nweb = {}", "\"web\"", "on ${db.address}");
    let world = World::applied(&before);
    let plan = world.plan("web = {}", "").expect("a plan");
    let remove = plan.steps.iter().find(|step| step.id.as_str() == "flag@web/remove").expect("it is removed");
    assert_eq!(remove.inputs.field("value"), Some(&"on address-db".into()));
}

#[test]
fn a_service_of_another_kind_is_removed_and_applied() {
    let document = |service: &str| {
        format!("web = {{}}\n[services]\nflag = {{ service = \"{service}\", on = [\"web\"], config = {{ value = 1 }} }}")
    };
    check(
        &document("flag"),
        &document("banner"),
        "",
        "replace flag@web (value -->1) [it was a `flag`] | flag@web/remove ; flag@web/apply < flag@web/remove",
    );
}

#[test]
fn what_is_kept_as_a_digest_alone_is_not_checked_against_the_host() {
    let document = flag("db = {}\nweb = {}", "\"web\"", "${db.password}");
    check(&document, &document, "", "nothing");
}

#[test]
fn a_host_may_be_a_lookup_also_when_everything_goes() {
    let document = "[lookups]\nweb = { kind = \"host\", provider = \"shelf\", name = \"web\" }\n[services]\nflag = { service = \"flag\", on = [\"web\"], config = { value = 1 } }";
    check("", document, "", "create flag@web | flag@web/apply");
    check(document, document, "", "nothing");
    check(document, document, "destroy", "delete flag@web | flag@web/remove");
    check(document, "", "", "forget flag@web [its host is gone] | flag@web/forget");
}
