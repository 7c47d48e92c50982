//! What came of trying a workspace out: a table of steps and faults for each journey, what is wrong, and the sum.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use provisioning_core::testing::{Chaos, Disturbance, Flaw, Journey, Row, Verdict};

use super::error::headline;
use super::{BOLD, DIM, GREEN, RED, YELLOW, columns, count, paint};

/// How many findings and reasons are told.
const SHOWN: usize = 20;

/// What goes wrong, at the head of its column and in a sentence.
const FAULTS: [(Disturbance, &str, &str); 7] = [
    (Disturbance::Refused, "REFUSED", "the call is refused for good"),
    (Disturbance::RefusedForAWhile, "BUSY", "it is refused, and would not be a moment later"),
    (Disturbance::Hang, "NO ANSWER", "it never answers"),
    (Disturbance::ReplyLost, "REPLY LOST", "it has its effect, and nobody hears of it"),
    (Disturbance::CrashBefore, "CRASH BEFORE", "the engine dies before a record of the step is on disk; tried at each record"),
    (Disturbance::CrashAfter, "CRASH AFTER", "the engine dies when the record is on disk, before it acts on it"),
    (Disturbance::CrashUndoing, "CRASH UNDOING", "the call is refused, and the engine dies while it takes everything back"),
];

const INFALLIBLE: &str = "writing to a string cannot fail";

/// The whole answer.
pub(crate) fn chaos(chaos: &Chaos) -> String {
    let mut text = String::new();
    if chaos.rows.is_empty() {
        text.push_str("Nothing to try out: a plan of what is declared has no steps.\n");
    }
    for journey in Journey::ALL {
        let rows: Vec<_> = chaos.rows.iter().filter(|row| row.journey == journey).collect();
        let left_out: Vec<_> = chaos.left_out.iter().filter(|left_out| left_out.journey == journey).collect();
        if rows.is_empty() && left_out.is_empty() {
            continue;
        }
        writeln!(text, "{}", paint(BOLD, journey.as_str())).expect(INFALLIBLE);
        for left_out in left_out {
            writeln!(text, "  {} {}", paint(YELLOW, "not tried in full:"), left_out.reason).expect(INFALLIBLE);
        }
        let table = matrix(&rows);
        table.lines().for_each(|line| writeln!(text, "  {line}").expect(INFALLIBLE));
        text.push('\n');
    }
    write_legend(&mut text, chaos);
    write_stuck(&mut text, chaos);
    write_findings(&mut text, chaos);
    if !chaos.rows.is_empty() {
        text.push_str(&sum(chaos));
    }
    text
}

/// The steps by the faults; the last fault has no column where it came to none of them.
fn matrix(rows: &[&Row]) -> String {
    let word_of = |row: &Row, fault| row.cells.iter().find(|cell| cell.fault == fault).map_or("-", |cell| word(&cell.verdict));
    if rows.is_empty() {
        return String::new();
    }
    let undoes = rows.iter().any(|row| word_of(row, Disturbance::CrashUndoing) != "-");
    let faults = || FAULTS.iter().filter(|(fault, ..)| undoes || *fault != Disturbance::CrashUndoing);
    let head = ["STEP"].into_iter().chain(faults().map(|(_, head, _)| *head));
    let cells = |row: &&Row| -> Vec<String> {
        let words = faults().map(|(fault, ..)| word_of(row, *fault).to_owned());
        [row.step.to_string()].into_iter().chain(words).collect()
    };
    columns(head, rows.iter().map(cells))
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
    if chaos.rows.is_empty() {
        return;
    }
    let faults = FAULTS.iter().map(|(_, head, meaning)| (*head, *meaning));
    for (word, meaning) in faults.chain(words(chaos).into_keys().map(|word| (word, meaning(word)))) {
        writeln!(text, "{}", paint(DIM, format!("{word:<13}  {meaning}"))).expect(INFALLIBLE);
    }
    text.push('\n');
}

fn write_stuck(text: &mut String, chaos: &Chaos) {
    let cells = chaos.rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row.journey, cell)));
    let reasons: BTreeSet<_> = cells
        .filter_map(|(journey, cell)| match &cell.verdict {
            Verdict::Stuck { reason } => Some(format!("{}: {}: {reason}", journey.as_str(), cell.fault.as_str())),
            _ => None,
        })
        .collect();
    for reason in reasons.iter().take(SHOWN) {
        writeln!(text, "{} {reason}", paint(YELLOW, "stuck:")).expect(INFALLIBLE);
    }
    write_rest(text, reasons.len());
}

fn write_findings(text: &mut String, chaos: &Chaos) {
    chaos.findings.iter().take(SHOWN).for_each(|finding| writeln!(text, "{}", headline(finding)).expect(INFALLIBLE));
    write_rest(text, chaos.findings.len() + chaos.findings_left_out);
}

fn write_rest(text: &mut String, all: usize) {
    if all > SHOWN {
        writeln!(text, "… and {} more; `--json` gives them", all - SHOWN).expect(INFALLIBLE);
    }
    if all > 0 {
        text.push('\n');
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
    let cells = told.join(", ");
    format!("{head} {} at {}, on fakes; {cells}.\n", count(chaos.cases, "disturbance"), count(chaos.rows.len(), "step"))
}
