//! What an apply does to the world and to the state, end to end.

use provisioning_core::engine::{Control, PlanOptions};
use provisioning_core::error::{ErrorKind, Retry};
use provisioning_core::plan::Command;
use provisioning_core::record::Outcome;
use provisioning_core::testing::Fault;
use provisioning_core::value::Value;
use serde_json::json;

use crate::fixture::{Lab, desired, steps};

#[tokio::test]
async fn resources_are_made_changed_replaced_left_and_deleted() {
    for lab in Lab::both() {
        let first = json!({ "resources": { "net": { "zone": "a" }, "web": { "size": 1, "from": "${net.id}" }, "old": {} } });
        let calls = lab.apply(&first).await;
        assert_eq!(calls.len(), 3);
        assert_eq!(lab.cloud.contents(), ["net", "old", "web size 1"]);

        let changed = json!({ "resources": { "net": { "zone": "a" }, "web": { "size": 2, "from": "${net.id}" } } });
        assert_eq!(lab.apply(&changed).await, ["delete old", "update web"]);

        let moved = json!({ "resources": { "net": { "zone": "b" }, "web": { "size": 2, "from": "${net.id}" } } });
        assert_eq!(lab.apply(&moved).await, ["delete net", "create net", "update web"]);
        assert_eq!(lab.cloud.contents(), ["net", "web size 2"]);

        assert!(lab.plan(&moved).await.is_empty());
        assert_eq!(lab.apply(&moved).await, [""; 0]);
        assert_eq!(lab.engine.runs().await.expect("runs").len(), 3);
    }
}

#[tokio::test]
async fn what_changed_outside_is_put_right() {
    for lab in Lab::both() {
        let wanted = json!({ "resources": { "a": { "size": 1 }, "b": {} } });
        lab.apply(&wanted).await;
        lab.cloud.meddle("a", Some(9));
        assert_eq!(lab.apply(&wanted).await, ["update a"]);
        lab.cloud.steal("a");
        assert_eq!(lab.apply(&wanted).await, ["create a"]);
        assert_eq!(lab.cloud.contents(), ["a size 1", "b"]);
        assert!(lab.plan(&wanted).await.is_empty());
    }
}

#[tokio::test]
async fn a_refresh_takes_into_the_state_what_changed_outside_and_touches_nothing() {
    for lab in Lab::both() {
        let wanted = json!({ "resources": { "a": {}, "b": {} }, "outputs": { "size": "${a.size}" } });
        lab.apply(&json!({ "resources": { "a": {}, "b": {} } })).await;
        lab.cloud.meddle("a", Some(9));
        lab.cloud.steal("b");
        let calls = lab.command(&wanted, &PlanOptions::new(Command::Refresh)).await;
        assert_eq!(calls, ["read 1", "read 1"]);
        let state = lab.engine.state().await.expect("rows");
        assert_eq!(state.len(), 1);
        assert_eq!(state["a"].outputs().field("size"), Some(&Value::from(9)));
        assert_eq!(lab.cloud.contents(), ["a size 9"]);
    }
}

#[tokio::test]
async fn lookups_are_read_when_their_query_is_known() {
    for lab in Lab::both() {
        let wanted = json!({
            "resources": { "a": { "from": "${early.id}" }, "b": { "from": "${late.id} of ${late.name}" } },
            "lookups": {
                "early": { "kind": "image", "name": "golden" },
                "late": { "kind": "image", "name": "r${a.revision}" },
            },
            "outputs": { "late": "${late.id} of ${late.name}" },
        });
        let plan = lab.plan(&wanted).await;
        assert_eq!(steps(&plan), ["a/create", "late/read", "b/create"]);
        assert_eq!(lab.apply(&wanted).await, ["create a", "look up r0", "create b"]);
        assert_eq!(lab.output("late").await, Value::from("img-r0 of r0"));
        let state = lab.engine.state().await.expect("rows");
        assert_eq!(state["a"].outputs().field("from"), Some(&Value::from("img-golden")));
        assert_eq!(state["b"].outputs().field("from"), Some(&Value::from("img-r0 of r0")));
        assert!(lab.plan(&wanted).await.is_empty());
    }
}

#[tokio::test]
async fn services_are_applied_where_they_differ_and_leave_with_their_host() {
    for lab in Lab::both() {
        let wanted = json!({
            "resources": { "web": {} },
            "services": { "flag": { "service": "flag", "on": ["web"], "config": { "value": "up" } } },
            "outputs": { "raised": "${flag.raised}" },
        });
        assert_eq!(lab.apply(&wanted).await, ["create web", "check flag on web", "raise flag on web"]);
        assert_eq!(lab.apply(&wanted).await, [""; 0]);
        lab.cloud.meddle_flag("web", Some("down".into()));
        assert_eq!(lab.apply(&wanted).await, ["check flag on web", "raise flag on web"]);
        assert_eq!(lab.output("raised").await, Value::from(3));
        lab.cloud.meddle_flag("web", None);
        assert_eq!(lab.apply(&wanted).await, ["check flag on web", "raise flag on web"]);
        assert_eq!(lab.cloud.contents(), ["flag on web: \"up\"", "web"]);
        assert_eq!(lab.apply(&json!({ "resources": { "web": {} } })).await, ["lower flag on web"]);
        assert_eq!(lab.cloud.contents(), ["web"]);
    }
}

#[tokio::test]
async fn outputs_alone_can_change() {
    for lab in Lab::both() {
        let wanted = |output: &str| json!({ "resources": { "a": { "size": 3 } }, "outputs": { "what": output } });
        lab.apply(&wanted("${a.size}")).await;
        assert_eq!(lab.output("what").await, Value::from(3));
        let plan = lab.plan(&wanted("size ${a.size}")).await;
        assert_eq!((plan.steps.len(), plan.changed_outputs.as_slice()), (0, ["what".to_owned()].as_slice()));
        assert_eq!(lab.apply(&wanted("size ${a.size}")).await, [""; 0]);
        assert_eq!(lab.output("what").await, Value::from("size 3"));
        assert!(lab.plan(&wanted("size ${a.size}")).await.is_empty());
    }
}

#[tokio::test]
async fn an_output_follows_a_lookup_that_answers_in_another_way() {
    let lab = Lab::memory();
    let wanted = |image: &str| {
        json!({
            "resources": { "a": {} },
            "lookups": { "image": { "kind": "image", "name": image } },
            "outputs": { "image": "${image.id}" },
        })
    };
    lab.apply(&wanted("one")).await;
    lab.apply(&wanted("two")).await;
    assert_eq!(lab.output("image").await, Value::from("img-two"));
    assert!(lab.plan(&wanted("two")).await.is_empty());
}

#[tokio::test]
async fn forgetting_leaves_the_object_alone() {
    for lab in Lab::both() {
        let wanted = json!({ "resources": { "a": {}, "b": {} } });
        lab.apply(&wanted).await;
        let options = PlanOptions { targets: vec!["a".into()], ..PlanOptions::new(Command::Forget) };
        assert_eq!(lab.command(&wanted, &options).await, [""; 0]);
        let state = lab.engine.state().await.expect("rows");
        assert_eq!(state.keys().map(ToString::to_string).collect::<Vec<_>>(), ["b"]);
        assert_eq!(lab.cloud.contents(), ["a", "b"]);
    }
}

#[tokio::test]
async fn a_protected_resource_is_neither_replaced_nor_destroyed() {
    let lab = Lab::memory();
    let wanted = |zone: &str| json!({ "resources": { "db": { "zone": zone, "lifecycle": { "prevent_destroy": true } } } });
    lab.apply(&wanted("a")).await;
    for (sections, command) in [(wanted("b"), Command::Apply), (wanted("a"), Command::Destroy)] {
        let error = lab.engine.plan(&desired(&sections), &PlanOptions::new(command)).await.expect_err("protected");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("`db` is protected"), "{error}");
    }
    assert_eq!(lab.cloud.contents(), ["db"]);
}

#[tokio::test]
async fn a_destroy_leaves_the_cloud_and_the_state_empty() {
    for lab in Lab::both() {
        let wanted = json!({
            "resources": { "net": {}, "web": { "from": "${net.id}" } },
            "services": { "flag": { "service": "flag", "on": ["web"], "config": { "value": 1 } } },
        });
        lab.apply(&wanted).await;
        assert_eq!(lab.command(&wanted, &PlanOptions::new(Command::Destroy)).await, ["delete web", "delete net"]);
        assert_eq!(lab.cloud.contents(), [""; 0]);
        assert!(lab.engine.state().await.expect("rows").is_empty());
    }
}

#[tokio::test]
async fn a_replacement_that_creates_first_deletes_last() {
    for lab in Lab::both() {
        let wanted = |zone: &str| {
            let first = json!({ "create_before_destroy": true });
            json!({ "resources": {
                "web": { "name": format!("web-{zone}"), "zone": zone, "lifecycle": first },
                "dns": { "from": "${web.id}" },
            } })
        };
        lab.apply(&wanted("a")).await;
        assert_eq!(lab.apply(&wanted("b")).await, ["create web-b", "update dns", "delete web-a"]);

        lab.cloud.inject("delete web-b", Fault::Refuse(Retry::Never));
        let report = lab.run(&wanted("c")).await;
        assert_eq!(report.outcome, Outcome::Failed);
        assert_eq!(lab.engine.state().await.expect("rows")["web"].deposed.len(), 1);
        assert_eq!(lab.apply(&wanted("c")).await, ["delete web-b"]);
        assert_eq!(lab.cloud.contents(), ["dns", "web-c"]);
        assert!(lab.plan(&wanted("c")).await.is_empty());
    }
}

#[tokio::test]
async fn a_left_over_object_goes_after_those_that_still_use_it() {
    let lab = Lab::memory();
    let wanted = |zone: &str| {
        json!({ "resources": {
            "net": { "name": format!("net-{zone}"), "zone": zone, "lifecycle": { "create_before_destroy": true } },
            "web": { "from": "${net.id}" },
        } })
    };
    lab.apply(&wanted("a")).await;
    lab.cloud.inject("update web", Fault::Refuse(Retry::Never));
    assert_eq!(lab.run(&wanted("b")).await.outcome, Outcome::Failed);
    assert_eq!(lab.apply(&wanted("b")).await, ["update web", "delete net-a"]);
}

#[tokio::test]
async fn a_provider_is_built_with_what_other_resources_give_and_again_when_that_changes() {
    for lab in Lab::both() {
        let wanted = |zone: &str| {
            json!({
                "providers": { "lab": { "type": "fake" }, "far": { "type": "fake", "region": "${hub.address}" } },
                "resources": {
                    "hub": { "provider": "lab", "zone": zone },
                    "leaf": { "provider": "far", "zone": zone },
                },
            })
        };
        assert_eq!(lab.apply(&wanted("a")).await, ["create hub", "create leaf"]);
        assert_eq!(lab.cloud.regions().last().map(String::as_str), Some("10.0.0.1"));
        assert_eq!(lab.apply(&wanted("b")).await, ["delete leaf", "delete hub", "create hub", "create leaf"]);
        assert_eq!(lab.cloud.regions().last().map(String::as_str), Some("10.0.0.3"));
    }
}

#[tokio::test]
async fn what_refers_to_a_renamed_resource_sees_it_under_its_new_name() {
    for lab in Lab::both() {
        lab.apply(&json!({ "resources": { "old": { "name": "web" }, "dns": { "from": "${old.id}" } } })).await;
        let renamed = json!({ "resources": {
            "new": { "name": "web", "lifecycle": { "moved_from": "old" } },
            "dns": { "from": "at ${new.address}" },
        } });
        assert_eq!(lab.apply(&renamed).await, ["update dns"]);
        let state = lab.engine.state().await.expect("rows");
        assert_eq!(state["dns"].outputs().field("from"), Some(&Value::from("at 10.0.0.1")));
        assert!(!state.contains_key("old") && lab.plan(&renamed).await.is_empty());
    }
}

#[tokio::test]
async fn a_plan_applies_as_it_was_made_whatever_is_declared_meanwhile() {
    let lab = Lab::memory();
    let plan = lab.plan(&json!({ "resources": { "a": { "size": 1 } } })).await;
    let plan = provisioning_core::plan::Plan::parse(&serde_json::to_vec(&plan).expect("data")).expect("a plan");
    let report = lab.engine.apply(&plan, &Control::new()).await.expect("a report");
    assert_eq!((report.outcome, report.steps, report.succeeded, report.not_begun), (Outcome::Completed, 1, 1, 0));
    assert_eq!(lab.cloud.contents(), ["a size 1"]);
}

#[tokio::test]
async fn an_output_names_the_run_that_gave_it() {
    let lab = Lab::memory();
    let wanted = |size: i64| json!({ "resources": { "a": { "size": size } }, "outputs": { "by": "run ${run.id}" } });
    for size in [1, 2] {
        lab.apply(&wanted(size)).await;
        let run = lab.engine.runs().await.expect("runs").pop().expect("one").id;
        assert_eq!(lab.engine.outputs().await.expect("outputs")["by"].value, format!("run {run}").into());
    }
    assert!(lab.plan(&wanted(2)).await.is_empty(), "a new run is no change");
    for refused in ["${run.id}", "${run.start}"] {
        let document = json!({ "resources": { "a": { "from": refused } } });
        let plan = lab.engine.plan(&desired(&document), &PlanOptions::new(Command::Apply)).await;
        assert!(plan.expect_err(refused).to_string().contains("every run would differ"));
    }
}
