//! The evaluator's errors as diagnostics: its message, what its labels point at, and its notes as the hint.

use std::ops::Range;

use nickel_lang_core::error::IntoDiagnostics;
use nickel_lang_core::files::FileId;

use super::Problem;
use super::convert::Converter;
use crate::error::{Diagnostic, Origin};

/// The longest piece of source that is quoted in a message, in bytes.
const LONGEST_QUOTE: usize = 60;

/// What the evaluator says of the value that broke a contract.
const FOUND: &str = "applied to this expression";

/// How the evaluator begins to say that a value is made of itself.
const RECURSION: &str = "infinite recursion";

/// How that mostly comes about.
const RECORDS: &str = "the fields of a record see one another, so `x = x` is made of itself: write `include x` for a variable \
    from outside, or give one of the two another name";

/// The diagnostics of one problem; an error of the syntax can have several.
pub(super) fn explain(problem: Problem, converter: &mut Converter<'_>) -> Vec<Diagnostic> {
    let failure = match problem {
        Problem::Failure(failure) => failure,
        Problem::Missing(input) => return vec![input.report(converter)],
        Problem::Undefined(name) => {
            let origin = converter.origin(name.pos);
            return vec![Diagnostic::new(origin, "", format!("`{}` is declared and has no value", name.label()))];
        }
    };
    let reports = failure.into_diagnostics(&mut converter.files);
    let gravest = reports.first().map(|report| report.severity);
    let errors = reports.into_iter().filter(|report| Some(report.severity) == gravest);
    errors
        .map(|mut report| {
            report.labels.sort_by(|a, b| a.style.partial_cmp(&b.style).unwrap_or(std::cmp::Ordering::Equal));
            let labels: Vec<_> = report
                .labels
                .iter()
                .map(|label| Label::new(label.file_id, label.range.clone(), &label.message, converter))
                .collect();
            diagnostic(&report.message, &labels, &report.notes)
        })
        .collect()
}

/// What a part of the source has to do with an error.
struct Label {
    origin: Option<Origin>,
    /// Empty where the source is the library's.
    message: String,
    quote: String,
}

impl Label {
    fn new(file: FileId, range: Range<usize>, message: &str, converter: &mut Converter<'_>) -> Self {
        let origin = converter.place(file, range.start);
        let hidden = origin.is_none() && converter.is_library(file);
        let quote = converter.files.source(file).get(range).unwrap_or_default();
        let short = quote.len() <= LONGEST_QUOTE && !quote.contains('\n');
        Self {
            origin,
            message: if hidden { String::new() } else { message.to_owned() },
            quote: if short { quote.to_owned() } else { String::new() },
        }
    }

    /// What the label adds to a message, where it adds anything.
    fn detail(&self, message: &str) -> Option<String> {
        let quote = format!("`{}`", self.quote);
        match self.message.as_str() {
            "" | "imported here" => None,
            FOUND | "evaluated to this value" | "evaluated to this expression" => {
                (!self.quote.is_empty()).then(|| format!("found {quote}"))
            }
            _ if message.contains(&quote) => None,
            said if self.quote.is_empty() => Some(said.to_owned()),
            said if said.starts_with("expected") => Some(format!("{said} {quote}")),
            said => Some(format!("{said}: {quote}")),
        }
    }
}

fn diagnostic<'a>(message: &'a str, labels: &[Label], notes: &[String]) -> Diagnostic {
    // Neither the folders that an import was looked for in say anything, always the one of the importing file, nor the
    // path of the file, which is in the place.
    let plain = |line: &'a str, noise: &str| line.split(noise).next().unwrap_or(line);
    let lines = message.lines().map(|line| plain(plain(line, " (looked in ["), " when parsing /").trim());
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let mut text = lower_first(&lines.join(": ")).replace("non mergeable terms", "two values for one field do not agree");
    let mut details: Vec<_> = labels.iter().filter_map(|label| label.detail(message)).collect();
    details.sort_by_key(|detail| !detail.starts_with("expected"));
    details.dedup();
    if !details.is_empty() {
        text = format!("{text} ({})", details.join(", "));
    }
    let origin = labels.iter().find_map(|label| label.origin.clone());
    let diagnostic = Diagnostic::new(origin, "", text);
    let notes: Vec<_> = notes.iter().map(|note| lower_first(note.trim().trim_end_matches('.'))).collect();
    match notes.is_empty() {
        false => diagnostic.with_hint(notes.join("; ")),
        true if message.starts_with(RECURSION) => diagnostic.with_hint(RECORDS),
        true => diagnostic,
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
