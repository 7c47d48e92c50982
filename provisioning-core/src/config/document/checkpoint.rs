//! Checkpoints: names of what has to be done before a rollback can stop there.

use super::Reader;
use crate::error::Diagnostic;
use crate::name::Kind;
use crate::resource::Checkpoint;
use crate::value::{Node, Value};

impl Reader<'_> {
    pub(super) fn checkpoint(&mut self, name: &str, node: &Node) {
        let (path, origin) = (format!("checkpoints.{name}"), node.origin.clone());
        if Kind::parse(name).is_err() {
            let message = "is not a name: letters, digits, `_` and `-` after a first letter";
            return self.problems.push(Diagnostic::new(origin, path, message));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let after = match node.to_value() {
            Value::List(items) => items.iter().map(text).collect::<Option<Vec<_>>>().filter(|after| !after.is_empty()),
            _ => None,
        };
        match after {
            Some(after) => drop(self.desired.checkpoints.insert(name.to_owned(), Checkpoint { after, origin })),
            None => self.expected("a list of the names of resources", node, &path),
        }
    }
}
