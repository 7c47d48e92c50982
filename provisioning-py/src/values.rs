//! Values between the two languages.

use std::sync::Arc;

use provisioning_core::error::{Diagnostic, Error, Origin, Result};
use provisioning_core::value::{Map, Secret as CoreSecret, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::errors;

/// How deep a value may be nested; one that holds itself is deeper.
const DEEPEST: usize = 100;
/// How much is shown of the way into one that is too deep: the field that it stands in.
const SHOWN: usize = 3;

/// A value that must not be seen: nothing that prints or pickles it shows it.
#[pyclass(frozen, module = "provisioning")]
pub(crate) struct Secret(CoreSecret);

#[pymethods]
impl Secret {
    #[new]
    fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let value = from_python(value).map_err(|error| errors::raised(value.py(), &error))?;
        Ok(Self(CoreSecret::new(value)))
    }

    /// The hidden value, for the call that needs it and for nothing else.
    fn reveal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.0.expose())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> PyResult<u64> {
        Err(PyTypeError::new_err("a Secret has no hash: it would tell something of the secret"))
    }

    fn __repr__(&self) -> &'static str {
        "Secret(***)"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Secret is never written: reveal it where it is needed, in the process that read it"))
    }
}

/// A value as Python has it. What is not known yet is `UNKNOWN`, what is not kept `WITHHELD`.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    static UNKNOWN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static WITHHELD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::Integer(number) => number.into_pyobject(py)?.into_any(),
        Value::Float(number) => PyFloat::new(py, *number).into_any(),
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::List(items) => {
            let list = PyList::empty(py);
            items.iter().try_for_each(|item| list.append(to_python(py, item)?))?;
            list.into_any()
        }
        Value::Map(map) => {
            let dict = PyDict::new(py);
            map.iter().try_for_each(|(key, item)| dict.set_item(key.as_ref(), to_python(py, item)?))?;
            dict.into_any()
        }
        Value::Secret(secret) => Bound::new(py, Secret(secret.clone()))?.into_any(),
        Value::Unknown | Value::Render(_) => UNKNOWN.import(py, "provisioning.values", "UNKNOWN")?.clone(),
        Value::Sealed(_) | Value::Digest(_) => WITHHELD.import(py, "provisioning.values", "WITHHELD")?.clone(),
    })
}

/// A part of what Python made that no value can be made of.
#[derive(Debug)]
pub(crate) struct NoValue {
    /// The way to it, in words with dots between them.
    pub(crate) path: String,
    pub(crate) what: String,
    hint: Option<&'static str>,
}

impl NoValue {
    fn new(path: &[String], what: impl Into<String>) -> Self {
        Self { path: path.join("."), what: what.into(), hint: None }
    }

    /// The same as a problem of a document.
    pub(crate) fn at(self, origin: Option<Origin>) -> Diagnostic {
        let hint = self.hint.map(str::to_owned);
        Diagnostic { hint, ..Diagnostic::new(origin, self.path, self.what) }
    }
}

impl From<NoValue> for Error {
    fn from(problem: NoValue) -> Self {
        let NoValue { path, what, hint } = problem;
        let error = Self::invalid(if path.is_empty() { what } else { format!("`{path}`: {what}") });
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// A value that Python made.
///
/// # Errors
/// `Invalid`, naming the part that no value can be made of.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> Result<Value> {
    Ok(value_of(object)?)
}

/// The same, with the place of what is wrong.
pub(crate) fn value_of(object: &Bound<'_, PyAny>) -> Result<Value, NoValue> {
    read(object, &mut Vec::new())
}

fn read(object: &Bound<'_, PyAny>, path: &mut Vec<String>) -> Result<Value, NoValue> {
    if path.len() > DEEPEST {
        let shown = &path[..path.len().min(SHOWN)];
        return Err(NoValue::new(shown, format!("it is nested more than {DEEPEST} deep, or holds itself")));
    }
    // From what is seen most to what is seen least.
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::from(text.to_cow().map_err(|_| NoValue::new(path, "the text is not valid Unicode"))?.as_ref()));
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        let number = object.extract().map_err(|_| NoValue::new(path, "the number does not fit into 64 bits"))?;
        return Ok(Value::Integer(number));
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        let number = number.value();
        return if number.is_finite() {
            Ok(Value::Float(number))
        } else {
            Err(NoValue::new(path, format!("{number} is no number")))
        };
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        return dict
            .iter()
            .map(|(key, item)| entry(&key, &item, path))
            .collect::<Result<Map, _>>()
            .map(|map| Value::Map(Arc::new(map)));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        return items(object, path);
    }
    if let Ok(secret) = object.cast::<Secret>() {
        return Ok(Value::Secret(secret.get().0.clone()));
    }
    match plain(object) {
        Ok(Some(plain)) => read(&plain, path),
        Ok(None) => {
            let hint = "None, bool, int, float, str, list, tuple, dict with text keys, Secret, paths, enums and dataclasses are";
            Err(NoValue { hint: Some(hint), ..NoValue::new(path, format!("a `{}` is not a value", type_name(object))) })
        }
        Err(error) => Err(NoValue::new(path, error.to_string())),
    }
}

fn entry(key: &Bound<'_, PyAny>, item: &Bound<'_, PyAny>, path: &mut Vec<String>) -> Result<(Arc<str>, Value), NoValue> {
    let Ok(key) = key.extract::<String>() else {
        let problem = NoValue::new(path, format!("the key `{key}` is a `{}`", type_name(key)));
        return Err(NoValue { hint: Some("keys are texts"), ..problem });
    };
    path.push(key.clone());
    let value = read(item, path)?;
    path.pop();
    Ok((key.into(), value))
}

fn items(list: &Bound<'_, PyAny>, path: &mut Vec<String>) -> Result<Value, NoValue> {
    let broken = |error: PyErr, path: &[String]| NoValue::new(path, error.to_string());
    let mut values = Vec::new();
    for (place, item) in list.try_iter().map_err(|error| broken(error, path))?.enumerate() {
        path.push(place.to_string());
        values.push(read(&item.map_err(|error| broken(error, path))?, path)?);
        path.pop();
    }
    Ok(Value::List(values.into()))
}

/// What a dataclass, an enum or a path stands for; `None` for anything else.
fn plain<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    static PLAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let plain = PLAIN.import(object.py(), "provisioning.values", "plain")?.call1((object,))?;
    Ok(if plain.is(object) { None } else { Some(plain) })
}

/// The name of an object's type, as a message has it.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}
