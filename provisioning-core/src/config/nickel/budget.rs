//! The evaluator's cache of suspended values, with a count of how many were entered.
//!
//! The evaluator has no limit of its own. Entering a value is the one thing every step of every loop does, and the
//! one that may fail, so the budget is kept here; everything else is the evaluator's own cache.

use std::cell::Cell;
use std::rc::Rc;

use nickel_lang_core::eval::Closure;
use nickel_lang_core::eval::cache::{BlackholedError, Cache, CacheImpl, CacheIndex};
use nickel_lang_core::eval::value::NickelValue;
use nickel_lang_core::identifier::Ident;
use nickel_lang_core::term::BindingType;
use nickel_lang_core::term::record::FieldDeps;

use crate::error::{Error, ErrorKind};

/// How many values an evaluation may enter: twice what a hundred thousand resources need.
///
/// What never ends keeps under a kilobyte for every step, so this also bounds the memory it takes.
pub(in crate::config) const STEPS: u64 = 10_000_000;

/// The evaluator's cache under a budget.
#[derive(Clone)]
pub(super) struct Budget {
    inner: CacheImpl,
    left: u64,
    spent: Rc<Cell<bool>>,
}

impl Budget {
    /// A budget of some steps.
    pub(super) fn of(steps: u64) -> Self {
        Self { inner: CacheImpl::new(), left: steps, spent: Rc::default() }
    }

    /// Tells whether the budget is used up; every evaluation fails from then on.
    pub(super) fn spent(&self) -> Rc<Cell<bool>> {
        self.spent.clone()
    }
}

/// The error of an evaluation that used up its budget.
pub(super) fn spent(file: &str, steps: u64) -> Error {
    Error::new(ErrorKind::Limited, format!("the evaluation of `{file}` takes more than {steps} steps"))
        .with_hint("look for a function or a record that refers to itself without an end")
}

impl Cache for Budget {
    type UpdateIndex = <CacheImpl as Cache>::UpdateIndex;

    fn get_update_index(&mut self, index: &mut CacheIndex) -> Result<Option<Self::UpdateIndex>, BlackholedError> {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return self.inner.get_update_index(index);
        }
        self.spent.set(true);
        Err(BlackholedError)
    }

    fn new() -> Self {
        Self::of(STEPS)
    }

    fn get(&self, index: CacheIndex) -> Closure {
        self.inner.get(index)
    }

    fn add(&mut self, closure: Closure, binding: BindingType) -> CacheIndex {
        self.inner.add(closure, binding)
    }

    fn patch<F: Fn(&mut Closure)>(&mut self, index: CacheIndex, change: F) {
        self.inner.patch(index, change);
    }

    fn get_then<T, F: FnOnce(&Closure) -> T>(&self, index: CacheIndex, look: F) -> T {
        self.inner.get_then(index, look)
    }

    fn update(&mut self, closure: Closure, index: Self::UpdateIndex) {
        self.inner.update(closure, index);
    }

    fn reset_index_state(&mut self, index: &mut Self::UpdateIndex) {
        self.inner.reset_index_state(index);
    }

    fn build_cached(&mut self, index: &mut CacheIndex, environment: &[(Ident, CacheIndex)]) {
        self.inner.build_cached(index, environment);
    }

    fn saturate<I: DoubleEndedIterator<Item = Ident> + Clone>(&mut self, index: CacheIndex, fields: I) -> NickelValue {
        self.inner.saturate(index, fields)
    }

    fn revert(&mut self, index: &CacheIndex) -> CacheIndex {
        self.inner.revert(index)
    }

    fn deps(&self, index: &CacheIndex) -> Option<FieldDeps> {
        self.inner.deps(index)
    }

    fn make_update_index(&mut self, index: &mut CacheIndex) -> Result<Self::UpdateIndex, BlackholedError> {
        self.inner.make_update_index(index)
    }
}
