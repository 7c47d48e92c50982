//! Layers of settings, and how a stronger one overrides a weaker one.
//!
//! What the keys mean is in [`settings`](super::settings); a merged value keeps the place it was written at.

use super::source::Source;
use crate::value::{Node, NodeValue};

/// One layer: where its values come from, and the values.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// What people call it: `defaults`, `workspace`.
    pub name: String,
    /// A map of settings, any of which may be missing.
    pub settings: Node,
}

impl Layer {
    /// A layer of some settings.
    pub fn new(name: impl Into<String>, settings: Node) -> Self {
        Self { name: name.into(), settings }
    }

    /// The shipped defaults, the weakest layer.
    pub fn shipped() -> Self {
        let source = Source::new("defaults.toml", include_str!("defaults.toml"));
        Self::new("defaults", super::toml::parse(&source).expect("the shipped defaults are TOML"))
    }
}

/// One map out of layers, weakest first: maps are merged key by key, anything else is overridden.
pub(super) fn merge<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Node {
    layers.into_iter().fold(Node::new(NodeValue::Map(Vec::new()), None), |merged, layer| over(merged, &layer.settings))
}

fn over(mut weaker: Node, stronger: &Node) -> Node {
    let (NodeValue::Map(entries), NodeValue::Map(overrides)) = (&mut weaker.value, &stronger.value) else {
        return stronger.clone();
    };
    for (key, value) in overrides {
        match entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, entry)) => *entry = over(std::mem::take(entry), value),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    weaker.origin.clone_from(&stronger.origin);
    weaker
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn layer(name: &str, text: &str) -> Layer {
        Layer::new(name, super::super::toml::parse(&Source::new(name, text)).expect("parses"))
    }

    #[test]
    fn a_stronger_layer_overrides_key_by_key_and_keeps_its_place() {
        let weak = layer("weak", "a = 1\n[t]\nb = 2\nc = [1, 2]");
        let strong = layer("strong", "\n[t]\nc = [3]\nd = 4");
        let merged = merge([&weak, &strong]);
        let table = merged.field("t").expect("kept");
        assert_eq!(table.field("b").map(Node::to_value), Some(Value::Integer(2)));
        assert_eq!(table.field("c").map(Node::to_value), Some(Value::list([Value::Integer(3)])));
        let place = |key: &str| table.field(key).and_then(|node| node.origin.clone()).map(|origin| origin.to_string());
        assert_eq!((place("b").as_deref(), place("c").as_deref()), (Some("weak:3:5"), Some("strong:3:5")));
    }
}
