//! The graph of the declarations: as DOT, as JSON, and as a tree in the terminal.
//!
//! In the tree a node stands once, under the deepest of what it depends on, so that its indentation is the earliest
//! moment at which it can be done; the rest of what it depends on is named beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use provisioning_core::graph::{Dependency, Graph};
use provisioning_core::name::{Kind, ResourceName};
use serde_json::{Value as Json, json};

use super::{BOLD, DIM, paint};

/// How deep the indentation goes; deeper nodes say their depth.
const DEPTH: usize = 24;

/// A graph with the kinds of its nodes.
pub(crate) struct Drawing<'a> {
    pub(crate) graph: &'a Graph<ResourceName>,
    pub(crate) kinds: BTreeMap<&'a ResourceName, &'a Kind>,
}

impl Drawing<'_> {
    /// In the DOT language.
    pub(crate) fn dot(&self) -> String {
        self.graph.dot(|name| format!("label = \"{name}\\n{}\"", self.kind(name)))
    }

    /// As JSON: the nodes in an order in which they can be done.
    pub(crate) fn document(&self) -> Json {
        let node = |name: &&ResourceName| {
            let on = self.graph.dependencies(name).into_iter();
            let on: Vec<_> = on.map(|(name, dependency)| json!({ "name": name, "dependency": dependency })).collect();
            json!({ "name": name, "kind": self.kind(name), "depends_on": on })
        };
        json!({ "nodes": self.order().iter().map(node).collect::<Vec<_>>() })
    }

    /// As a tree.
    pub(crate) fn tree(&self) -> String {
        let depths = self.depths();
        let mut children: BTreeMap<Option<&ResourceName>, Vec<&ResourceName>> = BTreeMap::new();
        for name in depths.keys() {
            children.entry(self.parent(name, &depths)).or_default().push(name);
        }
        let mut text = String::new();
        let mut open: Vec<(&ResourceName, String, &str)> =
            children.get(&None).into_iter().flatten().rev().map(|name| (*name, String::new(), "")).collect();
        while let Some((name, indent, branch)) = open.pop() {
            self.write_node(&mut text, name, (&indent, branch), &depths);
            let below = match branch {
                _ if depths[name] > DEPTH => indent,
                "" => indent,
                "└─ " => indent + "   ",
                _ => indent + "│  ",
            };
            let inside = children.get(&Some(name)).into_iter().flatten().rev().enumerate();
            open.extend(inside.map(|(place, child)| (*child, below.clone(), if place == 0 { "└─ " } else { "├─ " })));
        }
        text
    }

    fn write_node(
        &self,
        text: &mut String,
        name: &ResourceName,
        (indent, branch): (&str, &str),
        depths: &BTreeMap<&ResourceName, usize>,
    ) {
        let parent = self.parent(name, depths);
        let others = |wanted: Dependency| -> Vec<String> {
            let all = self.graph.dependencies(name).into_iter();
            all.filter(|(on, dependency)| *dependency == wanted && Some(*on) != parent).map(|(on, _)| on.to_string()).collect()
        };
        write!(text, "{}{} {}", paint(DIM, format!("{indent}{branch}")), paint(BOLD, name), self.kind(name)).expect(INFALLIBLE);
        let deep = if depths[name] > DEPTH { vec![depths[name].to_string()] } else { Vec::new() };
        for (word, names) in [("also needs", others(Dependency::Hard)), ("after", others(Dependency::Soft)), ("depth", deep)] {
            if !names.is_empty() {
                write!(text, "  {}", paint(DIM, format!("({word} {})", names.join(", ")))).expect(INFALLIBLE);
            }
        }
        text.push('\n');
    }

    /// The deepest of what a node needs.
    fn parent<'a>(&'a self, name: &ResourceName, depths: &BTreeMap<&ResourceName, usize>) -> Option<&'a ResourceName> {
        let all = self.graph.dependencies(name).into_iter();
        all.max_by_key(|(on, dependency)| (depths[on], *dependency)).map(|(on, _)| on)
    }

    fn depths(&self) -> BTreeMap<&ResourceName, usize> {
        let mut depths = BTreeMap::new();
        for name in self.order() {
            let above = self.graph.dependencies(name).into_iter().map(|(on, _)| depths[on] + 1).max();
            depths.insert(name, above.unwrap_or(0));
        }
        depths
    }

    fn order(&self) -> Vec<&ResourceName> {
        self.graph.order().expect("a validated graph has no cycle")
    }

    fn kind(&self, name: &ResourceName) -> &str {
        self.kinds.get(name).map_or("", |kind| kind.as_str())
    }
}

const INFALLIBLE: &str = "writing to a string cannot fail";

#[cfg(test)]
mod tests {
    use super::super::plain;
    use super::*;

    fn name(text: &str) -> ResourceName {
        ResourceName::parse(text).expect("a name")
    }

    /// The tree of a graph of values by its hard and soft edges, from a node to what it depends on.
    fn tree(hard: &[(&str, &str)], soft: &[(&str, &str)]) -> String {
        let kind = Kind::parse("value").expect("a kind");
        let mut graph = Graph::default();
        for (edges, dependency) in [(hard, Dependency::Hard), (soft, Dependency::Soft)] {
            for (dependent, on) in edges {
                graph.depend(&name(dependent), &name(on), dependency);
            }
        }
        let names: Vec<_> = graph.order().expect("no cycle").into_iter().cloned().collect();
        plain(&Drawing { graph: &graph, kinds: names.iter().map(|name| (name, &kind)).collect() }.tree())
    }

    #[test]
    fn a_node_stands_under_the_deepest_of_what_it_needs() {
        let edges = [("web", "disk"), ("disk", "net"), ("web", "net"), ("dns", "web"), ("mail", "net")];
        let expect = "log value
net value
├─ disk value
│  └─ web value  (also needs net)  (after log)
│     └─ dns value
└─ mail value
";
        assert_eq!(tree(&edges, &[("web", "log")]), expect);
    }

    #[test]
    fn a_long_chain_stops_moving_to_the_right() {
        let names: Vec<_> = (0..40).map(|number| format!("n{number:02}")).collect();
        let edges: Vec<_> = names.windows(2).map(|pair| (pair[1].as_str(), pair[0].as_str())).collect();
        let tree = tree(&edges, &[]);
        assert!(tree.ends_with("└─ n39 value  (depth 39)\n"), "{tree}");
        assert!(tree.lines().all(|line| line.chars().count() < 110), "{tree}");
    }
}
