//! What to measure.

use std::path::PathBuf;

use crate::Result;
use crate::shape::{Shape, Source};

const HELP: &str = "\
usage: cargo bench --bench engine -- [SHAPE] [N] [options]

SHAPE is wide, chain, layered or diamond, N the number of resources; without them the standard cases run.

  --targets          what the engine is to reach, beside what it does; with the shapes of --scale and Terraform's
  --scale [MOST]     every shape from 100 resources to MOST (100000), and how what they take grows
  --paced            what the order of the steps is worth where calls take long

  --nickel           declare the graph in main.ncl instead of main.json
  --parallelism P    calls at once (16)
  --rounds R         run each case R times and show the median (3); Terraform runs once for each graph
  --terraform PATH   the Terraform to measure beside (the one on PATH, where there is one)
  --no-terraform     measure the engine alone";

/// One graph in one format.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) count: usize,
    pub(crate) source: Source,
    pub(crate) parallelism: usize,
    pub(crate) beside_terraform: bool,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) cases: Vec<Case>,
    pub(crate) rounds: usize,
    pub(crate) terraform: Option<PathBuf>,
    /// Up to how many resources growth is measured, where that is asked for.
    pub(crate) scale: Option<usize>,
    /// Whether the targets are measured.
    pub(crate) targets: bool,
    /// Whether the order of the steps is measured.
    pub(crate) paced: bool,
}

impl Options {
    /// The options of the command line; `None` when help was all that was asked for.
    pub(crate) fn parse(arguments: &[String]) -> Result<Option<Self>> {
        let mut options =
            Self { cases: Vec::new(), rounds: 3, terraform: on_path("terraform"), scale: None, targets: false, paced: false };
        let (mut shape, mut count, mut source, mut parallelism) = (None, None, Source::Json, 16);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--help" | "-h" => {
                    println!("{HELP}");
                    return Ok(None);
                }
                "--scale" => options.scale = Some(100_000),
                "--targets" => options.targets = true,
                "--paced" => options.paced = true,
                "--nickel" => source = Source::Nickel,
                "--parallelism" => parallelism = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse::<usize>()?.max(1),
                "--terraform" => options.terraform = Some(PathBuf::from(value()?)),
                "--no-terraform" => options.terraform = None,
                "wide" => shape = Some(Shape::Wide),
                "chain" => shape = Some(Shape::Chain),
                "layered" => shape = Some(Shape::Layered),
                "diamond" => shape = Some(Shape::Diamond),
                number => count = Some(number.parse().map_err(|_| format!("`{number}` is no option; `--help` lists them"))?),
            }
        }
        let case =
            |shape, count, source, parallelism| Case { shape, count, source, parallelism, beside_terraform: count <= 2000 };
        if options.scale.is_some() {
            options.scale = count.or(options.scale);
        }
        options.cases = match (shape, count) {
            (None, None) => vec![
                case(Shape::Layered, 1000, Source::Json, parallelism),
                case(Shape::Layered, 1000, Source::Nickel, parallelism),
                case(Shape::Wide, 10_000, source, parallelism),
                case(Shape::Wide, 10_000, source, 256),
                case(Shape::Chain, 10_000, source, parallelism),
            ],
            (shape, count) => {
                let shape = shape.unwrap_or(Shape::Layered);
                let usual = if shape == Shape::Layered { 1000 } else { 10_000 };
                vec![case(shape, count.unwrap_or(usual), source, parallelism)]
            }
        };
        Ok(Some(options))
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}
