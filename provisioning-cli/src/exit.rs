//! Exit codes: the one place that maps what went wrong to a number and to advice.
//!
//! 65, 66, 69 and 70 mean what they mean in sysexits(3). 1, 2, 101 and everything from 126 up are left to shells and
//! to panics, except 2, which `plan --detailed-exitcode` promises.

use std::fmt::Write as _;

use provisioning_core::error::{Error, ErrorKind};
use provisioning_core::record::Outcome;

/// Done, or nothing to do.
pub(crate) const DONE: u8 = 0;
/// There are changes, and `--detailed-exitcode` asked.
pub(crate) const CHANGES: u8 = 2;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 64;
/// What was tried out did not go as promised.
pub(crate) const FINDINGS: u8 = 83;

/// Why a command ended without doing what it was asked to.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The command line is wrong in a way that its grammar cannot tell.
    Usage {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The engine says so.
    Engine(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// The exit code of a problem.
pub(crate) fn of(problem: &Problem) -> u8 {
    match problem {
        Problem::Usage { .. } => USAGE,
        Problem::Engine(error) => of_kind(error.kind()).code,
    }
}

/// The exit code of a run.
pub(crate) fn of_outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Completed => DONE,
        Outcome::Failed => 80,
        Outcome::Cancelled => 81,
        Outcome::Superseded => 82,
    }
}

/// The exit code of a program that was run for somebody: its own.
pub(crate) fn of_program(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// What a kind of error is for a script and for a person.
pub(crate) struct Meaning {
    /// The exit code.
    pub(crate) code: u8,
    /// What it means, for the table of exit codes.
    text: &'static str,
    /// What to do where the error itself has no hint.
    pub(crate) hint: Option<&'static str>,
}

/// What a kind of error means.
pub(crate) fn of_kind(kind: ErrorKind) -> Meaning {
    let (code, text, hint) = match kind {
        ErrorKind::Invalid => (65, "the input is wrong", ""),
        ErrorKind::NotFound => (66, "what was named does not exist", ""),
        ErrorKind::Conflict => (67, "something else holds it, or it has changed", ""),
        ErrorKind::Denied => {
            (68, "credentials or permissions are missing", "look at the credentials and at the files' permissions")
        }
        ErrorKind::Unavailable => (69, "the other side does not answer", "try again: nothing was lost"),
        ErrorKind::Bug => (70, "a defect of the engine or a provider", "please report it with what `-v` prints"),
        ErrorKind::Unsupported => (71, "this provider, platform or version cannot do it", ""),
        ErrorKind::Limited => (72, "a quota, a rate or a size is exceeded", "raise the limit, or lower `--parallelism`"),
        ErrorKind::Cancelled => (73, "somebody said no, or stop", ""),
        ErrorKind::Corrupt => (74, "stored data is damaged or too new", "`provisioning verify` names the first damaged entry"),
        ErrorKind::InDoubt => {
            (75, "nobody can tell whether it was done", "look whether the object exists, then `provisioning resume`")
        }
    };
    Meaning { code, text, hint: (!hint.is_empty()).then_some(hint) }
}

/// The table of exit codes, for `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n   0  done, or nothing to do\n   2  plan --detailed-exitcode: there are changes\n");
    text.push_str("  64  the command line is wrong\n");
    let mut meanings = ErrorKind::ALL.map(of_kind);
    meanings.sort_by_key(|meaning| meaning.code);
    for Meaning { code, text: meaning, .. } in meanings {
        writeln!(text, "  {code}  {meaning}").expect("writing to a string cannot fail");
    }
    text.push_str("  80  the run failed and can be resumed\n  81  the run was stopped and can be resumed\n");
    text.push_str("  82  a newer run took the run's place\n");
    text.push_str("  83  test: something did not go as promised\n\n");
    text.push_str("exec and shell exit with the code of the command that they ran.\n");
    text.push_str("Data goes to standard output; progress, questions and errors go to standard error.\n");
    text.push_str("With --json an error is { \"error\": { kind, message, hint, context, diagnostics } }. NO_COLOR is obeyed.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let table = ErrorKind::ALL.map(|kind| format!("{} {}", of_kind(kind).code, kind.as_str()));
        let expect = "65 invalid, 66 not_found, 67 conflict, 68 denied, 71 unsupported, 72 limited, 69 unavailable, \
                      73 cancelled, 74 corrupt, 75 in_doubt, 70 bug";
        assert_eq!(table.join(", "), expect);
    }

    #[test]
    fn no_code_is_one_that_means_something_else() {
        let outcomes = [Outcome::Failed, Outcome::Cancelled, Outcome::Superseded].map(of_outcome);
        let mut codes: Vec<u8> =
            ErrorKind::ALL.map(|kind| of_kind(kind).code).into_iter().chain(outcomes).chain([USAGE, FINDINGS]).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count, "two things share a code: {codes:?}");
        assert!(codes.iter().all(|code| (64..101).contains(code)), "{codes:?}");
    }

    #[test]
    fn help_lists_every_code() {
        let help = help();
        for code in ErrorKind::ALL.map(|kind| of_kind(kind).code).into_iter().chain([0, 2, 64, 80, 81, 82, FINDINGS]) {
            assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))), "{code}\n{help}");
        }
    }
}
