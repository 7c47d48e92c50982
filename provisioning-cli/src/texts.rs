//! What the command shows, as text and as data, for faces that show the same.

use std::collections::BTreeMap;

use anstream::adapter::strip_str;
use provisioning_core::engine::{OutputValue, Report};
use provisioning_core::plan::Plan;
use serde::Serialize;

use crate::render::diff::WithTexts;
use crate::render::plan::View;
use crate::render::{plan, report};

/// A plan as a person reads it, without colours, against the outputs that are given now.
pub fn plan_text(plan: &Plan, given: &BTreeMap<String, OutputValue>) -> String {
    strip_str(&plan::plan(plan, given, View::SHORT)).to_string()
}

/// A plan as data, with the lines of the texts that change.
pub fn plan_document(plan: &Plan) -> impl Serialize {
    WithTexts(plan)
}

/// What a person reads of a run that has ended: what failed and why, and its sum.
pub fn report_text(report: &Report, plan: Option<&Plan>) -> String {
    let failures = report::failures(report, plan);
    let finished = report::finished(report, plan, &BTreeMap::new());
    let text = if failures.is_empty() { finished } else { format!("{failures}\n\n{finished}") };
    strip_str(&text).to_string()
}
