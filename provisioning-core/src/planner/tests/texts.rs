//! What becomes of texts of which the state keeps only digests.

use std::sync::Arc;

use super::world::{World, parsed};
use crate::name::ResourceName;
use crate::plan::Plan;
use crate::resource::{Desired, TextFate, unified};
use crate::value::{Render, Value};

/// What is said of texts, one line each.
fn told(plan: &Plan) -> Vec<String> {
    let texts = plan.changes.iter().flat_map(|change| &change.fields).flat_map(|field| &field.texts);
    let told = texts.map(|text| match &text.fate {
        TextFate::Becomes { before, after } => {
            let diff = unified(before, after).expect("short");
            let lines: Vec<_> = diff.lines().filter(|line| line.starts_with(['+', '-'])).collect();
            format!("{} {}", text.path, lines.join(" "))
        }
        TextFate::Awaits(variables) => format!("{} awaits {}", text.path, variables.join(" ")),
    });
    told.collect()
}

fn vault(fields: &str) -> String {
    format!("a = {{ kind = \"vault\", provider = \"shelf\", {fields} }}")
}

#[track_caller]
fn check(world: &World, document: &str, options: &str, expect: &[&str]) {
    assert_eq!(told(&world.plan(document, options).expect("planned")), expect);
}

#[test]
fn the_old_text_is_made_again_from_what_was_written() {
    let world = World::applied(&vault(r#"text = "one\n""#));
    for options in ["", "--no-refresh"] {
        check(&world, &vault(r#"text = "two\n""#), options, &["text -one +two"]);
        check(&world, &vault(r#"label = "x", text = "one\n""#), options, &[]);
        check(&world, &vault(r#"label = "x""#), options, &["text -one"]);
    }
}

#[test]
fn the_old_text_is_made_again_with_what_it_refers_to() {
    let with = |text: &str| format!("net = {{}}\n{}", vault(&format!("text = \"{text}\"")));
    let world = World::applied(&with("at ${net.id}\\n"));
    check(&world, &with("on ${net.id}\\n"), "--no-refresh", &["text -at id-net +on id-net"]);
}

#[test]
fn a_text_that_changed_outside_is_compared_where_it_was_read() {
    let mut world = World::applied(&vault(r#"text = "one\n""#));
    world.meddle("id-a", "text", "mine\n");
    check(&world, &vault(r#"text = "one\n""#), "", &["text -mine +one"]);
    check(&world, &vault(r#"text = "two\n""#), "", &["text -mine +two"]);
    check(&world, &vault(r#"text = "two\n""#), "--no-refresh", &["text -one +two"]);
}

#[test]
fn texts_by_name_are_compared_each_for_itself() {
    let world = World::applied(&vault(r#"pages = { a = "1\n", b = "2\n", c = "3\n" }"#));
    let expect = ["pages.b -2", "pages.c -3 +4", "pages.d +5"];
    check(&world, &vault(r#"pages = { a = "1\n", c = "4\n", d = "5\n" }"#), "", &expect);
}

#[test]
fn a_new_text_is_all_new() {
    check(&World::empty(), &vault(r#"text = "one\n""#), "", &["text +one"]);
}

#[test]
fn a_text_with_a_secret_in_it_is_not_shown() {
    let with = |text: &str| format!("web = {{}}\n{}", vault(&format!("text = \"{text}\"")));
    let world = World::applied(&with("plain"));
    let document = with("key ${web.password}");
    check(&World::empty(), &document, "", &[]);
    check(&world, &format!("{document}\nweb2 = {{}}"), "--replace web", &[]);
}

#[test]
fn no_text_reaches_the_written_plan() {
    let mut world = World::applied(&vault(r#"text = "one\n""#));
    world.meddle("id-a", "text", "mine");
    let plan = world.plan(&vault(r#"text = "one\n""#), "").expect("planned");
    assert_eq!(told(&plan).len(), 1);
    let json = serde_json::to_string(&plan).expect("it serialises");
    assert!(!json.contains("mine"), "{json}");
    assert_eq!(Plan::parse(json.as_bytes()).expect("a plan").hash(), plan.hash());
}

/// A document whose `a` has a text that is rendered.
fn templated(world: &World, source: &str, variable: &str) -> Desired {
    let mut desired = world.desired(&format!("net = {{}}\n{}", vault("text = \"\""))).expect("read");
    let variables = Value::map([("port", Value::from(80)), ("net", variable.into())]);
    let render = Render { name: "site.j2".into(), source: source.into(), variables };
    let declared = desired.resources.get_mut(&ResourceName::parse("a").expect("a name")).expect("it is declared");
    declared.inputs = declared.inputs.with("text", Value::Render(Arc::new(render)));
    desired
}

#[test]
fn a_template_is_compared_by_what_it_renders() {
    let mut world = World::empty();
    let plan = |world: &World, source: &str, options: &str| {
        world.plan_desired(&templated(world, source, "${net.id}"), &parsed(options)).expect("planned")
    };
    let first = plan(&world, "port {{ port }}\nnet {{ net }}\n", "");
    assert_eq!(told(&first), ["text awaits net"]);
    world.carry_out(&first);
    let second = plan(&world, "port {{ port + 1 }}\nnet {{ net }}\n", "--no-refresh");
    assert_eq!(told(&second), ["text -port 80 +port 81"]);
}

#[test]
fn a_template_that_awaits_a_variable_is_compared_by_its_source() {
    let mut world = World::empty();
    let old = templated(&world, "net {{ net }}\n", "${net.id}");
    let first = world.plan_desired(&old, &parsed("")).expect("planned");
    world.carry_out(&first);
    let new = templated(&world, "network {{ net }}\n", "${net.id}");
    let plan = world.plan_desired(&new, &parsed("--replace net")).expect("planned");
    assert_eq!(told(&plan), ["text awaits net", "site.j2 -net {{ net }} +network {{ net }}"]);
}
