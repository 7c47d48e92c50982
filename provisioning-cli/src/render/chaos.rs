//! What came of trying a workspace out: a table of steps and faults for each journey, what is wrong, and the sum.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use provisioning_core::testing::{Chaos, Disturbance, Flaw, Journey, Row, Verdict};

use super::error::headline;
use super::{BOLD, DIM, GREEN, RED, count, paint, table};

/// How many findings and reasons are told.
const SHOWN: usize = 20;

const INFALLIBLE: &str = "writing to a string cannot fail";

/// The whole answer.
pub(crate) fn chaos(chaos: &Chaos) -> String {
    let mut text = String::new();
    for journey in Journey::ALL {
        let rows: Vec<_> = chaos.rows.iter().filter(|row| row.journey == journey).collect();
        let left_out = chaos.left_out.iter().filter(|left_out| left_out.journey == journey);
        let reasons: Vec<_> = left_out.map(|left_out| left_out.reason.as_str()).collect();
        if rows.is_empty() && reasons.is_empty() {
            continue;
        }
        writeln!(text, "{}", paint(BOLD, journey.as_str())).expect(INFALLIBLE);
        reasons.iter().for_each(|reason| writeln!(text, "  {}", paint(DIM, format!("not all: {reason}"))).expect(INFALLIBLE));
        if !rows.is_empty() {
            let head = ["STEP", "REFUSED", "FOR A WHILE", "NO ANSWER", "REPLY LOST", "CRASH BEFORE", "CRASH AFTER"];
            table(head, rows.iter().map(|row| cells(row))).lines().for_each(|line| writeln!(text, "  {line}").expect(INFALLIBLE));
        }
        text.push('\n');
    }
    write_legend(&mut text, chaos);
    write_stuck(&mut text, chaos);
    write_findings(&mut text, chaos);
    text.push_str(&sum(chaos));
    text
}

fn cells(row: &Row) -> [String; 7] {
    let word_of = |fault| row.cells.iter().find(|cell| cell.fault == fault).map_or("-", |cell| word(&cell.verdict)).to_owned();
    let [a, b, c, d, e, f] = Disturbance::ALL.map(word_of);
    [row.step.to_string(), a, b, c, d, e, f]
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Unreached => "-",
        Verdict::Converged { resumes: 0 } => "ok",
        Verdict::Converged { .. } => "resumed",
        Verdict::RolledBack => "undone",
        Verdict::Stuck { .. } => "stuck",
        Verdict::Broken { flaw: Flaw::Orphan, .. } => "ORPHAN",
        Verdict::Broken { flaw: Flaw::Duplicate, .. } => "TWICE",
        Verdict::Broken { flaw: Flaw::Damaged, .. } => "DAMAGED",
        Verdict::Broken { flaw: Flaw::Unexplained, .. } => "SILENT",
        Verdict::Broken { flaw: Flaw::Astray, .. } => "ASTRAY",
    }
}

/// What a word of the table means.
fn meaning(word: &str) -> &'static str {
    match word {
        "-" => "the step makes no such call",
        "ok" => "the run came to its end by itself",
        "resumed" => "`provisioning resume` brought it to its end",
        "undone" => "it was taken back, and all is as before",
        "stuck" => "it does not go on; why is told below",
        "ORPHAN" => "something exists that the workspace does not know of",
        "TWICE" => "something was made twice",
        "DAMAGED" => "the journal or the state is damaged",
        "SILENT" => "it does not go on, and nothing says why",
        _ => "it ended, and not as it should",
    }
}

fn words(chaos: &Chaos) -> BTreeMap<&'static str, usize> {
    let mut words = BTreeMap::new();
    for cell in chaos.rows.iter().flat_map(|row| &row.cells) {
        *words.entry(word(&cell.verdict)).or_default() += 1;
    }
    words
}

fn write_legend(text: &mut String, chaos: &Chaos) {
    for word in words(chaos).keys() {
        writeln!(text, "{}", paint(DIM, format!("{word:<8} {}", meaning(word)))).expect(INFALLIBLE);
    }
    text.push('\n');
}

fn write_stuck(text: &mut String, chaos: &Chaos) {
    let stuck = chaos.rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    let reasons: BTreeSet<_> = stuck
        .filter_map(|(row, cell)| match &cell.verdict {
            Verdict::Stuck { reason } => Some(format!("{}: {}: {reason}", row.journey.as_str(), cell.fault.as_str())),
            _ => None,
        })
        .collect();
    reasons.iter().take(SHOWN).for_each(|reason| writeln!(text, "stuck: {reason}").expect(INFALLIBLE));
}

fn write_findings(text: &mut String, chaos: &Chaos) {
    let all = chaos.findings.len() + chaos.findings_left_out;
    chaos.findings.iter().take(SHOWN).for_each(|finding| writeln!(text, "{}", headline(finding)).expect(INFALLIBLE));
    if all > SHOWN {
        writeln!(text, "… and {} more; `--json` gives them", all - SHOWN).expect(INFALLIBLE);
    }
}

fn sum(chaos: &Chaos) -> String {
    let findings = chaos.findings.len() + chaos.findings_left_out;
    let words = words(chaos);
    let told = ["ok", "resumed", "undone", "stuck"].map(|word| format!("{} {word}", words.get(word).copied().unwrap_or(0)));
    let head = match findings {
        0 => paint(GREEN, "As promised:"),
        findings => paint(RED, format!("{}:", count(findings, "finding"))),
    };
    format!("{head} {} of {}; {}.\n", count(chaos.cases, "case"), count(chaos.rows.len(), "step"), told.join(", "))
}
