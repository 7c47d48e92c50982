//! A graph with named nodes: order, reverse, reach, and the path of a cycle.
//!
//! The only file that names petgraph. Edges run from what is needed to what needs it, the way a run proceeds. A node is
//! known by its name, or, to whoever goes through many of them, by its place: how many nodes were added before it.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::hash::Hash;

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

pub use petgraph::Direction;

/// How strongly one node depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dependency {
    /// Order only: it comes after the other where both take part.
    Soft,
    /// It needs the other to have succeeded.
    Hard,
}

/// A directed graph whose nodes are found by name.
#[derive(Debug, Clone)]
pub struct Graph<N> {
    inner: DiGraph<N, Dependency>,
    index: FxHashMap<N, usize>,
    /// A hub may have as many edges as there are nodes, so that looking through them will not do.
    edges: FxHashMap<(NodeIndex, NodeIndex), EdgeIndex>,
}

impl<N> Default for Graph<N> {
    fn default() -> Self {
        Self { inner: DiGraph::new(), index: FxHashMap::default(), edges: FxHashMap::default() }
    }
}

impl<N: Ord + Hash + Clone + Display> Graph<N> {
    /// Makes room for so many more nodes.
    pub fn reserve(&mut self, nodes: usize) {
        self.index.reserve(nodes);
        self.inner.reserve_nodes(nodes);
    }

    /// Adds a node, and gives its place; one that is there already stays as it is.
    pub fn add(&mut self, name: &N) -> usize {
        if let Some(place) = self.index.get(name) {
            return *place;
        }
        let place = self.inner.add_node(name.clone()).index();
        self.index.insert(name.clone(), place);
        place
    }

    /// Makes one node depend on another; both are added where they are missing, and of two edges the harder one stays.
    pub fn depend(&mut self, dependent: &N, on: &N, dependency: Dependency) {
        let (on, dependent) = (self.add(on), self.add(dependent));
        self.depend_at(dependent, on, dependency);
    }

    /// The same of two nodes by their places.
    pub fn depend_at(&mut self, dependent: usize, on: usize, dependency: Dependency) {
        let (from, to) = (NodeIndex::new(on), NodeIndex::new(dependent));
        match self.edges.get(&(from, to)) {
            Some(edge) => self.inner[*edge] = self.inner[*edge].max(dependency),
            None => {
                self.edges.insert((from, to), self.inner.add_edge(from, to, dependency));
            }
        }
    }

    /// The place of a node.
    pub fn place<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<&usize>
    where
        N: Borrow<Q>,
    {
        self.index.get(name)
    }

    /// The name of the node at a place.
    pub fn name(&self, place: usize) -> &N {
        &self.inner[NodeIndex::new(place)]
    }

    /// What the node at a place depends on, in the order of places.
    pub fn dependencies_at(&self, place: usize) -> Vec<(usize, Dependency)> {
        let edges = self.inner.edges_directed(NodeIndex::new(place), Direction::Incoming);
        let mut found: Vec<_> = edges.map(|edge| (edge.source().index(), *edge.weight())).collect();
        found.sort_unstable();
        found
    }

    /// Whether there is a node of this name.
    pub fn contains(&self, name: &N) -> bool {
        self.index.contains_key(name)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.inner.node_count()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.inner.node_count() == 0
    }

    /// What a node depends on, by name.
    pub fn dependencies(&self, name: &N) -> Vec<(&N, Dependency)> {
        self.neighbours(name, Direction::Incoming)
    }

    /// What depends on a node, by name.
    pub fn dependents(&self, name: &N) -> Vec<(&N, Dependency)> {
        self.neighbours(name, Direction::Outgoing)
    }

    fn neighbours(&self, name: &N, direction: Direction) -> Vec<(&N, Dependency)> {
        let Some(&place) = self.index.get(name) else { return Vec::new() };
        let mut found: Vec<_> = self
            .inner
            .edges_directed(NodeIndex::new(place), direction)
            .map(|edge| {
                let other = if direction == Direction::Incoming { edge.source() } else { edge.target() };
                (&self.inner[other], *edge.weight())
            })
            .collect();
        found.sort();
        found
    }

    /// The given nodes and everything that lies on hard edges from them: what they need (`Incoming`), or what needs
    /// them (`Outgoing`).
    pub fn closure<'a>(&'a self, names: impl IntoIterator<Item = &'a N>, direction: Direction) -> BTreeSet<&'a N> {
        let mut open: Vec<&N> =
            names.into_iter().filter_map(|name| self.index.get_key_value(name).map(|(name, _)| name)).collect();
        let mut reached = BTreeSet::new();
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                let hard = self.neighbours(name, direction).into_iter().filter(|(_, dependency)| *dependency == Dependency::Hard);
                open.extend(hard.map(|(name, _)| name));
            }
        }
        reached
    }

    /// Every node after all that it depends on.
    ///
    /// # Errors
    /// The path of a cycle, from its first node by name to the same again.
    pub fn order(&self) -> Result<Vec<&N>, Vec<&N>> {
        Ok(self.order_of_places()?.into_iter().map(|place| self.name(place)).collect())
    }

    /// The place of every node, after the places of all that it depends on.
    ///
    /// # Errors
    /// Those of [`order`](Self::order).
    pub fn order_of_places(&self) -> Result<Vec<usize>, Vec<&N>> {
        match toposort(&self.inner, None) {
            Ok(order) => Ok(order.into_iter().map(NodeIndex::index).collect()),
            Err(cycle) => Err(self.cycle_through(cycle.node_id())),
        }
    }

    /// The nodes that lie on cycles; those that reach one another have the same number.
    pub fn circles(&self) -> BTreeMap<&N, usize> {
        let circular = |nodes: &Vec<NodeIndex>| nodes.len() > 1 || self.edges.contains_key(&(nodes[0], nodes[0]));
        let components = kosaraju_scc(&self.inner).into_iter().filter(circular).enumerate();
        components.flat_map(|(number, nodes)| nodes.into_iter().map(move |node| (&self.inner[node], number))).collect()
    }

    fn cycle_through(&self, start: NodeIndex) -> Vec<&N> {
        let component = kosaraju_scc(&self.inner).into_iter().find(|nodes| nodes.contains(&start)).unwrap_or_default();
        let component: BTreeSet<_> = component.into_iter().collect();
        let (mut path, mut seen, mut node) = (vec![start], BTreeSet::from([start]), start);
        loop {
            let mut inside = self.inner.neighbors_directed(node, Direction::Incoming).filter(|next| component.contains(next));
            let Some(next) = inside.next() else { break };
            path.push(next);
            if !seen.insert(next) {
                break;
            }
            node = next;
        }
        let last = path.last().copied();
        let from = path.iter().position(|node| Some(*node) == last).unwrap_or(0);
        let mut path: Vec<_> = path[from..].iter().skip(1).map(|node| &self.inner[*node]).collect();
        let first = path.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(place, _)| place);
        path.rotate_left(first);
        path.extend(path.first().copied());
        path
    }

    /// The graph in the DOT language, with what a function adds to each node.
    pub fn dot(&self, attributes: impl Fn(&N) -> String) -> String {
        let mut text = String::from("digraph {\n  rankdir = \"LR\"\n  node [shape = \"box\", fontname = \"sans-serif\"]\n");
        let names: BTreeSet<_> = self.index.keys().collect();
        for name in &names {
            writeln!(text, "  \"{name}\" [{}]", attributes(name)).expect("writing to a string cannot fail");
        }
        for name in names {
            for (other, dependency) in self.dependents(name) {
                let style = if dependency == Dependency::Soft { " [style = \"dashed\"]" } else { "" };
                writeln!(text, "  \"{name}\" -> \"{other}\"{style}").expect("writing to a string cannot fail");
            }
        }
        text.push_str("}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&'static str, &'static str)]) -> Graph<&'static str> {
        let mut graph = Graph::default();
        edges.iter().for_each(|(dependent, on)| graph.depend(dependent, on, Dependency::Hard));
        graph
    }

    #[test]
    fn a_node_comes_after_what_it_depends_on() {
        assert_eq!(graph(&[("web", "disk"), ("disk", "net"), ("web", "net")]).order(), Ok(vec![&"net", &"disk", &"web"]));
    }

    #[test]
    fn a_cycle_is_reported_with_its_path_and_nothing_else() {
        let graph = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("tail", "a"), ("c", "head")]);
        let mut path = graph.order().expect_err("a cycle");
        assert_eq!(path.first(), path.last());
        path.pop();
        path.sort();
        assert_eq!(path, [&"a", &"b", &"c"]);
    }

    #[test]
    fn circles_are_numbered_and_what_leads_to_them_is_not() {
        let graph = graph(&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("b", "c"), ("a", "head"), ("own", "own")]);
        let circles = graph.circles();
        assert_eq!(circles.keys().copied().collect::<Vec<_>>(), [&"a", &"b", &"c", &"d", &"own"]);
        assert!(circles[&"a"] == circles[&"b"] && circles[&"c"] == circles[&"d"] && circles[&"a"] != circles[&"c"]);
    }

    #[test]
    fn closures_follow_hard_edges_alone() {
        let mut graph = graph(&[("web", "net"), ("dns", "web")]);
        graph.depend(&"web", &"log", Dependency::Soft);
        assert_eq!(graph.closure([&"web"], Direction::Incoming), BTreeSet::from([&"net", &"web"]));
        assert_eq!(graph.closure([&"net"], Direction::Outgoing), BTreeSet::from([&"dns", &"net", &"web"]));
    }
}
