//! Nickel into nodes, with the place of every value. The only code that names the evaluator is in this folder.
//!
//! An evaluation runs on its own thread, because the evaluator recurses as deep as the configuration nests, and under
//! a budget of steps, because a function that calls itself without an end would never return. Resources are
//! evaluated one by one, so that several wrong ones are reported at once.

mod budget;
mod convert;
mod explain;
mod inputs;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

use nickel_lang_core::cache::{CacheHub, InputFormat, SourcePath};
use nickel_lang_core::error::{Error as Failure, EvalError, NullReporter};
use nickel_lang_core::eval::value::{Container, NickelValue, ValueContentRef};
use nickel_lang_core::eval::{Closure, VirtualMachine, VmContext};
use nickel_lang_core::files::FileId;
use nickel_lang_core::identifier::LocIdent;

use self::budget::Budget;
pub(super) use self::budget::STEPS;
use self::convert::{Converter, Given};
use self::inputs::Found;
use super::cache::Files;
use super::inputs::Input;
use super::source::{Lines, Source};
use crate::digest::Digest;
use crate::error::{Diagnostic, Error, ErrorKind, Result};
use crate::value::Node;

/// The evaluator and its version: what one gives, another may not.
pub(super) const EVALUATOR: &str = "nickel-lang-core 0.19.0";

/// The folder that the library seems to lie in; nothing is ever read from there.
const LIBRARY_FOLDER: &str = "/<provisioning>";

/// What a file imports to get the library.
const LIBRARY: &str = "provisioning.ncl";

/// What the program is called that gives values to inputs.
const GIVEN: &str = "inputs.ncl";

/// The stack of the evaluating thread, in bytes; only what is used is ever backed by memory.
const STACK: usize = 256 << 20;

/// How deep brackets may nest; the parser takes a stack of this size for about ten times as many.
const MAX_BRACKETS: usize = 2_000;

/// How deep below the document records are evaluated one by one: sections, then what they declare.
const SPINE: usize = 2;

/// What is evaluated.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    /// The entry file.
    pub(super) source: &'a Source,
    /// The folder it lies in.
    pub(super) root: &'a Path,
    /// The text behind `provisioning.ncl`.
    pub(super) library: &'a str,
    /// The values given to inputs, once they are known.
    pub(super) given: &'a BTreeMap<String, Node>,
    /// How many steps it may take.
    pub(super) steps: u64,
}

/// Evaluates a program with what is given to its inputs.
///
/// # Errors
/// `Invalid`, with a diagnostic for every broken contract and other mistake that was found; `Limited` when the
/// evaluation takes too many steps.
pub(super) fn evaluate(program: Program<'_>) -> Result<(Node, Files)> {
    apart(program, |mut evaluation| {
        let document = evaluation.main();
        evaluation.document(document)
    })
}

/// The inputs that a program declares; none where it is wrong, which an evaluation reports.
///
/// # Errors
/// As [`evaluate`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, the closure of any")]
pub(super) fn inputs(program: Program<'_>) -> Result<Vec<Input>> {
    apart(program, |evaluation| evaluation.inputs())
}

/// Does something with the evaluator on a thread of its own.
fn apart<T: Send>(program: Program<'_>, work: impl FnOnce(Evaluation<'_>) -> Result<T> + Send) -> Result<T> {
    refuse_depth(program.source)?;
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("nickel".into()).stack_size(STACK);
        let evaluation = thread.spawn_scoped(scope, || work(Evaluation::new(program)));
        let evaluation =
            evaluation.map_err(|error| Error::new(ErrorKind::Unavailable, "no thread for the evaluation").with_source(error))?;
        evaluation.join().map_err(|_| Error::bug(format!("the evaluator crashed on `{}`", program.source.name)))?
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
    /// An input that nobody gives a value to.
    Missing(Found),
}

/// The evaluator with a program in it.
struct Evaluation<'a> {
    program: Program<'a>,
    context: VmContext<CacheHub, Budget>,
    /// The program.
    main: FileId,
    /// The program that gives values to inputs of the other, where any are given.
    merged: Option<FileId>,
    spent: Rc<Cell<bool>>,
}

impl<'a> Evaluation<'a> {
    fn new(program: Program<'a>) -> Self {
        let mut hub = CacheHub::new();
        hub.sources.import_paths.push(LIBRARY_FOLDER.into());
        let path = |folder: &Path, name: &str| SourcePath::Path(folder.join(name), InputFormat::Nickel);
        hub.sources.add_string(path(Path::new(LIBRARY_FOLDER), LIBRARY), program.library.to_owned());
        let main = hub.sources.add_string(path(program.root, &program.source.name), program.source.text.to_string());
        let merged = (!program.given.is_empty()).then(|| {
            let text = inputs::program(&program.root.join(program.source.name.as_ref()), program.given);
            hub.sources.add_string(path(Path::new(LIBRARY_FOLDER), GIVEN), text)
        });
        let mut context: VmContext<CacheHub, Budget> = VmContext::new(hub, std::io::sink(), NullReporter {});
        context.cache = Budget::of(program.steps);
        let spent = context.cache.spent();
        Self { program, context, main, merged, spent }
    }

    fn main(&mut self) -> Result<NickelValue, Failure> {
        self.context.prepare_eval(self.merged.unwrap_or(self.main))
    }

    fn document(mut self, document: Result<NickelValue, Failure>) -> Result<(Node, Files)> {
        let (document, problems) = match document {
            Ok(document) => walk(&mut self.context, document, &self.spent),
            Err(failure) => (None, vec![Problem::Failure(failure)]),
        };
        if self.spent.get() {
            return self.give_up((document, problems));
        }
        let node = self.finish(document, problems)?;
        Ok((node, self.files()))
    }

    /// The files that were read besides the entry file, and those that would have been read had they been there: the library
    /// is looked for beside every file first.
    fn files(&self) -> Files {
        let sources = &self.context.import_resolver.sources;
        let mut files = Files::new();
        for (id, path) in &sources.file_paths {
            let SourcePath::Path(path, _) = path else { continue };
            let path = PathBuf::from(path);
            if path.starts_with(LIBRARY_FOLDER) {
                continue;
            }
            files.entry(path.with_file_name(LIBRARY)).or_insert(None);
            if *id != self.main {
                files.insert(path, Some(Digest::of(sources.files.source(*id).as_bytes())));
            }
        }
        files
    }

    fn inputs(mut self) -> Result<Vec<Input>> {
        let Ok(program) = self.main() else { return Ok(Vec::new()) };
        let mut walk = Walk { machine: VirtualMachine::new(&mut self.context), spent: &self.spent, problems: Vec::new() };
        let found = walk.inputs(program);
        if self.spent.get() {
            std::mem::forget(walk);
            return self.give_up(found);
        }
        drop(walk);
        let mut converter = self.converter();
        Ok(inputs::placed(found, &mut converter))
    }

    /// Whatever recursed without an end is a chain of millions of values: dropping it would exhaust the stack.
    fn give_up<T>(self, rest: impl Sized) -> Result<T> {
        let error = budget::spent(&self.program.source.name, self.program.steps);
        std::mem::forget((self, rest));
        Err(error)
    }

    fn converter(&self) -> Converter<'_> {
        let given = self
            .merged
            .map(|file| Given { file, origins: self.program.given.values().map(|node| node.origin.clone()).collect() });
        let files = &self.context.import_resolver.sources.files;
        Converter::new(self.program.root, files, &self.context.pos_table, given)
    }

    fn finish(&self, document: Option<Spine>, problems: Vec<Problem>) -> Result<Node> {
        let mut converter = self.converter();
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for diagnostic in problems.into_iter().flat_map(|problem| explain::explain(problem, &mut converter)) {
            if !diagnostics.contains(&diagnostic) {
                diagnostics.push(diagnostic);
            }
        }
        // Whatever is worked out from an input that is missing fails at the input as well.
        let missing: Vec<_> =
            diagnostics.iter().filter(|told| told.field.starts_with("inputs.")).map(|told| told.origin.clone()).collect();
        diagnostics.retain(|told| !told.field.is_empty() || !missing.contains(&told.origin));
        if let Some(error) = Error::from_diagnostics(diagnostics) {
            return Err(error);
        }
        let document = document.ok_or_else(|| Error::bug("an evaluation gave neither a value nor an error"))?;
        let node = converter.document(&document);
        Error::from_diagnostics(converter.problems).map_or(Ok(node), Err)
    }
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

/// Evaluates the document record by record, down to what each section declares.
fn walk(context: &mut VmContext<CacheHub, Budget>, document: NickelValue, spent: &Cell<bool>) -> (Option<Spine>, Vec<Problem>) {
    let mut walk = Walk { machine: VirtualMachine::new(context), spent, problems: Vec::new() };
    let spine = walk.spine(document.into(), SPINE, "");
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
    fn spine(&mut self, closure: Closure, depth: usize, section: &str) -> Option<Spine> {
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
                None if section == inputs::SECTION => self.problems.push(Problem::Missing(Found::missing(*name, field))),
                None => self.problems.push(Problem::Undefined(*name)),
                Some(value) => {
                    let inner = Closure { value, env: evaluated.env.clone() };
                    entries.extend(self.spine(inner, depth - 1, name.label()).map(|inner| (*name, inner)));
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
