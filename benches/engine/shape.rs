//! Graphs of resources that keep a value and make nothing outside, written for the engine and for Terraform alike.
//!
//! The same shape and size give the same graph every time.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use crate::Result;

/// How many resources a row of the diamond lattice has.
const ROW: usize = 10;

/// How the resources depend on one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// Not at all.
    Wide,
    /// Each on the one before.
    Chain,
    /// Each on two of the hundred before.
    Layered,
    /// Rows of ten, each on two neighbours in the row before: the ways through it double with every row.
    Diamond,
}

/// The format in which the engine gets the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// `main.json`.
    Json,
    /// `main.ncl`, evaluated by every process anew.
    Nickel,
}

/// A graph: for each resource those it refers to, all of them before it.
pub(crate) struct Graph(pub(crate) Vec<Vec<usize>>);

impl Graph {
    pub(crate) fn new(shape: Shape, count: usize) -> Self {
        let mut random = Random(7);
        let edges = |index: usize| match shape {
            _ if index == 0 => Vec::new(),
            Shape::Wide => Vec::new(),
            Shape::Chain => vec![index - 1],
            Shape::Diamond if index < ROW => Vec::new(),
            Shape::Diamond => {
                let (row, column) = (index / ROW - 1, index % ROW);
                vec![row * ROW + column, row * ROW + (column + 1) % ROW]
            }
            Shape::Layered => {
                let first = index.saturating_sub(100);
                let mut two = vec![first + random.below(index - first), first + random.below(index - first)];
                two.sort_unstable();
                two.dedup();
                two
            }
        };
        Self((0..count).map(edges).collect())
    }

    /// Writes a workspace that declares the graph.
    pub(crate) fn write(&self, folder: &Path, source: Source) -> Result<()> {
        fs::write(folder.join("provisioning.toml"), "name = \"bench\"\nstore = \"state.db\"\n")?;
        match source {
            Source::Json => fs::write(folder.join("main.json"), self.json())?,
            Source::Nickel => fs::write(folder.join("main.ncl"), self.nickel())?,
        }
        Ok(())
    }

    pub(crate) fn json(&self) -> String {
        let resources = self.text(",\n", |index, from| {
            format!(
                r#"    "r{index}": {{ "kind": "value", "input": {{ "name": "r{index}", "zone": "z{}", "deps": [{from}] }} }}"#,
                index % 5
            )
        });
        format!("{{\n  \"providers\": {{ \"lab\": {{ \"type\": \"local\" }} }},\n  \"resources\": {{\n{resources}\n  }}\n}}\n")
    }

    fn nickel(&self) -> String {
        let resources = self.text(",\n", |index, from| {
            format!(r#"    r{index} = p.value {{ input = {{ name = "r{index}", zone = "z{}", deps = [{from}] }} }}"#, index % 5)
        });
        format!(
            "let p = import \"provisioning.ncl\" in\n{{\n  providers = {{ lab = p.local {{}} }},\n  resources = {{\n{resources}\n  }},\n}} | p.Infrastructure\n"
        )
    }

    /// The same graph of `terraform_data`, for which Terraform needs no provider to be downloaded.
    pub(crate) fn terraform(&self) -> String {
        let mut text = String::new();
        for (index, from) in self.0.iter().enumerate() {
            let from = from.iter().map(|on| format!("terraform_data.r{on}.id")).collect::<Vec<_>>().join(", ");
            let zone = index % 5;
            writeln!(text, "resource \"terraform_data\" \"r{index}\" {{\n  input = {{ name = \"r{index}\", zone = \"z{zone}\", deps = [{from}] }}\n}}")
                .expect("writing to a string cannot fail");
        }
        text
    }

    fn text(&self, between: &str, line: impl Fn(usize, &str) -> String) -> String {
        let lines = self.0.iter().enumerate().map(|(index, from)| {
            let from = from.iter().map(|on| format!("\"${{r{on}.id}}\"")).collect::<Vec<_>>().join(", ");
            line(index, &from)
        });
        lines.collect::<Vec<_>>().join(between)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wide => "wide",
            Self::Chain => "chain",
            Self::Layered => "layered",
            Self::Diamond => "diamond",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Nickel => "nickel",
        })
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).expect("a bound fits");
        usize::try_from((bits ^ (bits >> 31)) % bound).expect("less than the bound")
    }
}
