//! Nickel into nodes, with the place of every value. The only code that names the evaluator is in this folder.
//!
//! An evaluation runs on its own thread, because the evaluator recurses as deep as the configuration nests, and under
//! a budget of steps, because a function that calls itself without an end would never return. Resources are
//! evaluated one by one, so that several wrong ones are reported at once.

mod budget;
mod convert;
mod explain;

use std::cell::Cell;
use std::path::Path;
use std::thread;

use nickel_lang_core::cache::{CacheHub, InputFormat, SourcePath};
use nickel_lang_core::error::{Error as Failure, EvalError, NullReporter};
use nickel_lang_core::eval::value::{Container, NickelValue, ValueContentRef};
use nickel_lang_core::eval::{Closure, VirtualMachine, VmContext};
use nickel_lang_core::identifier::LocIdent;

use self::budget::Budget;
use self::convert::Converter;
use super::source::{Lines, Source};
use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::value::Node;

/// The folder that the library seems to lie in; nothing is ever read from there.
const LIBRARY_FOLDER: &str = "/<provisioning>";

/// What a file imports to get the library.
const LIBRARY: &str = "provisioning.ncl";

/// The stack of the evaluating thread, in bytes; only what is used is ever backed by memory.
const STACK: usize = 256 << 20;

/// How deep brackets may nest; the parser takes a stack of this size for about ten times as many.
const MAX_BRACKETS: usize = 2_000;

/// How deep below the document records are evaluated one by one: sections, then what they declare.
const SPINE: usize = 2;

/// Evaluates an entry file; `root` is the folder it lies in, and `library` the text behind `provisioning.ncl`.
///
/// # Errors
/// `Invalid`, with a diagnostic for every broken contract and other mistake that was found; `Limited` when the
/// evaluation takes too many steps.
pub(super) fn evaluate(source: &Source, root: &Path, library: String) -> Result<Node> {
    evaluate_within(source, root, library, budget::STEPS)
}

/// As [`evaluate`], with another budget than the usual one.
pub(super) fn evaluate_within(source: &Source, root: &Path, library: String, steps: u64) -> Result<Node> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("nickel".into()).stack_size(STACK);
        let evaluation = thread.spawn_scoped(scope, || run(source, root, library, steps));
        let evaluation =
            evaluation.map_err(|error| Error::new(ErrorKind::Unavailable, "no thread for the evaluation").with_source(error))?;
        evaluation.join().map_err(|_| Error::bug(format!("the evaluator crashed on `{}`", source.name)))?
    })
}

/// The parts of a document that were evaluated.
enum Spine {
    Record(NickelValue, Vec<(LocIdent, Spine)>),
    Value(NickelValue),
}

/// What went wrong while evaluating.
enum Problem {
    Failure(Failure),
    Undefined(LocIdent),
}

fn run(source: &Source, root: &Path, library: String, steps: u64) -> Result<Node> {
    refuse_depth(source)?;
    let mut hub = CacheHub::new();
    hub.sources.import_paths.push(LIBRARY_FOLDER.into());
    let path = |folder: &Path, name: &str| SourcePath::Path(folder.join(name), InputFormat::Nickel);
    hub.sources.add_string(path(Path::new(LIBRARY_FOLDER), LIBRARY), library);
    let main = hub.sources.add_string(path(root, &source.name), source.text.to_string());
    let mut context: VmContext<CacheHub, Budget> = VmContext::new(hub, std::io::sink(), NullReporter {});
    context.cache = Budget::of(steps);
    let spent = context.cache.spent();
    let (document, problems) = match context.prepare_eval(main) {
        Ok(document) => walk(&mut context, document, &spent),
        Err(failure) => (None, vec![Problem::Failure(failure)]),
    };
    if spent.get() {
        // Whatever recursed without an end is a chain of millions of values: dropping it would exhaust the stack.
        std::mem::forget((document, problems, context));
        return Err(budget::spent(&source.name, steps));
    }
    finish(root, &context, document, problems)
}

/// Refuses a text on which the parser would exhaust the stack. Brackets in strings count too: they are as good as never
/// left open so often.
fn refuse_depth(source: &Source) -> Result<()> {
    let mut depth = 0_usize;
    for (offset, letter) in source.text.bytes().enumerate() {
        match letter {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACKETS {
            let message = format!("the brackets nest deeper than {MAX_BRACKETS} levels");
            let problem = Diagnostic::new(Some(Lines::new(source).origin(offset)), "", message);
            return Error::from_diagnostics(vec![problem]).map_or(Ok(()), Err);
        }
    }
    Ok(())
}

fn finish(root: &Path, context: &VmContext<CacheHub, Budget>, document: Option<Spine>, problems: Vec<Problem>) -> Result<Node> {
    let mut converter = Converter::new(root, &context.import_resolver.sources.files, &context.pos_table);
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for diagnostic in problems.into_iter().flat_map(|problem| explain::explain(problem, &mut converter)) {
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }
    if let Some(error) = Error::from_diagnostics(diagnostics) {
        return Err(error);
    }
    let document = document.ok_or_else(|| Error::bug("an evaluation gave neither a value nor an error"))?;
    let node = converter.document(&document);
    Error::from_diagnostics(converter.problems).map_or(Ok(node), Err)
}

/// Evaluates the document record by record, down to what each section declares.
fn walk(context: &mut VmContext<CacheHub, Budget>, document: NickelValue, spent: &Cell<bool>) -> (Option<Spine>, Vec<Problem>) {
    let mut walk = Walk { machine: VirtualMachine::new(context), spent, problems: Vec::new() };
    let spine = walk.spine(document.into(), SPINE);
    let Walk { machine, problems, .. } = walk;
    if spent.get() {
        // As with everything that it keeps, see `run`.
        std::mem::forget(machine);
    }
    (spine, problems)
}

struct Walk<'a> {
    machine: VirtualMachine<'a, CacheHub, Budget>,
    spent: &'a Cell<bool>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn spine(&mut self, closure: Closure, depth: usize) -> Option<Spine> {
        let evaluated = self.machine.eval_closure(closure);
        let evaluated = self.kept(evaluated)?;
        let data = match evaluated.value.content_ref() {
            ValueContentRef::Record(Container::Alloc(data)) if depth > 0 => data,
            _ => {
                let forced = self.machine.eval_full_for_export_closure(evaluated);
                return self.kept(forced).map(Spine::Value);
            }
        };
        let mut entries = Vec::with_capacity(data.fields.len());
        for (name, field) in data.fields.iter().filter(|(_, field)| !field.is_empty_optional() && !field.metadata.not_exported())
        {
            match field.value_with_pending_contracts() {
                _ if self.spent.get() => return None,
                None => self.problems.push(Problem::Undefined(*name)),
                Some(value) => {
                    let inner = Closure { value, env: evaluated.env.clone() };
                    entries.extend(self.spine(inner, depth - 1).map(|inner| (*name, inner)));
                }
            }
        }
        Some(Spine::Record(evaluated.value.clone(), entries))
    }

    /// The result of an evaluation; after a failure the machine is made ready for the next one, where there is one.
    fn kept<T>(&mut self, result: Result<T, EvalError>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if !self.spent.get() {
            self.machine.reset();
        }
        self.problems.push(Problem::Failure(Failure::EvalError(error)));
        None
    }
}
