//! Every mistake in the fields names its field, and a failing program is told from one that begins.

use serde_json::{Value as Json, json};

use super::*;

/// The fields with some of them replaced; `null` takes one away.
fn declared(changes: &Json) -> Result<Unit> {
    let mut fields = json!({
        "command": ["/bin/web"], "environment": { "PORT": "80" }, "restart": "always", "stop_signal": "TERM",
        "stop_timeout_seconds": 10, "log_max_bytes": 1024, "log_files": 3
    });
    for (name, value) in changes.as_object().expect("a map") {
        fields[name] = value.clone();
    }
    serde_json::from_value::<UnitFields>(fields).expect("fits").unit()
}

fn health(changes: &Json) -> Result<Unit> {
    let mut health = json!({ "interval_seconds": 1, "timeout_seconds": 2.5, "failures": 3, "start_seconds": 30 });
    for (name, value) in changes.as_object().expect("a map") {
        health[name] = value.clone();
    }
    declared(&json!({ "health": health }))
}

#[test]
fn fields_become_a_unit() {
    let unit = health(&json!({ "http": "http://10.0.0.2:80/up" })).expect("a unit");
    assert_eq!((unit.arguments, unit.restart), (vec!["/bin/web".to_owned()], Restart::Always));
    let health = unit.health.expect("a health check");
    assert_eq!((health.probe, health.failures), (Probe::Http("http://10.0.0.2:80/up".into()), 3));
    assert!((health.timeout_seconds - 2.5).abs() < f64::EPSILON);
}

#[test]
fn every_mistake_names_its_field() {
    let told = |result: Result<Unit>| result.expect_err("refused").to_string();
    assert_eq!(told(declared(&json!({ "command": [] }))), "`command` names no program");
    assert_eq!(
        told(declared(&json!({ "stop_signal": "STOP" }))),
        "`STOP` is no `stop_signal`: expected one of TERM, INT, QUIT, HUP, USR1, USR2, KILL"
    );
    let seconds = "`stop_timeout_seconds` is 0: expected more than 0 and an end";
    assert_eq!(told(declared(&json!({ "stop_timeout_seconds": 0 }))), seconds);
    assert_eq!(told(declared(&json!({ "log_max_bytes": 0 }))), "`log_max_bytes` is 0");
    assert_eq!(told(declared(&json!({ "log_files": 0 }))), "`log_files` is 0");
    assert_eq!(told(health(&json!({}))), "`health` asks not exactly one question");
    assert_eq!(told(health(&json!({ "tcp": "a:1", "command": ["x"] }))), "`health` asks not exactly one question");
    assert_eq!(told(health(&json!({ "tcp": "10.0.0.2" }))), "`health.tcp` is `10.0.0.2`: expected `ADDRESS:PORT`");
    assert_eq!(told(health(&json!({ "http": "x" }))), "`health.http` is `x`: expected `http://ADDRESS:PORT/PATH`");
    assert_eq!(told(health(&json!({ "command": [] }))), "`health.command` names no program");
    let probed = |field: &str, value: i64| told(health(&json!({ "tcp": "a:1", field: value })));
    assert_eq!(probed("interval_seconds", -1), "`health.interval_seconds` is -1: expected more than 0 and an end");
    assert_eq!(probed("timeout_seconds", 0), "`health.timeout_seconds` is 0: expected more than 0 and an end");
    assert_eq!(probed("start_seconds", 0), "`health.start_seconds` is 0: expected more than 0 and an end");
    assert_eq!(probed("failures", 0), "`health.failures` is 0");
}

#[test]
fn a_program_that_is_started_again_and_again_fails() {
    let unit = declared(&json!({})).expect("a unit");
    let stands = |state: UnitState, restarts: u32| course(&UnitStatus { unit: unit.clone(), state, process: None, restarts });
    assert_eq!(stands(UnitState::Running, 9), Course::Works);
    assert_eq!(stands(UnitState::Ended, 0), Course::Works);
    assert_eq!(stands(UnitState::Starting, 0), Course::Begins);
    assert_eq!(stands(UnitState::Waiting("it exited with 3".into()), 1), Course::Begins);
    assert_eq!(stands(UnitState::Waiting("it exited with 3".into()), 2), Course::Fails("it exited with 3".into()));
    assert_eq!(stands(UnitState::Failed("it exited with 3".into()), 0), Course::Fails("it exited with 3".into()));
}
