//! What takes part: targets, excludes, and what is to be replaced.

use super::check;
use super::check_in;
use super::world::World;

const BEFORE: &str =
    "net = { size = 1 }\nweb = { size = 1, from = \"${net.id}\" }\ndb = { size = 1 }\nlog = { depends_on = [\"db\"] }";
const AFTER: &str =
    "net = { size = 2 }\nweb = { size = 2, from = \"${net.id}\" }\ndb = { size = 2 }\nlog = { depends_on = [\"db\"] }";

#[test]
fn a_target_takes_what_it_needs_along() {
    check(BEFORE, AFTER, "-t web", "update net (size 1->2), update web (size 1->2) | net/update ; web/update < net/update");
    check(BEFORE, AFTER, "-t net", "update net (size 1->2) | net/update");
    check(BEFORE, AFTER, "-t net -t db", "update db (size 1->2), update net (size 1->2) | db/update ; net/update");
}

#[test]
fn an_exclude_leaves_out_what_needs_it() {
    check(BEFORE, AFTER, "-x net", "update db (size 1->2) | db/update");
    check(BEFORE, AFTER, "-t web -x net", "nothing");
    check(BEFORE, AFTER, "-x web -x log", "update db (size 1->2), update net (size 1->2) | db/update ; net/update");
}

#[test]
fn a_target_for_a_destroy_takes_what_needs_it_along() {
    check(BEFORE, BEFORE, "destroy -t net", "delete net, delete web | web/delete ; net/delete < web/delete");
    check(BEFORE, BEFORE, "destroy -t web", "delete web | web/delete");
}

#[test]
fn what_is_excluded_from_a_destroy_keeps_what_it_needs() {
    check(BEFORE, BEFORE, "destroy -x web", "delete db, delete log | log/delete ; db/delete < log/delete");
    check(
        BEFORE,
        BEFORE,
        "destroy -x net",
        "delete db, delete log, delete web | log/delete ; db/delete < log/delete ; web/delete",
    );
}

#[test]
fn an_excluded_row_keeps_what_it_needs_in_an_apply_too() {
    check(
        BEFORE,
        "",
        "-x web",
        "delete db [no longer declared], delete log [no longer declared] | log/delete ; db/delete < log/delete",
    );
    check(
        BEFORE,
        "db = { size = 1 }",
        "-x net",
        "delete log [no longer declared], delete web [no longer declared] | log/delete ; web/delete",
    );
}

#[test]
fn a_target_leaves_rows_alone_that_are_no_longer_declared() {
    check(BEFORE, "net = { size = 2 }", "-t net", "update net (size 1->2) | net/update");
}

#[test]
fn a_targeted_row_goes_with_what_needs_it_gone_or_changed() {
    check(
        BEFORE,
        "",
        "-t net",
        "delete net [no longer declared], delete web [no longer declared] | web/delete ; net/delete < web/delete",
    );
    check(
        BEFORE,
        "web = { size = 1 }\ndb = { size = 2 }",
        "-t net",
        "update web (from id-net->-), delete net [no longer declared] | web/update ; net/delete < web/update",
    );
}

#[test]
fn a_service_is_targeted_by_its_own_name_or_on_one_host() {
    let document = "web = {}\ndb = {}\n[services]\nflag = { service = \"flag\", on = [\"web\", \"db\"], config = { value = 1 } }";
    check("", document, "-t flag@web", "create web, create flag@web | web/create ; flag@web/apply < web/create");
    check(document, document, "destroy -t flag", "delete flag@db, delete flag@web | flag@db/remove ; flag@web/remove");
}

#[test]
fn a_target_that_is_nothing_is_an_error_with_the_nearest_name() {
    check(BEFORE, AFTER, "-t wep", "not_found: there is no resource `wep`; hint: did you mean `web`?");
    check("", "", "-x web", "not_found: there is no resource `web`; hint: `provisioning show` lists what the state has");
}

#[test]
fn only_a_declared_object_that_takes_part_can_be_replaced() {
    check(
        BEFORE,
        AFTER,
        "-t net --replace web",
        "invalid: `web` cannot be replaced: it does not take part; hint: target it too, or do not exclude it",
    );
    check(BEFORE, "", "--replace web", "invalid: `web` cannot be replaced: it is not declared");
    let document = "web = {}\n[services]\nflag = { service = \"flag\", on = [\"web\"], config = { value = 1 } }\n\
        [lookups]\nimage = { kind = \"image\", name = \"debian\" }";
    check(
        "",
        document,
        "--replace flag",
        "invalid: `flag@web` cannot be replaced: a service is brought into its condition; hint: replace its host `web`",
    );
    check("", document, "--replace image", "invalid: `image` cannot be replaced: a lookup only reads");
}

#[test]
fn what_does_not_take_part_is_seen_as_it_is() {
    let before = "net = { size = 1 }\nweb = { size = \"${net.size}\" }";
    let after = "net = { size = 2 }\nweb = { size = \"${net.size}\", zone = \"a\" }";
    check(before, after, "-x net", "nothing");
    check_in(
        &mut World::applied(before),
        after,
        "-t web",
        "update net (size 1->2), replace web (size 1->2, !zone -->a)
        | net/update ; web/delete ; web/create < net/update web/delete",
    );
}
