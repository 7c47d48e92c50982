//! A graph with named nodes: order, reverse, reach, and the path of a cycle.
//!
//! The only file that names petgraph. Edges run from what is needed to what needs it, the way a run proceeds. A node is
//! known by its name, or, to whoever goes through many of them, by its place: how many nodes were added before it.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use rustc_hash::FxBuildHasher;
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
    /// Two edges may lead from one node to another: of what is read the harder one counts.
    inner: DiGraph<N, Dependency>,
    /// Places, found by the hashes of the names that stand there.
    index: HashTable<usize>,
}

impl<N> Default for Graph<N> {
    fn default() -> Self {
        Self { inner: DiGraph::new(), index: HashTable::new() }
    }
}

impl<N: Ord + Hash + Clone + Display> Graph<N> {
    /// One with room for so many nodes.
    pub fn with_capacity(nodes: usize) -> Self {
        Self { inner: DiGraph::with_capacity(nodes, nodes), index: HashTable::with_capacity(nodes) }
    }

    /// Adds a node, and gives its place; one that is there already stays as it is.
    pub fn add(&mut self, name: &N) -> usize {
        if let Some(place) = self.place(name) {
            return *place;
        }
        let place = self.push(name.clone());
        self.file(place);
        place
    }

    /// Lets the node at a place be found by its name.
    fn file(&mut self, place: usize) {
        let Self { inner, index } = self;
        let hash_at = |place: &usize| hash(&inner[NodeIndex::new(*place)]);
        index.insert_unique(hash_at(&place), place, hash_at);
    }

    /// Adds a node that is known by its place alone: by its name nobody finds it, nor what depends on it.
    pub(crate) fn push(&mut self, name: N) -> usize {
        self.inner.add_node(name).index()
    }

    /// Makes one node depend on another; both are added where they are missing, and of two edges the harder one counts.
    pub fn depend(&mut self, dependent: &N, on: &N, dependency: Dependency) {
        let (on, dependent) = (self.add(on), self.add(dependent));
        self.depend_at(dependent, on, dependency);
    }

    /// The same of two nodes by their places.
    pub fn depend_at(&mut self, dependent: usize, on: usize, dependency: Dependency) {
        self.inner.add_edge(NodeIndex::new(on), NodeIndex::new(dependent), dependency);
    }

    /// The place of a node.
    pub fn place<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<&usize>
    where
        N: Borrow<Q>,
    {
        self.index.find(hash(name), |place| self.name(*place).borrow() == name)
    }

    /// The name of the node at a place.
    pub fn name(&self, place: usize) -> &N {
        &self.inner[NodeIndex::new(place)]
    }

    /// What the node at a place depends on, in the order of places.
    pub fn dependencies_at(&self, place: usize) -> Vec<(usize, Dependency)> {
        let mut found = self.edges_to(place).collect();
        harder(&mut found);
        found
    }

    /// Makes the node at a place depend on others; of two edges to one of them only the harder one is made.
    pub(crate) fn depend_at_each(&mut self, dependent: usize, on: &mut Vec<(usize, Dependency)>) {
        harder(on);
        on.drain(..).for_each(|(on, dependency)| self.depend_at(dependent, on, dependency));
    }

    /// The edges to the node at a place; two may come from the same other place.
    pub(crate) fn edges_to(&self, place: usize) -> impl Iterator<Item = (usize, Dependency)> {
        let edges = self.inner.edges_directed(NodeIndex::new(place), Direction::Incoming);
        edges.map(|edge| (edge.source().index(), *edge.weight()))
    }

    /// The same graph with other names, one for each place.
    pub fn with_names<M: Ord + Hash + Clone + Display>(&self, name: impl Fn(usize) -> M) -> Graph<M> {
        let inner = self.inner.map(|place, _| name(place.index()), |_, dependency| *dependency);
        let mut graph = Graph { inner, index: HashTable::with_capacity(self.len()) };
        (0..self.len()).for_each(|place| graph.file(place));
        graph
    }

    /// Whether there is a node of this name.
    pub fn contains<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> bool
    where
        N: Borrow<Q>,
    {
        self.place(name).is_some()
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
        let Some(&place) = self.place(name) else { return Vec::new() };
        let edges = self.inner.edges_directed(NodeIndex::new(place), direction);
        let other = edges.map(|edge| {
            let other = if direction == Direction::Incoming { edge.source() } else { edge.target() };
            (&self.inner[other], *edge.weight())
        });
        let mut found = other.collect();
        harder(&mut found);
        found
    }

    /// The given nodes and everything that lies on hard edges from them: what they need (`Incoming`), or what needs
    /// them (`Outgoing`).
    pub fn closure<'a, Q>(&self, names: impl IntoIterator<Item = &'a Q>, direction: Direction) -> BTreeSet<&N>
    where
        N: Borrow<Q>,
        Q: Hash + Eq + ?Sized + 'a,
    {
        let mut open: Vec<&N> = names.into_iter().filter_map(|name| self.place(name)).map(|place| self.name(*place)).collect();
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
        let circular = |nodes: &Vec<NodeIndex>| nodes.len() > 1 || self.inner.contains_edge(nodes[0], nodes[0]);
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
        let names: BTreeSet<_> = self.inner.node_weights().collect();
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

fn hash<Q: Hash + ?Sized>(name: &Q) -> u64 {
    FxBuildHasher.hash_one(name)
}

/// Puts the other ends of edges in order, each once, with the hardest of the edges that lead there.
fn harder<T: Ord>(found: &mut Vec<(T, Dependency)>) {
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup_by(|other, kept| other.0 == kept.0);
    found.reverse();
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
    fn of_two_edges_the_harder_one_counts() {
        let mut graph = graph(&[("web", "net")]);
        graph.depend(&"web", &"net", Dependency::Soft);
        graph.depend(&"web", &"log", Dependency::Soft);
        graph.depend(&"web", &"log", Dependency::Soft);
        assert_eq!(graph.dependencies(&"web"), [(&"log", Dependency::Soft), (&"net", Dependency::Hard)]);
        assert_eq!(graph.dependents(&"net"), [(&"web", Dependency::Hard)]);
    }

    #[test]
    fn closures_follow_hard_edges_alone() {
        let mut graph = graph(&[("web", "net"), ("dns", "web")]);
        graph.depend(&"web", &"log", Dependency::Soft);
        assert_eq!(graph.closure([&"web"], Direction::Incoming), BTreeSet::from([&"net", &"web"]));
        assert_eq!(graph.closure([&"net"], Direction::Outgoing), BTreeSet::from([&"dns", &"net", &"web"]));
    }
}
