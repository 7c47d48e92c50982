//! What the command shows of a plan, as text and as data, for faces that show the same.

use std::collections::BTreeMap;

use anstream::adapter::strip_str;
use provisioning_core::engine::OutputValue;
use provisioning_core::plan::Plan;
use serde::Serialize;

use crate::render::diff::WithTexts;
use crate::render::plan;
use crate::render::plan::View;

/// A plan as a person reads it, without colours, against the outputs that are given now.
pub fn plan_text(plan: &Plan, given: &BTreeMap<String, OutputValue>) -> String {
    strip_str(&plan::plan(plan, given, View::SHORT)).to_string()
}

/// A plan as data, with the lines of the texts that change.
pub fn plan_document(plan: &Plan) -> impl Serialize {
    WithTexts(plan)
}
